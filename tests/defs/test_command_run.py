"""A command's run stands in the UI where those of the schedule do."""

from datetime import UTC, datetime
from typing import Any

import dagster as dg
from dagster._core.remote_origin import ManagedGrpcPythonEnvCodeLocationOrigin, RemoteRepositoryOrigin
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, InstigatorType, SensorInstigatorData
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import EmptyWorkspaceTarget
from dagster_graphql.schema import create_schema

from rag_pipeline.defs.home import prepare_dagster_home
from rag_pipeline.defs.host.dead_runs import SENSOR
from rag_pipeline.defs.run import load
from tests.conftest import Workspace, files_contract
from tests.pipeline.conftest import FLOORS

TIMELINE = """
query ($from: Float!) {
  completed: runsOrError(filter: {statuses: [SUCCESS, FAILURE, CANCELED], updatedAfter: $from}, limit: 100) {
    ... on Runs {
      results { id pipelineName startTime tags { key value } repositoryOrigin { repositoryName repositoryLocationName } }
    }
  }
}
"""
"""What the page asks for. It leaves out what has no `startTime` or no `repositoryOrigin`."""


def on_the_timeline(instance: dg.DagsterInstance) -> dict[str, str]:
    """Runs that the page draws, with the code location it draws them below."""
    with WorkspaceProcessContext(instance, EmptyWorkspaceTarget()) as context:
        variables = {"from": datetime(2020, 1, 1, tzinfo=UTC).timestamp()}
        answer = create_schema().execute(TIMELINE, context_value=context.create_request_context(), variable_values=variables)
    assert answer.errors is None
    found: list[dict[str, Any]] = answer.data["completed"]["results"]
    drawn = [one for one in found if one["startTime"] is not None and one["repositoryOrigin"]]
    return {one["id"]: one["repositoryOrigin"]["repositoryLocationName"] for one in drawn}


def seen_by_the_daemon(instance: dg.DagsterInstance, location: str, at: float) -> None:
    """Our sensor was looked at, in a code location of some name."""
    loaded = ManagedGrpcPythonEnvCodeLocationOrigin(LoadableTargetOrigin(module_name="rag_pipeline.definitions"), location)
    origin = RemoteRepositoryOrigin(loaded, "__repository__").get_instigator_origin(SENSOR)
    data = SensorInstigatorData(last_tick_timestamp=at)
    instance.add_instigator_state(InstigatorState(origin, InstigatorType.SENSOR, InstigatorStatus.DECLARED_IN_CODE, data))


def test_a_command_s_run_is_on_the_timeline_below_the_code_location_that_is_loaded(workspace: Workspace) -> None:
    workspace.contract("handbook", files_contract(workspace.pages({"leave.md": "# Leave\n\nThirty days each year.\n"})))
    workspace.golden("questions", {"how many days of leave": ["handbook/leave.md"]})
    workspace.policy({"questions": FLOORS})
    prepare_dagster_home(workspace.settings)
    with dg.DagsterInstance.get() as instance:
        first = load(workspace.settings, "handbook").run_id
        seen_by_the_daemon(instance, "an_old_name", at=1_000.0)
        seen_by_the_daemon(instance, "rag_pipeline.definitions", at=2_000.0)
        second = load(workspace.settings, "handbook").run_id
        assert on_the_timeline(instance) == {first: "rag_pipeline", second: "rag_pipeline.definitions"}
