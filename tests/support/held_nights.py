"""A pipeline whose production is held, night after night, and what its runs said."""

from typing import Any

import dagster as dg

from rag_pipeline.defs.graph import build
from tests.conftest import Workspace

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


GATE = dg.AssetKey(["index", "production"])


def start(workspace: Workspace, job: str, config: dict[str, Any], *keys: dg.AssetKey) -> dg.ExecuteInProcessResult:
    """Start a job as the launchpad of the UI does; `keys`: assets of it. No name: the job of all assets."""
    definitions = build(workspace.settings)
    chosen = definitions.resolve_job_def(job) if job else definitions.resolve_implicit_global_asset_job_def()
    with dg.DagsterInstance.get() as instance:
        given = {"ops": config} | QUIET
        return chosen.execute_in_process(
            instance=instance, run_config=given, asset_selection=list(keys) or None, raise_on_error=False
        )


def said(result: dg.ExecuteInProcessResult) -> str:
    return "".join(str(event.step_failure_data.error) for event in result.filter_events(lambda one: one.is_step_failure))
