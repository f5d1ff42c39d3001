"""How runs of the UI and of the schedules are executed: in one process, and one at a time with the commands."""

import time
from collections.abc import Iterator
from contextlib import ExitStack

import dagster as dg
from dagster._core.events import EngineEventData
from dagster._core.execution.context.system import PlanOrchestrationContext
from dagster._core.execution.plan.plan import ExecutionPlan
from dagster._core.execution.retries import RetryMode
from dagster._core.execution.step_dependency_config import StepDependencyConfig
from dagster._core.executor.base import Executor
from dagster._utils.interrupts import raise_interrupts_as

from rag_pipeline.errors import PipelineError
from rag_pipeline.home import Home
from rag_pipeline.host.at_work import at_work
from rag_pipeline.host.dead_runs import end_dead_runs
from rag_pipeline.host.kept_connections import kept_connections
from rag_pipeline.host.names import HOME
from rag_pipeline.host.run_tags import tag_outcome
from rag_pipeline.settings import Settings

_WAIT_S = 6 * 3600.0
"""How long a run waits for a command that began in the very moment it was launched; otherwise it waits in the queue."""


class OneAtATime(Executor):
    """Dagster's in-process executor, inside the refresh lock: torch is imported once, and one writer is all there is.

    A command executes its run by itself and holds the lock already; Dagster does not ask this executor then.
    """

    def __init__(self, inside: Executor, home: Home, *, alone: bool = True) -> None:
        """`alone`: nobody else's assets stand in the code location, so that every run of it is ours."""
        self._inside = inside
        self._home = home
        self._alone = alone

    @property
    def retries(self) -> RetryMode:
        return self._inside.retries

    @property
    def step_dependency_config(self) -> StepDependencyConfig:
        return self._inside.step_dependency_config

    def execute(self, plan_context: PlanOrchestrationContext, execution_plan: ExecutionPlan) -> Iterator[dg.DagsterEvent]:
        """The events of the run. It is marked as ours and at work first, then waits for its turn."""
        instance, run_id = plan_context.instance, plan_context.run_id
        with ExitStack() as held:
            held.enter_context(at_work(self._home, run_id))
            instance.add_run_tags(run_id, {HOME: str(self._home)})
            if not taken(held, self._home, 0):
                says = "Another run of this pipeline is at work; this waits for it."
                yield dg.DagsterEvent.engine_event(plan_context, says, EngineEventData())
                wait_for_turn(held, self._home)
            run = instance.get_run_by_id(run_id)
            if run is None or run.is_finished or run.status == dg.DagsterRunStatus.CANCELING:
                raise PipelineError("this run was ended from outside while it waited for another one; it did nothing")
            origin = run.remote_job_origin if self._alone else None
            location = origin.location_name if origin else None
            end_dead_runs(instance, self._home, location=location, by=f"run {run_id}")
            held.enter_context(kept_connections(instance))
            try:
                yield from self._inside.execute(plan_context, execution_plan)
            finally:
                tag_outcome(instance, run_id, self._home)


def wait_for_turn(held: ExitStack, home: Home) -> None:
    """Wait for the refresh lock, which is let go with `held`. Raises `PipelineError` when that takes too long."""
    until = time.monotonic() + _WAIT_S
    while not taken(held, home, 1):
        with raise_interrupts_as(dg.DagsterExecutionInterruptedError):
            time.sleep(0)
        if time.monotonic() > until:
            raise PipelineError(
                f"another run of this pipeline held the refresh lock of {home} for {_WAIT_S / 3600:.0f} hours; "
                "`rag status` names it: end it, or wait for it, and start this one again"
            )


def taken(held: ExitStack, home: Home, wait_s: float) -> bool:
    """Try for the refresh lock, to be let go with `held`."""
    try:
        held.enter_context(home.exclusive("refresh", wait_s=wait_s))
    except PipelineError:
        return False
    return True


def executor(settings: Settings, *, alone: bool = True) -> dg.ExecutorDefinition:
    """The executor of every job of ours, with the name and the settings of Dagster's in-process one."""
    in_process = dg.in_process_executor

    def one_at_a_time(context: dg.InitExecutorContext) -> Executor:
        inside = in_process.executor_creation_fn
        if inside is None:
            raise TypeError("this version of Dagster has no in-process executor to put inside the lock")
        return OneAtATime(inside(context), settings.home, alone=alone)

    return dg.ExecutorDefinition(
        in_process.name,
        config_schema=in_process.config_schema,  # type: ignore[arg-type]  # what it takes, as Dagster holds it
        executor_creation_fn=one_at_a_time,
    )
