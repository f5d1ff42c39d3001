"""Whether a channel is frozen, as a check of its own on the channel's asset: one refused night is no freeze yet."""

from collections.abc import Sequence
from datetime import UTC, datetime

import dagster as dg

from rag_pipeline.alerts.freeze import NIGHTS, Freeze, frozen
from rag_pipeline.alerts.verdicts import last_verdict
from rag_pipeline.channels.audit import channel_now
from rag_pipeline.contracts.contract import Contract
from rag_pipeline.defs.keys import channel_key
from rag_pipeline.errors import LakeError, ReleaseError
from rag_pipeline.host.names import placed
from rag_pipeline.host.ui_tables import check
from rag_pipeline.ingest.state import source_state
from rag_pipeline.settings import Settings

NOT_FROZEN = "new_releases_come_through"


def not_frozen_spec(name: str) -> dg.AssetCheckSpec:
    """The check of one channel."""
    return dg.AssetCheckSpec(
        NOT_FROZEN,
        asset=channel_key(name),
        description=f"The gate could tell at least once in the last {NIGHTS} nights, and no source's news waits for it "
        "longer than its contract promises.",
    )


def not_frozen(settings: Settings, name: str, contracts: Sequence[Contract]) -> dg.AssetCheckResult:
    """Its result, after the word of this night was written down."""
    now = datetime.now(UTC)
    says, word = _says(settings, name, contracts, now), last_verdict(settings.home, name)
    nights = len(word.inconclusive) if word else 0
    hours = (now - word.passed_at).total_seconds() / 3600 if word and word.passed_at else None
    passed = "no release has passed yet" if hours is None else f"the last release passed {hours:.0f} hours ago"
    well = f"The gate was inconclusive on {nights} nights in a row, {NIGHTS} would be a freeze; {passed}"
    numbers = {"inconclusive_nights": nights, "inconclusive_nights_limit": NIGHTS}
    numbers |= {"hours_since_a_release_passed": round(hours)} if hours is not None else {}
    return check(channel_key(name), NOT_FROZEN, passed=not says, says=says or well, metadata=numbers)


def report_frozen(instance: dg.DagsterInstance, settings: Settings, name: str, contracts: Sequence[Contract]) -> None:
    """The same from a run that does not come to the channel's own step, because the evaluation's check blocks it."""
    found = not_frozen(settings, name, contracts)
    instance.report_runless_asset_event(
        dg.AssetCheckEvaluation(
            asset_key=dg.AssetKey(placed(settings, channel_key(name))),
            check_name=NOT_FROZEN,
            passed=found.passed,
            severity=found.severity,
            description=found.description,
            metadata=found.metadata,
        )
    )


def _says(settings: Settings, name: str, contracts: Sequence[Contract], now: datetime) -> str:
    try:
        channel = channel_now(settings.home, name)
        states = [source_state(contract, settings.home, now) for contract in contracts]
    except (ReleaseError, LakeError):  # told as what it is
        return ""
    found: Freeze | None = frozen(settings.home, name, channel, states, now)
    return found.says if found else ""
