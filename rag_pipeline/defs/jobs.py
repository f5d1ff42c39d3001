"""What runs when: the nightly refresh, and the evaluation of production on a schedule of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from rag_pipeline.defs.keys import PRODUCTION, PRODUCTION_EVALUATION
from rag_pipeline.settings import Settings

if TYPE_CHECKING:  # Dagster does not export the type of what define_asset_job returns
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

NIGHTLY, WATCH = "nightly_refresh", "watch_production"


def jobs(settings: Settings) -> list[UnresolvedAssetJobDefinition]:
    """The jobs. With manual promotion the nightly one stops at the verdict."""
    watched = dg.AssetSelection.assets(dg.AssetKey(PRODUCTION_EVALUATION))
    nightly = dg.AssetSelection.all() - watched
    if settings.promotion == "manual":
        nightly = nightly - dg.AssetSelection.assets(dg.AssetKey(PRODUCTION))
    return [
        dg.define_asset_job(NIGHTLY, nightly, description="Read, chunk, embed, build, evaluate and, if it passes, promote."),
        dg.define_asset_job(WATCH, watched, description="Measure the serving release again."),
    ]


def schedules(settings: Settings, defined: list[UnresolvedAssetJobDefinition]) -> list[dg.ScheduleDefinition]:
    """One schedule a job, in the configured time zone, on or off by setting (RAG_SCHEDULES)."""
    running = dg.DefaultScheduleStatus.RUNNING if settings.schedules == "on" else dg.DefaultScheduleStatus.STOPPED
    return [
        dg.ScheduleDefinition(
            job=job,
            cron_schedule=cron,
            execution_timezone=settings.timezone,
            default_status=running,
            description=job.description,
        )
        for job, cron in zip(defined, (settings.nightly_cron, settings.evaluation_cron), strict=True)
    ]
