"""OpenLineage events of the real graph at a real receiver: from the feed to the release that answers, without a text."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import dagster as dg
import pytest

from rag_pipeline.channels.pointer import serving
from rag_pipeline.defs.run import Ran, by_hand, load, promote, refresh
from rag_pipeline.release.request import PromotionRequest
from tests.conftest import Workspace, files_contract
from tests.pipeline.conftest import FLOORS, LENIENT, PAGES, QUESTIONS
from tests.support.alert_receivers import SECRET, Inbox, web_receiver
from tests.support.lineage_standard import held_to_the_standard

Run = Callable[..., Ran]

PRIVATE = "anna.private@example.com"


@pytest.fixture
def inbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Inbox]:
    """The receiver of RAG_OPENLINEAGE_URL."""
    with web_receiver() as inbox:
        monkeypatch.setenv("RAG_OPENLINEAGE_URL", f"http://user:{SECRET}@127.0.0.1:{inbox.port}")
        yield inbox


def jobs(inbox: Inbox, *kinds: str) -> list[str]:
    return [one["job"]["name"] for one in inbox.messages if one["eventType"] in kinds]


def output(inbox: Inbox, job: str) -> dict[str, Any]:
    """The first output of a step that ended well."""
    [event] = [one for one in inbox.messages if one["job"]["name"] == job and one["eventType"] == "COMPLETE"]
    return dict(event["outputs"][0])


def made_from(inbox: Inbox, name: str) -> set[str]:
    """All that a dataset was made from, to the first."""
    found, steps = {name}, [one for one in inbox.messages if one["eventType"] == "COMPLETE"]
    while True:
        more = {read["name"] for one in steps if found & {made["name"] for made in one["outputs"]} for read in one["inputs"]}
        if more <= found:
            return found
        found |= more


def test_events_lead_from_what_makes_the_feed_to_the_release_that_answers(
    handbook: Workspace, inbox: Inbox, caplog: pytest.LogCaptureFixture
) -> None:
    rules = [{"metric": "nullValues", "mustBe": 0, "name": "dated", "type": "library"}]
    contract = files_contract(handbook.root / "pages", **LENIENT)
    contract["customProperties"] = [*contract["customProperties"], {"property": "madeBy", "value": ["warehouse/articles"]}]
    contract["schema"][0]["properties"][4]["quality"] = rules
    handbook.contract("handbook", contract)
    handbook.pages({f"{PRIVATE}.md": f"# Secret\n\nWrite to {PRIVATE} about it, she knows.\n"})
    settings = handbook.settings.model_copy(update={"key_prefix": "search"})
    ran = refresh(settings)
    assert ran.success

    for message in inbox.messages:
        held_to_the_standard(message)
    steps = ["handbook.load", "corpus.chunks", "corpus.embeddings", "evals.questions"]
    steps += ["index.candidate", "index.evaluation", "index.production"]
    started, ended = jobs(inbox, "START"), jobs(inbox, "COMPLETE")
    assert sorted(started) == sorted(ended)
    assert sorted(name for name in started if not name.endswith(".checks")) == sorted(f"search.{name}" for name in steps)
    assert jobs(inbox, "FAIL", "ABORT") == []
    runs = {
        kind: {one["run"]["runId"] for one in inbox.messages if one["eventType"] == kind} for kind in ("START", "COMPLETE")
    }
    assert runs["START"] == runs["COMPLETE"] and len(runs["START"]) == len(started)
    assert {one["run"]["facets"]["parent"]["run"]["runId"] for one in inbox.messages} == {ran.run_id}

    found = made_from(inbox, "search/index/production")
    assert {str(handbook.root / "pages"), "warehouse/articles", "search/handbook/documents", "search/corpus/chunks"} <= found
    assert output(inbox, "search.index.production")["facets"]["version"]["datasetVersion"] == serving(handbook.home)

    documents = output(inbox, "search.handbook.load")
    assert documents["outputFacets"]["outputStatistics"]["rowCount"] == len(PAGES) + 1
    assert [one["name"] for one in documents["facets"]["schema"]["fields"]][:2] == ["path", "text"]
    [origin] = documents["facets"]["columnLineage"]["fields"]["text"]["inputFields"]
    assert (origin["name"], origin["field"]) == (str(handbook.root / "pages"), "text")
    [checks] = [
        one["inputs"][0]["inputFacets"]
        for one in inbox.messages
        if one["job"]["name"] == "search.handbook.documents.checks" and one["eventType"] == "COMPLETE"
    ]
    asserted = {one["name"]: one for one in checks["dataQualityAssertions"]["assertions"]}
    assert asserted["batch_keeps_its_contract"]["success"]
    assert {name: asserted["dated"][name] for name in ("assertion", "column", "expected", "actual", "severity")} == {
        "assertion": "nullValues",
        "column": "modified_at",
        "expected": "mustBe 0.0",
        "actual": "0 rows",
        "severity": "error",
    }
    assert checks["dataQualityMetrics"]["rowCount"] == len(PAGES) + 1
    assert checks["dataQualityMetrics"]["columnMetrics"]["modified_at"]["nullCount"] == 0

    everything = json.dumps(inbox.messages)
    for text in (PRIVATE, "she knows", "thirty days", *QUESTIONS, *PAGES):
        assert text not in everything, "a text, a key or a question"
    assert SECRET not in everything + caplog.text
    with dg.DagsterInstance.get() as instance:
        log = " ".join(str(entry) for entry in instance.all_logs(ran.run_id))
    assert SECRET not in log


def test_a_step_that_fails_says_the_kind_of_error_and_none_of_its_words(
    handbook: Workspace, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Libraries quote the value they stumbled over, and a value may be private."""

    def stumbles(*_: Any, **__: Any) -> None:
        raise ValueError(f"cannot parse {PRIVATE!r}")

    monkeypatch.setattr("rag_pipeline.defs.corpus.update_chunks", stumbles)
    assert not refresh(handbook.settings).success
    [event] = [one for one in inbox.messages if one["eventType"] == "FAIL"]
    held_to_the_standard(event)
    assert event["job"]["name"] == "corpus.chunks"
    assert event["run"]["facets"]["errorMessage"]["message"] == "ValueError; the log of the run says more"
    assert PRIVATE not in json.dumps(inbox.messages)


def test_a_promotion_that_is_not_made_is_a_failure_by_its_name(handbook: Workspace, inbox: Inbox) -> None:
    ran = promote(handbook.settings, PromotionRequest("no-such", by="me", why="try", override=True))
    assert not ran.success
    [event] = [one for one in inbox.messages if one["eventType"] == "FAIL"]
    assert event["job"]["name"] == "index.production"
    assert event["run"]["facets"]["errorMessage"]["message"].startswith("ReleaseError; ")


def tag(ran: Ran, name: str) -> str:
    with dg.DagsterInstance.get() as instance:
        run = instance.get_run_by_id(ran.run_id)
    assert run is not None
    return run.tags.get(name, "")


def test_a_receiver_that_fails_loses_events_and_no_run(
    handbook: Workspace, inbox: Inbox, caplog: pytest.LogCaptureFixture
) -> None:
    inbox.status = 503
    ran = load(handbook.settings, "handbook")
    assert ran.success
    assert tag(ran, "rag/lineage_events_lost") == "6", "start, end, and checks of both tables"
    with dg.DagsterInstance.get() as instance:
        said = " ".join(entry.user_message for entry in instance.all_logs(ran.run_id))
    assert f"6 OpenLineage events were lost: http://127.0.0.1:{inbox.port}: it answered 503" in said
    assert SECRET not in said + caplog.text


def test_a_receiver_that_hangs_loses_events_and_no_run(handbook: Workspace, inbox: Inbox) -> None:
    inbox.hang = True
    ran = load(handbook.settings, "handbook")
    assert ran.success
    assert not inbox.over.is_set(), "it hangs still"
    assert tag(ran, "rag/lineage_events_lost") == "6"


@pytest.mark.slow
def test_a_rollback_is_told_as_a_move_of_the_channel(handbook: Workspace, run: Run, inbox: Inbox) -> None:
    handbook.policy({"questions": FLOORS})
    assert run().success
    first = serving(handbook.home)
    handbook.pages({"travel.md": PAGES["travel.md"].replace("second class", "first class")})
    assert run().success
    assert serving(handbook.home) != first
    inbox.take()
    assert by_hand(handbook.settings, "roll_back", {"by": "ana", "why": "wrong prices"}).success
    assert jobs(inbox, "COMPLETE") == ["index.production.moved"]
    assert output(inbox, "index.production.moved")["facets"]["version"]["datasetVersion"] == first
