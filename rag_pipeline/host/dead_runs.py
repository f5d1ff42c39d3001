"""Runs that are unfinished in Dagster's records while nothing works on them: found and marked failed, with the reason.

With one run at a time such a record stops every later one. Code that holds the refresh lock may end them: nothing of this
pipeline writes without it. Commands and run workers do so when they start; a sensor does it where nothing can start.
"""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster._core.events import JobFailureData, RunFailureReason

from rag_pipeline.errors import PipelineError
from rag_pipeline.home import Home
from rag_pipeline.host.at_work import is_at_work, sweep
from rag_pipeline.host.names import COMMAND, HOME, named
from rag_pipeline.host.run_tags import tag_outcome
from rag_pipeline.settings import Settings

log = logging.getLogger("rag_pipeline")

SENSOR = "end_dead_runs"

UNFINISHED = (
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)
"""What a run may die in. A queued one waits for its turn, and has no process yet."""

_STARTS = timedelta(minutes=5)
"""The time from launching a run worker to its first event; `start_timeout_seconds` of instance.yaml has the same value."""

_SAYS_SO = timedelta(minutes=1)
"""The time from a run worker's first event to its lock, and from releasing that to its last event: usually milliseconds."""


def unfinished(instance: dg.DagsterInstance) -> Sequence[dg.RunRecord]:
    """Every run, of whomever, that is at work or died at it, oldest first."""
    return instance.get_run_records(dg.RunsFilter(statuses=list(UNFINISHED)), ascending=True)


def is_dead(record: dg.RunRecord, home: Home, location: str | None, now: datetime) -> bool | None:
    """Whether nothing works on an unfinished run of this pipeline any more; None for a run of somebody else's.

    `location`: the code location of which every run is this pipeline's; None where there is none, because other people's
    assets stand beside it. A run's own lock says it exactly; without one the run is starting, ending, or was killed just
    then, and gets some time.
    """
    run = record.dagster_run
    working = is_at_work(home, run.run_id)
    if working is not None:
        return not working
    if not _is_ours(run, home, location):
        return None
    patience = _STARTS if run.status == dg.DagsterRunStatus.STARTING else _SAYS_SO
    return now - record.update_timestamp.replace(tzinfo=UTC) > patience


def _is_ours(run: dg.DagsterRun, home: Home, location: str | None) -> bool:
    if COMMAND in run.tags:  # commands had no tag of their home once
        return run.tags.get(HOME, str(home)) == str(home)
    if run.status == dg.DagsterRunStatus.NOT_STARTED:  # the daemon will put it into the queue
        return False
    if HOME in run.tags:
        return run.tags[HOME] == str(home)
    origin = run.remote_job_origin
    return origin is not None and origin.location_name == location


def end_dead_runs(instance: dg.DagsterInstance, home: Home, *, location: str | None, by: str) -> list[str]:
    """Mark every dead run of this pipeline failed; their ids. The caller holds the refresh lock."""
    now = datetime.now(UTC)
    dead = [record for record in unfinished(instance) if is_dead(record, home, location, now)]
    for record in dead:
        run = record.dagster_run
        since = f"{record.update_timestamp:%Y-%m-%d %H:%M:%S} UTC"
        says = (
            "The process of this run is gone: it was killed, or the machine went down. The record had said "
            f"{run.status.value} since {since}, which keeps later runs waiting; found by {by}. What the run had committed "
            "stays, and the next one goes on from there."
        )
        tag_outcome(instance, run.run_id, home)
        died = JobFailureData(error=None, failure_reason=RunFailureReason.UNEXPECTED_TERMINATION)
        instance.report_run_failed(run, says, died)
        log.warning("run %s of %s is marked failed. %s", run.run_id, run.job_name, says)
    sweep(home)
    return [record.dagster_run.run_id for record in dead]


def dead_runs_sensor(settings: Settings, *, alone: bool = True) -> dg.SensorDefinition:
    """Ends dead runs where no process of ours can start because of them: in the daemon's code server.

    `alone`: nobody else's assets stand in the code location, so that every run of it is ours.
    """

    @dg.sensor(
        name=named(settings, SENSOR),
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            "Marks a run as failed when its process is gone: a killed command, a "
            "machine that went down. Without it such a run "
            "would keep every later one in the queue. Starts nothing."
        ),
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        if not unfinished(context.instance):  # so that a tick of an idle pipeline touches nothing
            return dg.SkipReason("no run is unfinished")
        origin = context.code_location_origin if alone else None
        try:
            with settings.home.exclusive("refresh", wait_s=0):
                ended = end_dead_runs(
                    context.instance, settings.home, location=origin.location_name if origin else None, by=f"sensor {SENSOR}"
                )
        except PipelineError:
            return dg.SkipReason("a run is at work")
        return dg.SkipReason(f"marked failed: {', '.join(ended)}" if ended else "no run is dead")

    return sensor
