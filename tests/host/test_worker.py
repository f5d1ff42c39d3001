"""Runs of the UI and of the schedules, executed as a run worker does: inside the lock, marked as at work, and tagged."""

import threading
import time
from collections.abc import Callable, Iterator

import dagster as dg
import pytest
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import execute_run

from rag_pipeline.defs.graph import build
from rag_pipeline.defs.home import prepare_dagster_home
from rag_pipeline.defs.jobs import NIGHTLY
from rag_pipeline.defs.run import Ran, promote
from rag_pipeline.host.at_work import is_at_work
from rag_pipeline.host.dead_runs import end_dead_runs
from rag_pipeline.release.request import PromotionRequest
from tests.conftest import Workspace
from tests.pipeline.conftest import PAGES, handbook, run
from tests.support.run_records import STARTED, messages, record, status_of

__all__ = ["handbook", "run"]

SUCCESS = dg.DagsterRunStatus.SUCCESS


@pytest.fixture
def instance(handbook: Workspace) -> Iterator[dg.DagsterInstance]:
    prepare_dagster_home(handbook.settings)
    with dg.DagsterInstance.get() as instance:
        yield instance


def launched(instance: dg.DagsterInstance, workspace: Workspace) -> tuple[str, Callable[[], None]]:
    """A nightly run as the queue hands it to a run worker, and what that worker does with it."""
    job = build(workspace.settings).resolve_job_def(NIGHTLY)
    launched = instance.create_run_for_job(job)

    def work() -> None:
        with dg.DagsterInstance.get() as its_own:
            execute_run(InMemoryJob(job), launched, its_own)

    return launched.run_id, work


def until(what: Callable[[], bool]) -> None:
    for _ in range(600):
        if what():
            return
        time.sleep(0.1)
    raise AssertionError("it did not happen within a minute")


def test_a_run_worker_waits_for_a_command_is_not_taken_for_dead_and_carries_tags(
    handbook: Workspace, instance: dg.DagsterInstance
) -> None:
    run_id, work = launched(instance, handbook)
    dead = record(instance, handbook.settings, tags={"rag/command": "refresh"})
    worker = threading.Thread(target=work)
    with handbook.home.exclusive("refresh", wait_s=0):
        worker.start()
        until(lambda: "this waits for it" in messages(instance, run_id))
        assert is_at_work(handbook.home, run_id)
        assert end_dead_runs(instance, handbook.home, location="rag_pipeline", by="a test") == [dead]
        assert status_of(instance, run_id) == STARTED
    worker.join(timeout=120)
    assert status_of(instance, run_id) == SUCCESS
    done = instance.get_run_by_id(run_id)
    assert done is not None
    assert done.tags["rag/promoted"] == "production"
    assert done.tags["rag/verdict"] == "passed"
    assert done.tags["rag/home"] == str(handbook.home)
    assert not list(handbook.home.runs.iterdir())


def test_a_run_that_was_ended_while_it_waited_does_nothing(handbook: Workspace, instance: dg.DagsterInstance) -> None:
    run_id, work = launched(instance, handbook)
    worker = threading.Thread(target=work)
    with handbook.home.exclusive("refresh", wait_s=0):
        worker.start()
        until(lambda: "this waits for it" in messages(instance, run_id))
        ended = instance.get_run_by_id(run_id)
        assert ended is not None
        instance.report_run_failed(ended, "a person marked it failed")
    worker.join(timeout=60)
    assert status_of(instance, run_id) == dg.DagsterRunStatus.FAILURE
    assert "it did nothing" in str([entry.dagster_event for entry in instance.all_logs(run_id)])
    assert not handbook.home.lake.exists()


def test_the_runs_page_tells_a_good_night_from_one_that_was_held_or_refused(
    handbook: Workspace, instance: dg.DagsterInstance, run: Callable[..., Ran]
) -> None:
    def tags(ran: Ran) -> dict[str, str]:
        record = instance.get_run_by_id(ran.run_id)
        assert record is not None
        told = {name.removeprefix("rag/"): value for name, value in record.tags.items() if name.startswith("rag/")}
        return {name: value for name, value in told.items() if name not in ("home", "command")}

    good = run()
    first = good.assets["index/candidate"]["release"]
    assert tags(good) == {"release": first, "verdict": "passed", "promoted": "production"}

    (handbook.root / "pages").rename(handbook.root / "away")
    assert tags(run()) == {"release": first, "verdict": "passed", "held_sources": "handbook"}
    (handbook.root / "away").rename(handbook.root / "pages")

    handbook.policy({"questions": {"floors": {"nDCG@10": 1.0}}})
    handbook.pages({"leave.md": "# Parking\n\nCars stand in the garage below the house.\n", "travel.md": PAGES["leave.md"]})
    refused = run()
    assert not refused.success
    found = tags(refused)
    assert found["release"] not in ("", first)
    assert found["verdict"] not in ("", "passed")
    assert "promoted" not in found
    by_hand = promote(handbook.settings, PromotionRequest(found["release"], by="me", why="try"))
    assert tags(by_hand) == {"refused": "production"}
