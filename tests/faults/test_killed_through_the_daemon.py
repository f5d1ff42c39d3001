"""kill -9 of a command, of a run worker, of the whole daemon: the schedule's next tick runs and promotes all the same.

With one run at a time, one record of a run that nobody works on any more would stop every night to come.
"""

import json
import os
import signal
from collections.abc import Iterator

import dagster as dg
import pytest

from rag_pipeline.channels.pointer import serving
from tests.conftest import Workspace
from tests.support.dagster_daemon import Night

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture
def night(handbook: Workspace) -> Iterator[Night]:
    """The handbook with a nightly refresh due every minute; nothing is left running."""
    night = Night(handbook)
    yield night
    night.kill()


def assert_the_next_tick_promotes(night: Night, dead: str) -> None:
    """The dead run is failed with a reason, and a later one of the schedule moves production."""
    night.wait_for(lambda: night.run(dead).status == dg.DagsterRunStatus.FAILURE, "marking the dead run failed")
    later = night.wait_for(night.promoted_by_schedule, "a promotion by the schedule")
    assert later.run_id != dead
    assert serving(night.workspace.home) == later.tags["rag/release"]
    assert night.run(dead).status == dg.DagsterRunStatus.FAILURE


def reasons(run_id: str) -> str:
    with dg.DagsterInstance.get() as instance:
        return " ".join(entry.message for entry in instance.all_logs(run_id))


def test_after_a_killed_command_the_next_tick_runs(night: Night) -> None:
    command = night.command("refresh")
    dead, process = night.wait_for(night.worker, "the command's run")
    assert process == command.pid
    os.killpg(command.pid, signal.SIGKILL)
    command.wait()
    (named,) = json.loads(night.says("status", "--json"))["runs"]
    assert (named["run_id"], named["started_by"], named["alive"]) == (dead, "rag refresh", False)
    night.start()
    assert_the_next_tick_promotes(night, dead)
    assert "found by sensor end_dead_runs" in reasons(dead)


def test_after_a_killed_run_worker_the_next_tick_runs(night: Night) -> None:
    night.start()
    dead, process = night.wait_for(night.worker, "a run of the schedule")
    os.kill(process, signal.SIGKILL)
    assert_the_next_tick_promotes(night, dead)


def test_after_a_killed_daemon_the_next_tick_runs(night: Night) -> None:
    night.start()
    dead, _ = night.wait_for(night.worker, "a run of the schedule")
    night.kill()
    assert night.run(dead).status == dg.DagsterRunStatus.STARTED, "the run was not killed in the middle"
    night.start()
    assert_the_next_tick_promotes(night, dead)
    assert "found by sensor end_dead_runs" in reasons(dead)
