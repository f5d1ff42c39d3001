"""What a command's run shares with those of the UI and the schedules: its place in the UI, its lock, its tags."""

import tomllib
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import dagster as dg
from dagster._core.errors import DagsterInvariantViolationError
from dagster._core.remote_origin import ManagedGrpcPythonEnvCodeLocationOrigin, RemoteRepositoryOrigin
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

from rag_pipeline.host.at_work import at_work
from rag_pipeline.host.dead_runs import SENSOR, end_dead_runs
from rag_pipeline.host.names import named
from rag_pipeline.host.run_tags import tag_outcome
from rag_pipeline.project import project_folder
from rag_pipeline.settings import Settings

_LOCATION, _MODULE = "rag_pipeline", "rag_pipeline.definitions"
"""The same names as in workspace.yaml and pyproject.toml."""


@contextmanager
def command_run(instance: dg.DagsterInstance, settings: Settings, job: str, command: str) -> Iterator[str]:
    """The id of the run that `execute_in_process` is to make next. The caller holds the refresh lock."""
    run_id, home = str(uuid.uuid4()), settings.home
    origin = our_origin(instance, named(settings, SENSOR))
    end_dead_runs(instance, home, location=location_of_our_own(origin), by=f"`rag {command}`")
    # The UI's timeline leaves out runs without an origin, and `execute_in_process` has no argument for one.
    create = partial(instance.create_run_for_job, remote_job_origin=origin.get_job_origin(job))
    vars(instance)["create_run_for_job"] = create
    with at_work(home, run_id):
        yield run_id
        tag_outcome(instance, run_id, home)


def our_origin(instance: dg.DagsterInstance, sensor: str = SENSOR) -> RemoteRepositoryOrigin:
    """The code location this pipeline was loaded as when the daemon last asked our sensor, or that of workspace.yaml."""
    states = [state for state in instance.all_instigator_state() if state.instigator_name == sensor]
    if states:
        newest = max(states, key=lambda state: getattr(state.instigator_data, "last_tick_timestamp", None) or 0.0)
        return newest.origin.repository_origin
    loaded = ManagedGrpcPythonEnvCodeLocationOrigin(LoadableTargetOrigin(module_name=_MODULE), _LOCATION)
    return RemoteRepositoryOrigin(loaded, "__repository__")


def location_of_our_own(origin: RemoteRepositoryOrigin) -> str | None:
    """The name of the code location, if nothing but this pipeline stands in it: then every run of it is ours."""
    loaded = origin.code_location_origin
    if loaded.location_name in (_LOCATION, _location_of_the_project()):
        return loaded.location_name
    try:
        ours = loaded.loadable_target_origin.module_name == _MODULE
    except DagsterInvariantViolationError:  # a code server that was started apart, as `dg dev` starts it, does not say
        return None
    return loaded.location_name if ours else None


def _location_of_the_project() -> str | None:
    """The name that a project of `rag init` gives its code location, while this pipeline is what it loads.

    Assets that were merged into it run under this pipeline's executor and hold its locks, so their runs count as ours.
    """
    folder = project_folder()
    try:
        with (folder / "pyproject.toml").open("rb") as file:
            said = tomllib.load(file)["tool"]["dg"]["project"]
        module = folder.joinpath(*said["code_location_target_module"].split(".")).with_suffix(".py")
        name: str = said["code_location_name"]
        return name if _MODULE in module.read_text(encoding="utf-8") else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # no project, or one that was written by hand
        return None
