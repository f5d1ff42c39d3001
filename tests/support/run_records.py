"""Records of runs in Dagster's storage, in every state that a kill can leave them in."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import dagster as dg
from dagster._core.storage.runs.schema import RunsTable

from rag_pipeline.defs.graph import build
from rag_pipeline.defs.jobs import NIGHTLY
from rag_pipeline.home import Home
from rag_pipeline.host.command_run import our_origin
from rag_pipeline.settings import Settings

STARTED = dg.DagsterRunStatus.STARTED

_HOLDS = """
import sys, time
from pathlib import Path
from rag_pipeline.host.at_work import at_work
from rag_pipeline.home import Home
with at_work(Home(Path(sys.argv[1])), sys.argv[2]):
    print("holds", flush=True)
    time.sleep(600)
"""


def record(
    instance: dg.DagsterInstance,
    settings: Settings,
    *,
    status: dg.DagsterRunStatus = STARTED,
    tags: Mapping[str, str] | None = None,
    location: str | None = "rag_pipeline",
    age: timedelta = timedelta(hours=1),
) -> str:
    """A nightly run that says it is in some state since `age`; its id. `location`: where the UI loaded its job from."""
    origin = our_origin(instance)
    if location:
        loaded_from: Any = origin.code_location_origin  # a named tuple, of whichever kind
        origin = origin.__class__(loaded_from._replace(location_name=location), origin.repository_name)
    run = instance.create_run_for_job(
        build(settings).resolve_job_def(NIGHTLY),
        status=status,
        tags=tags,
        remote_job_origin=origin.get_job_origin(NIGHTLY) if location else None,
    )
    since = instance.get_run_records(dg.RunsFilter(run_ids=[run.run_id]))[0].update_timestamp - age
    with instance.run_storage.connect() as storage:  # type: ignore[attr-defined]
        storage.execute(RunsTable.update().where(RunsTable.c.run_id == run.run_id).values(update_timestamp=since))
    return run.run_id


@contextmanager
def worked_on(home: Home, run_id: str) -> Iterator["subprocess.Popen[str]"]:
    """A process that holds the lock of the run, as a run worker does, until it is killed."""
    command = [sys.executable, "-c", _HOLDS, str(home), run_id]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "holds\n"
    try:
        yield process
    finally:
        kill(process)


def kill(process: "subprocess.Popen[str]") -> None:
    if process.poll() is None:
        os.kill(process.pid, signal.SIGKILL)
    process.wait()


def status_of(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRunStatus:
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return run.status


def messages(instance: dg.DagsterInstance, run_id: str) -> str:
    """All that the run's log says."""
    return " ".join(entry.message for entry in instance.all_logs(run_id))
