"""What runs when: the nightly refresh, the evaluation of production, and the weekly collection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import dagster as dg

from rag_pipeline.defs.keys import KEPT_RELEASES, PRODUCTION_EVALUATION, channel_key
from rag_pipeline.settings import Settings

if TYPE_CHECKING:  # Dagster does not export the type of what define_asset_job returns
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

NIGHTLY, WATCH, WEEKLY = "nightly_refresh", "watch_production", "weekly_collection"


def jobs(manual: Sequence[str]) -> list[UnresolvedAssetJobDefinition]:
    """The jobs. `manual`: channels that only a person moves; the nightly run stops at the verdict on them."""
    watched = dg.AssetSelection.assets(dg.AssetKey(PRODUCTION_EVALUATION))
    collected = dg.AssetSelection.assets(dg.AssetKey(KEPT_RELEASES))
    by_hand = dg.AssetSelection.assets(*(dg.AssetKey(channel_key(name)) for name in manual))
    nightly = dg.AssetSelection.all() - watched - collected - by_hand
    return [
        dg.define_asset_job(NIGHTLY, nightly, description="Read, chunk, embed, build, evaluate and, if it passes, promote."),
        dg.define_asset_job(WATCH, watched, description="Measure the serving release again."),
        dg.define_asset_job(WEEKLY, collected, description="Remove releases, vectors and table versions nobody needs."),
    ]


def schedules(settings: Settings, defined: list[UnresolvedAssetJobDefinition]) -> list[dg.ScheduleDefinition]:
    """One schedule a job, in the configured time zone, on or off by setting (RAG_SCHEDULES)."""
    crons = (settings.nightly_cron, settings.evaluation_cron, settings.collection_cron)
    running = dg.DefaultScheduleStatus.RUNNING if settings.schedules == "on" else dg.DefaultScheduleStatus.STOPPED
    return [
        dg.ScheduleDefinition(
            job=job,
            cron_schedule=cron,
            execution_timezone=settings.timezone,
            default_status=running,
            description=job.description,
        )
        for job, cron in zip(defined, crons, strict=True)
    ]
