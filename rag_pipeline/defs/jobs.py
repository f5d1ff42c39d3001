"""What runs when: the nightly refresh, sources at a pace of their own, the evaluation of production, the collection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import dagster as dg

from rag_pipeline.contracts.contract import Contract
from rag_pipeline.defs.keys import KEPT_RELEASES, PRODUCTION_EVALUATION, channel_key, documents, quarantine
from rag_pipeline.settings import Settings

if TYPE_CHECKING:  # Dagster does not export the type of what define_asset_job returns
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

NIGHTLY, WATCH, WEEKLY, FULL = "nightly_refresh", "watch_production", "weekly_collection", "full_refresh"


def jobs(contracts: Sequence[Contract], manual: Sequence[str]) -> dict[str, UnresolvedAssetJobDefinition]:
    """The jobs by name. `manual`: channels that only a person moves; a refresh stops at the verdict on them.

    A source whose contract promises it at another pace has a job of its own, of it and what follows from it. One that
    comes less often than nightly is left out of the nightly refresh; then there is a full refresh beside it.
    """
    watched = dg.AssetSelection.assets(dg.AssetKey(PRODUCTION_EVALUATION))
    collected = dg.AssetSelection.assets(dg.AssetKey(KEPT_RELEASES))
    by_hand = dg.AssetSelection.assets(*(dg.AssetKey(channel_key(name)) for name in manual))
    full = dg.AssetSelection.all() - watched - collected - by_hand
    rare = [contract for contract in contracts if contract.comes_less_than_nightly]
    nightly = full - dg.AssetSelection.assets(*(key for contract in rare for key in _assets(contract)))
    defined = [
        dg.define_asset_job(NIGHTLY, nightly, description="Read, chunk, embed, build, evaluate and, if it passes, promote."),
        dg.define_asset_job(WATCH, watched, description="Measure the serving release again."),
        dg.define_asset_job(WEEKLY, collected, description="Remove releases, vectors and table versions nobody needs."),
    ]
    if rare:
        defined.append(dg.define_asset_job(FULL, full, description="The nightly refresh, of every source."))
    for contract in contracts:
        if contract.schedule:
            selection = full & dg.AssetSelection.assets(*_assets(contract)).downstream()
            says = f"Read {contract.source} at the pace its contract promises, and what follows from it."
            defined.append(dg.define_asset_job(source_job(contract.source), selection, description=says))
    return {job.name: job for job in defined}


def source_job(source: str) -> str:
    """Name of the job of a source with a schedule of its own."""
    return f"{source}_refresh"


def schedules(
    settings: Settings, contracts: Sequence[Contract], defined: dict[str, UnresolvedAssetJobDefinition]
) -> list[dg.ScheduleDefinition]:
    """One schedule a job, in the configured time zone, on or off by setting (RAG_SCHEDULES)."""
    crons = {NIGHTLY: settings.nightly_cron, WATCH: settings.evaluation_cron, WEEKLY: settings.collection_cron}
    crons |= {source_job(contract.source): contract.schedule for contract in contracts if contract.schedule}
    running = dg.DefaultScheduleStatus.RUNNING if settings.schedules == "on" else dg.DefaultScheduleStatus.STOPPED
    return [
        dg.ScheduleDefinition(
            job=defined[name],
            cron_schedule=cron,
            execution_timezone=settings.timezone,
            default_status=running,
            description=defined[name].description,
        )
        for name, cron in crons.items()
    ]


def _assets(contract: Contract) -> list[dg.AssetKey]:
    return [dg.AssetKey(documents(contract.source)), dg.AssetKey(quarantine(contract.source))]
