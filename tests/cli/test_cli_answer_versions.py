"""`rag answers …`, and `rag promote`, `rag rollback` with an answer version: the real graph, and a model that is asked."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from rag_pipeline.channels.pointer import read_channel
from tests.conftest import Workspace, files_contract
from tests.support.command_line import PAGES, Line, pipeline, refreshed
from tests.support.lying_model import LyingModel, line, model_in_a_thread

__all__ = ["pipeline", "refreshed"]

TRUTH = "Every employee has thirty days of paid holiday each year."


@pytest.fixture
def model() -> Iterator[LyingModel]:
    pytest.importorskip("openai")
    with model_in_a_thread() as found:

        def content(kind: str) -> str:
            seen = json.loads(found.asked[-1]["messages"][1]["content"])["passages"]
            number = next((one["number"] for one in seen if TRUTH in one["text"]), 1)
            return line(TRUTH, TRUTH, number)

        found.content = content  # type: ignore[method-assign]
        yield found


def configure(pipeline: Workspace, model: LyingModel, prompt: str) -> Path:
    file = pipeline.root / "answers.yaml"
    (pipeline.root / "prompt.md").write_text(prompt, encoding="utf-8")
    one = {
        "name": "house",
        "url": model.url,
        "model": "m-1",
        "usd_per_million": {"in": 1, "out": 1},
        "classifications": ["unstated"],
    }
    budget = {"usd_per_day": 1, "usd_per_query": 0.1}
    file.write_text(yaml.safe_dump({"prompt": "prompt.md", "models": [one], "budget": budget}), encoding="utf-8")
    return file


@pytest.mark.slow
def test_a_prompt_goes_through_the_gate_like_a_release_and_comes_back_like_one(
    pipeline: Workspace,
    refreshed: str,
    model: LyingModel,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    say = Line(pipeline.home, monkeypatch, capsys)
    monkeypatch.setenv("RAG_SERVE_ANSWERS", str(configure(pipeline, model, "The first prompt.")))

    def named() -> tuple[str, str | None]:
        channel = read_channel(pipeline.home, "production")
        assert channel is not None
        return channel.release, channel.version

    shown = say.json("answers", "version")
    first = shown["id"]
    assert (shown["channels"], shown["kept"]) == ({"production": None}, [first])
    assert shown["made_of"]["prompt"] == "The first prompt." and shown["made_of"]["models"][0]["model"] == "m-1"
    assert "production names none: whole sentences" in say("answers", "version")[1]
    measured = say.json("answers", "evaluate")
    assert (measured["version"], measured["outcome"], measured["figures"]["fell_back"]) == (first, "passed", 0.0)
    asked = len(model.asked)
    assert asked == measured["figures"]["answered"] > 0

    moved = say.json("promote", "--answers", first, "--by", "ana", "--reason", "first model")
    assert (moved["release"], moved["answers"], moved["moved"]) == (refreshed, first, True)
    assert named() == (refreshed, first)
    assert f"answers are of version {first}" in say("status")[1]
    assert len(model.asked) == asked, "young evidence is used again"
    told = say.json("answer", "how many days of paid holiday has every employee")
    assert told["version"] == first

    pipeline.contract("handbook", files_contract(pipeline.pages({**PAGES, "more.md": "# More\n\nA page about nothing.\n"})))
    assert say.json("refresh")["promoted"]
    second, version = named()
    assert second != refreshed and version == first
    assert len(model.asked) == 2 * asked, "a night asks for the pair"

    configure(pipeline, model, "The second prompt.")
    other = say.json("answers", "version")["id"]
    model.kinds = ["status 500"]
    code, _, said = say("promote", "--answers", other, "--by", "ana", "--reason", "better")
    assert code == 3 and "no model wrote 100.0% of the answers" in said
    assert named() == (second, first)
    model.kinds = ["truth"]
    say.json("answers", "evaluate")
    assert say.json("promote", "--answers", other, "--by", "ana", "--reason", "better")["moved"]
    assert named() == (second, other)
    back = say.json("rollback", "--by", "ana", "--reason", "worse answers")
    assert (back["release"], back["answers"], back["moved"]) == (second, first, True)
    assert say.json("rollback", "--answers", other, "--by", "ana", "--reason", "no, better")["answers"] == other
    assert say.json("rollback", "--by", "ana", "--reason", "prices")["release"] == refreshed
    assert named() == (refreshed, None), "the first version was rolled back itself by then"
