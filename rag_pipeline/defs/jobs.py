"""What runs when: the nightly refresh, sources at a pace of their own, the evaluation of production, the collection."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import dagster as dg

from rag_pipeline.contracts.contract import Contract
from rag_pipeline.defs.keys import (
    ANSWERS,
    CANARY_VERDICT,
    KEPT_RELEASES,
    PRODUCTION_EVALUATION,
    REPLICAS,
    channel_key,
    documents,
    quarantine,
    traffic_key,
)
from rag_pipeline.host.names import HOME, named, placed
from rag_pipeline.host.traffic_shown import STEPS
from rag_pipeline.settings import Settings

if TYPE_CHECKING:  # Dagster does not export the type of what define_asset_job returns
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

NIGHTLY, WATCH, WEEKLY, FULL = "nightly_refresh", "watch_production", "weekly_collection", "full_refresh"
TRAFFIC = "ingest_traffic"


@dataclass(frozen=True, slots=True)
class Ours:
    """What is this pipeline's in a graph that may hold other people's assets too. `keys`: as Dagster has them."""

    settings: Settings
    keys: Collection[dg.AssetKey]
    executor: dg.ExecutorDefinition

    def these(self, *keys: Sequence[str]) -> dg.AssetSelection:
        return dg.AssetSelection.assets(*(dg.AssetKey(placed(self.settings, key)) for key in keys))

    def there(self, *keys: list[str]) -> list[list[str]]:
        """Those of some keys that the graph has."""
        return [key for key in keys if dg.AssetKey(placed(self.settings, key)) in self.keys]

    def job(self, name: str, selection: dg.AssetSelection, says: str) -> UnresolvedAssetJobDefinition:
        """A job whose runs are ours from the first moment, whoever starts them."""
        tags = {HOME: str(self.settings.home)}
        return dg.define_asset_job(
            named(self.settings, name), selection, description=says, run_tags=tags, executor_def=self.executor
        )


def jobs(ours: Ours, contracts: Sequence[Contract], manual: Sequence[str]) -> dict[str, UnresolvedAssetJobDefinition]:
    """The jobs by name. `manual`: channels that only a person moves; a refresh stops at the verdict on them.

    A source whose contract promises it at another pace has a job of its own, of it and what follows from it. One that
    comes less often than nightly is left out of the nightly refresh; then there is a full refresh beside it.
    """
    everything = dg.AssetSelection.assets(*ours.keys)
    watched, collected = ours.these(PRODUCTION_EVALUATION, REPLICAS, ANSWERS), ours.these(KEPT_RELEASES)
    logged = ours.these(*ours.there(*(traffic_key(name) for name, step in STEPS.items() if step.often)))
    watched |= ours.these(*ours.there(*(traffic_key(name) for name, step in STEPS.items() if not step.often)))
    tried = ours.these(*ours.there(CANARY_VERDICT))
    watched, logged = watched | tried, logged | tried
    full = everything - watched - collected - logged - ours.these(*map(channel_key, manual))
    rare = [contract for contract in contracts if contract.comes_less_than_nightly]
    nightly = full - ours.these(*(key for contract in rare for key in _assets(contract)))
    defined = {
        NIGHTLY: ours.job(NIGHTLY, nightly, "Read, chunk, embed, build, evaluate and, if it passes, promote."),
        WATCH: ours.job(WATCH, watched, "Measure the serving release again, and look how its replicas serve."),
        WEEKLY: ours.job(WEEKLY, collected, "Remove releases, vectors and table versions nobody needs."),
    }
    if ours.there(traffic_key("queries")):
        defined[TRAFFIC] = ours.job(TRAFFIC, logged, "Put what replicas logged into its tables.")
    if rare:
        defined[FULL] = ours.job(FULL, full, "The nightly refresh, of every source.")
    for contract in contracts:
        if contract.schedule:
            name, selection = source_job(contract.source), full & ours.these(*_assets(contract)).downstream()
            says = f"Read {contract.source} at the pace its contract promises, and what follows from it."
            defined[name] = ours.job(name, selection, says)
    return defined


def source_job(source: str) -> str:
    """Name of the job of a source with a schedule of its own."""
    return f"{source}_refresh"


def schedules(
    settings: Settings, contracts: Sequence[Contract], defined: dict[str, UnresolvedAssetJobDefinition]
) -> list[dg.ScheduleDefinition]:
    """One schedule a job, in the configured time zone, on or off by setting (RAG_SCHEDULES)."""
    crons = {NIGHTLY: settings.nightly_cron, WATCH: settings.evaluation_cron, WEEKLY: settings.collection_cron}
    crons |= {TRAFFIC: settings.traffic_cron} if TRAFFIC in defined else {}
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


def _assets(contract: Contract) -> list[list[str]]:
    return [documents(contract.source), quarantine(contract.source)]
