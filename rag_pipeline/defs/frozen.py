"""Whether a channel is frozen, as a check of its own on the channel's asset: a night that is refused is not yet one."""

from collections.abc import Sequence
from datetime import UTC, datetime

import dagster as dg

from rag_pipeline.contracts.contract import Contract
from rag_pipeline.defs.keys import channel_key
from rag_pipeline.defs.present import check
from rag_pipeline.errors import LakeError, ReleaseError
from rag_pipeline.ingest.state import source_state
from rag_pipeline.release.audit import channel_now
from rag_pipeline.release.freeze import NIGHTS, Freeze, frozen
from rag_pipeline.settings import Settings

NOT_FROZEN = "new_releases_come_through"


def not_frozen_spec(name: str) -> dg.AssetCheckSpec:
    """The check of one channel."""
    return dg.AssetCheckSpec(
        NOT_FROZEN,
        asset=channel_key(name),
        description=f"The gate has not been unable to tell for {NIGHTS} nights running, and has kept no source's news back "
        "for longer than its contract promises.",
    )


def not_frozen(settings: Settings, name: str, contracts: Sequence[Contract]) -> dg.AssetCheckResult:
    """Its result, after the word of this night was written down."""
    says = _says(settings, name, contracts)
    return check(channel_key(name), NOT_FROZEN, passed=not says, says=says)


def report_frozen(instance: dg.DagsterInstance, settings: Settings, name: str, contracts: Sequence[Contract]) -> None:
    """The same from a run that does not come to the channel's own step, because the evaluation's check blocks it."""
    found = not_frozen(settings, name, contracts)
    instance.report_runless_asset_event(
        dg.AssetCheckEvaluation(
            asset_key=dg.AssetKey(channel_key(name)),
            check_name=NOT_FROZEN,
            passed=found.passed,
            severity=found.severity,
            description=found.description,
        )
    )


def _says(settings: Settings, name: str, contracts: Sequence[Contract]) -> str:
    now = datetime.now(UTC)
    try:
        channel = channel_now(settings.home, name)
        states = [source_state(contract, settings.home, now) for contract in contracts]
    except (ReleaseError, LakeError):  # told as what it is
        return ""
    found: Freeze | None = frozen(settings.home, name, channel, states, now)
    return found.says if found else ""
