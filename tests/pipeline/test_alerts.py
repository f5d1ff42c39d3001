"""Somebody is told, through the real graph, the real sensor and a real receiver: one message a cause, not one a tick."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import dagster as dg
import pytest

from rag_pipeline.channels.pointer import serving
from rag_pipeline.defs.graph import build
from rag_pipeline.defs.home import prepare_dagster_home
from rag_pipeline.defs.run import Ran, evaluate, refresh
from tests.conftest import Workspace, files_contract
from tests.pipeline.conftest import FLOORS, LENIENT, PAGES
from tests.support.alert_receivers import SECRET, Inbox, dead_address, web_receiver

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
    handbook: Workspace, begin: Run, run: Run, inbox: Inbox, tick: Tick
) -> None:
    assert begin().success
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
    assert tick() == "nothing new to tell; 1 thing is wrong now"
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
    return str(json.loads(handbook.home.verdict("production").read_text(encoding="utf-8"))["run_id"])


@pytest.mark.slow
def test_a_held_source_is_told_once_and_once_more_when_it_blocks_promotion(
    handbook: Workspace, begin: Run, run: Run, inbox: Inbox, tick: Tick
) -> None:
    assert begin().success
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
    assert message["title"] == ("[rag] source handbook is older than its contract allows"), (
        "its refusal and its failed run say the same"
    )
    assert "its contract allows 0.000277778 h: this blocks promotion" in message["message"]

    (handbook.root / "gone").rename(handbook.root / "pages")
    handbook.contract("handbook", files_contract(handbook.root / "pages", **LENIENT))
    assert run().success
    tick()
    assert sorted(inbox.titles) == [
        "[rag] resolved: source handbook is held at its last good version (6 documents serve on)",
        "[rag] resolved: source handbook is older than its contract allows",
    ]


def broken_model(handbook: Workspace) -> Ran:
    """A refresh that fails long before the gate: the model was there when it started, and is not any more."""
    settings = handbook.settings.model_copy(update={"model": str(handbook.root / "no-model")})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rag_pipeline.defs.run.check_ready", lambda *_, **__: None)
        ran = refresh(settings)
    assert not ran.success
    return ran


def test_a_failed_run_is_told_once_also_when_dagsters_own_state_is_wiped(
    handbook: Workspace, inbox: Inbox, tick: Tick
) -> None:
    broken_model(handbook)
    assert "told: corpus/chunks failed" in tick()
    [message] = inbox.take()
    assert message["title"] == "[rag] corpus/chunks failed, in a run of nightly_refresh"
    assert "no-model" in message["message"], "our own words, as the command says them"
    assert "Next: rag status\nThen: rag refresh\n" in message["message"]
    broken_model(handbook)
    tick()
    assert inbox.take() == [], "the next night fails in the same way"
    shutil.rmtree(handbook.root / "dagster")
    prepare_dagster_home(handbook.settings)
    assert tick() == "nothing new to tell; 1 thing is wrong now", "that nobody remembers it is no sign that it is over"
    assert not evaluate(handbook.settings, "no-such-release").success
    tick()
    assert inbox.take() == [], "a command of a person told that person"


def test_of_a_strangers_error_a_message_holds_the_kind_only(
    handbook: Workspace, run: Run, inbox: Inbox, tick: Tick, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Libraries quote the value they stumbled over, and a value may be private."""

    def stumbles(*_: Any) -> None:
        raise ValueError("cannot parse 'anna.private@example.com'")

    monkeypatch.setattr("rag_pipeline.defs.corpus.update_chunks", stumbles)
    assert not run().success
    tick()
    [message] = inbox.take()
    assert "  - ValueError; the log of the run says more\n" in message["message"]
    assert "anna.private" not in json.dumps(message)


@pytest.mark.slow
def test_a_failed_check_of_severity_error_is_told_with_its_owner(
    handbook: Workspace, begin: Run, run: Run, inbox: Inbox, tick: Tick
) -> None:
    assert begin().success
    release = handbook.home.release(str(serving(handbook.home))) / "chunks.parquet"
    release.chmod(0o644)
    release.write_bytes(release.read_bytes()[:-1])
    run()
    tick()
    told = {message["title"]: message["message"] for message in inbox.take()}
    body = told["[rag] index/candidate: the check releases_in_use_are_intact failed"]
    assert "is damaged (chunks.parquet)" in body
    assert "Owner: team:retrieval\n" in body


@pytest.mark.slow
def test_a_killed_run_is_told_once_and_its_end_when_a_later_one_gets_through(
    handbook: Workspace, run: Run, inbox: Inbox, tick: Tick
) -> None:
    code = "import sys; sys.argv = ['rag', 'refresh']; from rag_pipeline.cli import main; main()"
    killed = subprocess.Popen([sys.executable, "-c", code], env=handbook.environment, stderr=subprocess.DEVNULL)
    while not (handbook.home.root / "lake/chunks/_delta_log").is_dir():
        assert killed.poll() is None
        time.sleep(0.1)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    with dg.DagsterInstance.get() as instance:
        for one in instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])):
            instance.report_run_failed(one, "The process of this run is gone: it was killed.")
    tick()
    [message] = inbox.take()
    assert "was killed or died, in a run of nightly_refresh" in message["title"]
    assert "The process of this run is gone: it was killed." in message["message"]
    tick()
    assert inbox.take() == []
    assert run().success
    tick()
    assert [title.startswith("[rag] resolved: ") for title in inbox.titles] == [True]


@pytest.mark.slow
def test_the_daemon_tells_it_once_and_no_file_or_log_holds_an_address(
    handbook: Workspace, run: Run, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two receivers, one of them dead; more than two ticks; everything Dagster keeps is searched for the address."""
    demand(handbook, 1.0)
    handbook.golden("questions", {"how many days of vacation do I get": ["handbook/travel.md"]})
    assert not run().success
    environment = {
        **handbook.environment,
        "RAG_ALERTS": f"{dead_address()} {inbox.url}",
        "DAGSTER_HOME": os.environ["DAGSTER_HOME"],
    }
    command = [sys.executable, "-m", "dagster._daemon", "run", "-m", "rag_pipeline.definitions"]
    log = handbook.root / "daemon.log"
    with log.open("wb") as out:
        daemon = subprocess.Popen(command, env=environment, cwd=handbook.root, stdout=out, stderr=out)
    try:
        until = time.monotonic() + 240
        while ticks(handbook) < 3:
            assert daemon.poll() is None and time.monotonic() < until, log.read_text(encoding="utf-8")
            time.sleep(1)
    finally:
        daemon.terminate()
        daemon.wait(timeout=60)
    assert [title.partition(": ")[0] for title in inbox.titles] == ["[rag] production"]
    for path in handbook.root.rglob("*"):
        assert not path.is_file() or SECRET.encode() not in path.read_bytes(), path


def ticks(handbook: Workspace) -> int:
    """How often the daemon has ticked the sensor."""
    with dg.DagsterInstance.get() as instance:
        states = [one for one in instance.all_instigator_state() if one.instigator_name == "alerts"]
        return len(instance.get_ticks(states[0].instigator_origin_id, states[0].selector_id)) if states else 0


@pytest.mark.slow
def test_production_that_rots_is_told_once_and_what_its_sources_tell_not_again(
    handbook: Workspace, run: Run, inbox: Inbox, tick: Tick
) -> None:
    handbook.policy({"questions": FLOORS}, watch={"rollback": False, "slower_factor": None})
    assert run().success
    (handbook.root / "pages" / "leave.md").unlink()
    assert run(promote=False).assets["handbook/documents"]["documents"] == len(PAGES) - 1
    sla = [{"property": "latency", "value": 1, "unit": "s"}]
    handbook.contract("handbook", files_contract(handbook.root / "pages", slaProperties=sla, **LENIENT))
    for _ in range(2):
        with dg.DagsterInstance.get() as instance:
            build(handbook.settings).resolve_job_def("watch_production").execute_in_process(instance=instance)
        tick()
    assert inbox.titles == [
        "[rag] source handbook is older than its contract allows",
        "[rag] production got worse although nothing was promoted",
    ]
    body = inbox.messages[1]["message"]
    assert "1 of 6 judged answers are gone, first handbook/leave.md (dead)" in body
    assert "Next: rag evaluate --release" in body
