"""A command's run stands in the UI where those of the schedule do."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.remote_origin import (
    GrpcServerCodeLocationOrigin,
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, InstigatorType, SensorInstigatorData
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import EmptyWorkspaceTarget
from dagster_graphql.schema import create_schema

from rag_pipeline.defs.home import prepare_dagster_home
from rag_pipeline.defs.run import load
from rag_pipeline.host.command_run import location_of_our_own
from rag_pipeline.host.dead_runs import SENSOR
from rag_pipeline.scaffold import new_project
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


def seen_by_the_daemon(instance: dg.DagsterInstance, location: str, at: float, *, server: bool = False) -> None:
    """Our sensor was looked at, in a code location of some name. `server`: behind a server that was started apart."""
    loaded = ManagedGrpcPythonEnvCodeLocationOrigin(LoadableTargetOrigin(module_name="rag_pipeline.definitions"), location)
    repository = behind_a_server(location) if server else RemoteRepositoryOrigin(loaded, "__repository__")
    origin = repository.get_instigator_origin(SENSOR)
    data = SensorInstigatorData(last_tick_timestamp=at)
    instance.add_instigator_state(InstigatorState(origin, InstigatorType.SENSOR, InstigatorStatus.DECLARED_IN_CODE, data))


def behind_a_server(location: str) -> RemoteRepositoryOrigin:
    """A code location as `dg dev` has it: in a server that was started apart, which does not say what it loaded."""
    loaded = GrpcServerCodeLocationOrigin(host="localhost", socket="/nowhere", location_name=location)
    return RemoteRepositoryOrigin(loaded, "__repository__")


def test_a_code_location_behind_a_server_is_ours_by_its_name_alone() -> None:
    assert location_of_our_own(behind_a_server("rag_pipeline")) == "rag_pipeline"
    assert location_of_our_own(behind_a_server("handbook")) is None


def test_the_code_location_of_a_new_project_is_ours_behind_a_server_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = new_project(tmp_path / "handbook", example=True, owner="team:docs")
    assert location_of_our_own(behind_a_server("handbook")) is None
    monkeypatch.chdir(project.folder / "pages")
    assert location_of_our_own(behind_a_server("handbook")) == "handbook"
    assert location_of_our_own(behind_a_server("somebody_else")) is None
    (project.folder / "pipeline" / "definitions.py").write_text("import dagster as dg\n\ndefs = dg.Definitions()\n")
    assert location_of_our_own(behind_a_server("handbook")) is None
    (project.folder / "pyproject.toml").write_text("[tool.dg]\nproject = 1\n")
    assert location_of_our_own(behind_a_server("handbook")) is None


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
        seen_by_the_daemon(instance, "handbook", at=3_000.0, server=True)
        third = load(workspace.settings, "handbook").run_id
        assert on_the_timeline(instance)[third] == "handbook"
