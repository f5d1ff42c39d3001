"""A run that nobody works on is marked failed, with a reason, whoever started it; every other run is left alone."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from rag_pipeline.cli.show import says_of_run
from rag_pipeline.defs.home import prepare_dagster_home
from rag_pipeline.defs.run import load
from rag_pipeline.host.dead_runs import dead_runs_sensor, end_dead_runs
from rag_pipeline.host.status import status_now
from tests.conftest import Workspace, files_contract
from tests.support.run_records import STARTED, kill, messages, record, status_of, worked_on

FAILED = dg.DagsterRunStatus.FAILURE

STARTED_BY = {
    "a command": {"rag/command": "refresh"},
    "the UI": {},
    "the schedule": {"dagster/schedule_name": "nightly_refresh_schedule"},
}
"""Who started a run -> its tags, as this project wrote them before runs had locks."""

DIES_IN = [STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.CANCELING, dg.DagsterRunStatus.NOT_STARTED]


@pytest.fixture
def pages(workspace: Workspace) -> Workspace:
    """One source of one page; nothing was loaded yet."""
    workspace.contract("handbook", files_contract(workspace.pages({"leave.md": "# Leave\n\nThirty days each year.\n"})))
    workspace.golden("questions", {"how many days": ["handbook/leave.md"]})
    workspace.policy({"questions": {"floors": {"nDCG@10": 0.5}}})
    prepare_dagster_home(workspace.settings)
    return workspace


@pytest.fixture
def instance(pages: Workspace) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.get() as instance:
        yield instance


def tick(instance: dg.DagsterInstance, workspace: Workspace) -> str:
    """What one look of the sensor says, as the daemon would take it."""
    context = dg.build_sensor_context(instance=instance, definitions=dg.Definitions())
    return str(dead_runs_sensor(workspace.settings).evaluate_tick(context).skip_message)


def test_a_command_marks_dead_runs_failed_whoever_started_them(pages: Workspace, instance: dg.DagsterInstance) -> None:
    dead = {who: record(instance, pages.settings, tags=tags) for who, tags in STARTED_BY.items()}
    ran = load(pages.settings, "handbook")
    assert ran.success
    for who, run in dead.items():
        assert status_of(instance, run) == FAILED, f"the run of {who} still keeps the queue waiting"
        assert "The process of this run is gone" in messages(instance, run)
        assert "found by `rag load`" in messages(instance, run)
    assert status_of(instance, ran.run_id) == dg.DagsterRunStatus.SUCCESS


@pytest.mark.parametrize("status", DIES_IN, ids=[status.value for status in DIES_IN])
def test_a_run_whose_process_was_killed_is_failed_at_once(
    pages: Workspace, instance: dg.DagsterInstance, status: dg.DagsterRunStatus
) -> None:
    run = record(instance, pages.settings, status=status, age=timedelta(0))
    with worked_on(pages.home, run) as process:
        assert end_dead_runs(instance, pages.home, location="rag_pipeline", by="a test") == []
        assert status_of(instance, run) == status
        kill(process)
        assert end_dead_runs(instance, pages.home, location="rag_pipeline", by="a test") == [run]
    assert status_of(instance, run) == FAILED
    assert not list(pages.home.runs.iterdir())


OTHERS: dict[str, dict[str, Any]] = {
    "it waits in the queue": {"status": dg.DagsterRunStatus.QUEUED},
    "it belongs to another code location": {"location": "billing"},
    "it belongs to no code location and no command": {"location": None},
    "it belongs to another home": {"tags": {"rag/command": "refresh", "rag/home": "/somewhere/else"}},
    "its worker has just begun": {"age": timedelta(minutes=-2)},  # leaves a slow machine the time to get here
    "its worker is still importing": {"status": dg.DagsterRunStatus.STARTING, "age": timedelta(minutes=2)},
}


def test_every_other_run_is_left_alone(pages: Workspace, instance: dg.DagsterInstance) -> None:
    runs = {why: record(instance, pages.settings, **how) for why, how in OTHERS.items()}
    before = {why: status_of(instance, run) for why, run in runs.items()}
    assert load(pages.settings, "handbook").success
    assert tick(instance, pages) == "no run is dead"
    assert {why: status_of(instance, run) for why, run in runs.items()} == before


def test_the_sensor_ends_dead_runs_where_no_command_comes(pages: Workspace, instance: dg.DagsterInstance) -> None:
    assert tick(instance, pages) == "no run is unfinished"
    assert not (pages.home.root / ".refresh.lock").exists(), "a tick with nothing to do must touch nothing"
    dead = record(instance, pages.settings, tags={"rag/command": "refresh"})
    with pages.home.exclusive("refresh", wait_s=0):
        assert tick(instance, pages) == "a run is at work"
        assert status_of(instance, dead) == STARTED
    assert tick(instance, pages) == f"marked failed: {dead}"
    assert status_of(instance, dead) == FAILED


def test_status_names_a_run_that_keeps_the_queue_waiting(pages: Workspace, instance: dg.DagsterInstance) -> None:
    now = datetime.now(UTC)
    assert status_now(pages.settings, now)["runs"] == []
    record(instance, pages.settings, status=dg.DagsterRunStatus.QUEUED)
    assert status_now(pages.settings, now)["runs"] == []
    dead = record(instance, pages.settings, tags={"rag/command": "refresh"})
    alive = record(instance, pages.settings, tags=STARTED_BY["the schedule"])
    foreign = record(instance, pages.settings, location="billing")
    with worked_on(pages.home, alive) as process:
        found = {one["run_id"]: one for one in status_now(pages.settings, now)["runs"]}
    assert {name: one["alive"] for name, one in found.items()} == {dead: False, alive: True, foreign: None}
    assert found[dead]["started_by"] == "rag refresh"
    assert found[alive]["started_by"] == "schedule nightly_refresh_schedule"
    assert found[alive]["process"] == str(process.pid)
    says = says_of_run(found[dead])
    for word in (dead, "nightly_refresh", "dead", "runs that wait for it: 1", "`rag refresh` marks it failed"):
        assert word in says


@pytest.mark.parametrize("where", ["", "100%41 of it", "[2024]"])
def test_status_finds_the_records_where_runs_write_them(
    pages: Workspace, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """DAGSTER_HOME empty is as not set, and a name Dagster cannot take leads there by a link."""
    said = str(pages.root / where) if where else ""
    monkeypatch.setenv("DAGSTER_HOME", said)
    prepare_dagster_home(pages.settings)
    with dg.DagsterInstance.get() as instance:
        dead = record(instance, pages.settings, tags={"rag/command": "refresh"})
    monkeypatch.setenv("DAGSTER_HOME", said)
    assert [one["run_id"] for one in status_now(pages.settings, datetime.now(UTC))["runs"]] == [dead]
