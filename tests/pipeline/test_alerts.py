"""Somebody is told, through the real graph, the real sensor and a real receiver: one message a cause, not one a tick."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import dagster as dg
import pytest

from rag_pipeline.defs.graph import build
from rag_pipeline.defs.run import Ran
from rag_pipeline.release.channels import serving
from tests.conftest import Workspace, files_contract
from tests.pipeline.conftest import FLOORS, LENIENT, PAGES
from tests.release.alerts.receivers import SECRET, Inbox, web_receiver

Run = Callable[..., Ran]
Tick = Callable[[], str]


@pytest.fixture
def inbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Inbox]:
    """The one receiver of RAG_ALERTS."""
    with web_receiver() as inbox:
        monkeypatch.setenv("RAG_ALERTS", inbox.url)
        yield inbox


@pytest.fixture
def tick(handbook: Workspace, caplog: pytest.LogCaptureFixture) -> Tick:
    """One tick of the sensor as the daemon makes it, with definitions read anew; what the Automation page says of it."""

    def once() -> str:
        sensor = next(one for one in build(handbook.settings).sensors or () if one.name == "alerts")
        with dg.DagsterInstance.get() as instance, dg.build_sensor_context(instance=instance) as context:
            said = sensor(context)
        assert isinstance(said, dg.SkipReason)
        assert said.skip_message is not None
        assert SECRET not in said.skip_message and SECRET not in caplog.text
        return said.skip_message

    return once


def demand(handbook: Workspace, ndcg: float, **more: Any) -> None:
    """A floor on the answers; above 1 no candidate meets it."""
    handbook.policy({"questions": {**FLOORS, "floors": {"nDCG@10": ndcg, **more}}})


def edit(handbook: Workspace, words: str) -> None:
    handbook.pages({"travel.md": PAGES["travel.md"].replace("second class", words)})


def test_a_refusal_is_told_once_until_its_reason_changes_and_its_end_is_told(
    handbook: Workspace, run: Run, inbox: Inbox, tick: Tick
) -> None:
    assert run().success
    first = serving(handbook.home)
    assert tick() == "nothing new to tell; 0 things are wrong now"

    demand(handbook, 1.0)
    handbook.golden("questions", {"how many days of vacation do I get": ["handbook/travel.md"]})
    edit(handbook, "first class")
    assert not run().success
    assert "told: production: " in tick()
    [message] = inbox.take()
    assert message["type"] == "failure"
    assert message["title"].startswith("[rag] production: ") and message["title"].endswith(" was refused (regressed)")
    body = message["message"]
    assert "  - questions: nDCG@10" in body and "below its floor of 1" in body and "gate.yaml:" in body
    assert "Owner: team:retrieval, docs@example.com" in body, "of the pipeline, and of the golden set"
    assert f"Serves now: {first} since " in body
    assert "Next: rag status\n" in body
    assert f"Run: {run_of(handbook)}" in body
    tick()
    assert inbox.take() == [], "the next tick"

    edit(handbook, "third class")  # the next night: another candidate, refused for the same reason with other figures
    assert not run().success
    assert tick() == "nothing new to tell; 1 things are wrong now"
    assert inbox.take() == []

    handbook.policy({"questions": {**FLOORS, "floors": {"nDCG@10": 1.0, "MRR@10": 1.0}}})
    assert not run().success
    tick()
    [message] = inbox.take()
    assert "MRR@10" in message["message"], "another reason"
    tick()
    assert inbox.take() == []

    handbook.policy({"questions": FLOORS})
    handbook.golden("questions", {"how many days of vacation do I get": ["handbook/leave.md"]})
    assert run().success
    tick()
    [message] = inbox.take()
    assert message["type"] == "success"
    assert message["title"].startswith("[rag] resolved: production: ")
    assert f"Serves now: {serving(handbook.home)} since " in message["message"]
    assert tick() == "nothing new to tell; 0 things are wrong now"
    assert inbox.take() == []


def run_of(handbook: Workspace) -> str:
    return str(json.loads((handbook.home / "verdicts/production.json").read_text(encoding="utf-8"))["run_id"])


def test_a_held_source_is_told_once_and_once_more_when_it_blocks_promotion(
    handbook: Workspace, run: Run, inbox: Inbox, tick: Tick
) -> None:
    assert run().success
    (handbook.root / "pages").rename(handbook.root / "gone")
    assert run().success
    tick()
    [message] = inbox.take()
    assert message["title"] == "[rag] source handbook is held at its last good version (6 documents serve on)"
    assert "the feed could not be listed" in message["message"]
    assert "Owner: team:docs, docs@example.com\n" in message["message"]
    assert "rag refresh --source handbook" in message["message"]
    run()
    tick()
    assert inbox.take() == [], "the next night"

    sla = [{"property": "latency", "value": 1, "unit": "s"}]
    handbook.contract("handbook", files_contract(handbook.root / "pages", slaProperties=sla, **LENIENT))
    demand(handbook, 0.61)  # so that the gate has something to decide
    ran = run()
    assert "candidate_meets_the_policy" in {one.check for one in ran.failed_checks}
    tick()
    [message] = inbox.take()
    assert message["title"] == "[rag] source handbook is past its promise", "its refusal and its failed run say the same"
    assert "its contract allows 0.000277778 h: this blocks promotion" in message["message"]

    (handbook.root / "gone").rename(handbook.root / "pages")
    handbook.contract("handbook", files_contract(handbook.root / "pages", **LENIENT))
    assert run().success
    tick()
    assert sorted(inbox.titles) == [
        "[rag] resolved: source handbook is held at its last good version (6 documents serve on)",
        "[rag] resolved: source handbook is past its promise",
    ]
