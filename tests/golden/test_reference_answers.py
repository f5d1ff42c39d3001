"""`answers.jsonl`: reference answers beside the queries of a golden set, their errors, and who leaves them alone."""

import json
from pathlib import Path

import pytest

from rag_pipeline.errors import GoldenSetError
from rag_pipeline.golden.hygiene import check_set
from rag_pipeline.golden.journal import Judgment
from rag_pipeline.golden.judging import Judging
from rag_pipeline.golden.read import read_golden_set
from rag_pipeline.golden.reference_answers import ANSWERS, read_answers
from rag_pipeline.golden.unanswerable import UNANSWERABLE
from tests.conftest import Workspace

ASKED = {"how long may I be away": ["hr/leave"], "who approves flights": ["hr/travel"]}


@pytest.fixture
def folder(workspace: Workspace) -> Path:
    made = workspace.golden("small", ASKED)
    (made / ANSWERS).write_text('\n{"_id": "q0", "answers": ["30 days", "thirty days"]}\n')
    return made


def test_a_question_may_have_several_answers_or_none(folder: Path) -> None:
    assert read_answers(folder, {"q0", "q1"}) == {"q0": ("30 days", "thirty days")}
    (folder / ANSWERS).unlink()
    assert read_answers(folder, {"q0", "q1"}) == {}


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"_id": "q2", "answers": ["x"]}', r"3: _id: no query of queries\.jsonl is called 'q2'; there are: q0, q1"),
        ('{"answers": ["x"]}', r"3: _id: no query"),
        ('{"_id": "q0", "answers": ["x"]}', r"3: _id: query 'q0' is given twice; keep one; write all its answers"),
        ('{"_id": "q1", "answers": []}', r"3: answers: expected a list of texts that are not blank, as in \{"),
        ('{"_id": "q1", "answers": "x"}', r"3: answers: expected a list"),
        ('{"_id": "q1", "answers": ["x", " "]}', r"3: answers: expected a list"),
        ('{"_id": "q1"}', r"3: answers: expected a list"),
        ("[1]", r"3: a query is a JSON object"),
        ("{", r"3: not JSON"),
    ],
)
def test_a_line_that_is_wrong_is_named_with_its_fix(workspace: Workspace, folder: Path, line: str, says: str) -> None:
    with (folder / ANSWERS).open("a") as file:
        file.write(line + "\n")
    with pytest.raises(GoldenSetError, match=rf"answers\.jsonl:{says}"):
        read_answers(folder, {"q0", "q1"})
    [found] = [one for one in check_set(folder, workspace.home, ["hr"]).findings if one.level == "error"]
    assert (found.kind, found.where) == ("unreadable_answers", f"{folder / ANSWERS}:3")


def test_a_question_that_is_judged_cannot_be_unanswerable_too(workspace: Workspace, folder: Path) -> None:
    assert check_set(folder, workspace.home, ["hr"]).sound
    (folder / UNANSWERABLE).write_text(json.dumps({"_id": "u1", "text": "Who approves  flights?"}) + "\n")
    [found] = [one for one in check_set(folder, workspace.home, ["hr"]).findings if one.level == "error"]
    assert (found.kind, found.query) == ("judged_and_unanswerable", "u1") and "q1" in found.says


def test_answers_change_no_fingerprint_and_judging_leaves_them_alone(workspace: Workspace, folder: Path) -> None:
    before, with_answers = (folder / ANSWERS).read_bytes(), read_golden_set(folder).fingerprint
    judging = Judging.open(folder, workspace.home)
    judging.judge(Judgment("q1", "hr/leave", 0, "", "somebody", "2026-03-01T00:00:00Z", "r"))
    assert (folder / ANSWERS).read_bytes() == before
    judged = read_golden_set(folder).fingerprint
    (folder / ANSWERS).unlink()
    assert read_golden_set(folder).fingerprint == judged != with_answers, "the judgment counts, the answers do not"


def test_private_data_in_an_answer_is_treated_as_in_a_question(workspace: Workspace) -> None:
    folder = workspace.golden("private", ASKED, piiPolicy="refuse")
    (folder / ANSWERS).write_text('{"_id": "q0", "answers": ["ask ada.lovelace@example.com"]}\n')
    with pytest.raises(GoldenSetError, match=r"answers\.jsonl:1: answers: holds private data") as refused:
        read_answers(folder, {"q0"})
    assert "lovelace" not in str(refused.value)
