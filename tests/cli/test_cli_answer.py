"""`rag answer` and `rag golden answers`, on a release by the real model."""

import io
import json
from pathlib import Path

import pytest

from rag_pipeline.answer.bounds import ENOUGH, NO_PASSAGE, last_choice
from rag_pipeline.answer.judged_by_people import read_judgments
from rag_pipeline.golden.unanswerable import UNANSWERABLE
from rag_pipeline.home_mark import claim_home
from tests.conftest import Workspace
from tests.support.command_line import Line, pipeline
from tests.support.replicas import PAGES, release_with

__all__ = ["pipeline"]


@pytest.fixture
def line(pipeline: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Line:
    claim_home(pipeline.settings)
    return Line(pipeline.home, monkeypatch, capsys)


def test_a_question_is_answered_with_its_source_or_refused(line: Line) -> None:
    release = release_with(line.home, PAGES)
    told = line.json("answer", "how many days of paid holiday has every employee", "--release", release)
    [quote] = told["sentences"][0]["citations"]
    assert quote["quote"] == told["sentences"][0]["text"] == "Every employee has thirty days of paid holiday each year."
    assert PAGES["leave.md"][quote["start"] : quote["end"]] == quote["quote"]
    assert (told["release"], told["refused"]) == (release, None)
    assert told["meaning"] > told["bounds"]["meaning"]
    code, out, _ = line("answer", "how many days of paid holiday has every employee", "--release", release)
    assert code == 0 and "handbook/leave.md, characters " in out

    foreign = "which tennis player won the cup in the year of the comet"
    told = line.json("answer", foreign, "--release", release)
    assert (told["sentences"], told["refused"]) == ([], NO_PASSAGE)
    assert NO_PASSAGE in line("answer", foreign, "--release", release)[1]


def test_golden_sets_measure_answers_and_choose_from_where_on_there_are_none(
    line: Line, pipeline: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = release_with(line.home, PAGES)
    asked = [f"how many days of paid holiday has employee {number}" for number in range(ENOUGH)]
    folder = pipeline.golden("questions", {text: ["handbook/leave.md"] for text in asked})
    (folder / UNANSWERABLE).write_text(json.dumps({"_id": "u", "text": "who won the tennis cup"}) + "\n")
    told = line.json("golden", "answers", "--release", release)
    figures = told["golden_sets"]["questions"]
    assert (figures["questions"], figures["found"], figures["unanswerable"]) == (ENOUGH, ENOUGH, 1)
    assert figures["citations"] == figures["valid_citations"] > 0
    assert (figures["refused_rightly"], figures["right_sentence"]) == (1.0, None), "whole documents were judged"
    assert told["kept"] is False and last_choice(line.home) is None
    assert told["page"] is None and not list(line.home.reports.glob("*"))
    told = line.json("golden", "answers", "questions", "--release", release, "--keep", "--page")
    assert Path(told["page"]).name == f"answers-{release}.html" and asked[0] in Path(told["page"]).read_text()
    kept = last_choice(line.home)
    assert kept is not None and told["kept"] is True
    assert kept.bounds.model_dump() == told["proposed"] and kept.questions == ENOUGH
    code, out, _ = line("golden", "answers", "--release", release)
    assert code == 0 and f"refused below {kept.bounds.meaning:.3f} by meaning" in " ".join(out.split())
    assert "no golden set nothing" in line.refused("golden", "answers", "nothing", "--release", release)
    monkeypatch.setattr("sys.stdin", io.StringIO("y\nn\nq\n"))
    told = line.json("golden", "judge", "questions", "--answers", "--release", release, "--by", "ana")
    assert (told["judged"], told["left"], told["judge"]) == (1, ENOUGH - 5, "ana"), "four of them are refused now"
    [said] = read_judgments(folder).values()
    assert (said.faithful, said.relevant) == (True, False)
