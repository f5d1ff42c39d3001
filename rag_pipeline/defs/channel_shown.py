"""What the UI shows of a channel: where it points, what the gate said in its own step, and on which figures."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import dagster as dg

from rag_pipeline.channels.pointer import Channel
from rag_pipeline.contracts.contract import Contract
from rag_pipeline.defs.frozen import not_frozen
from rag_pipeline.defs.keys import channel_key
from rag_pipeline.defs.reports import history
from rag_pipeline.errors import LakeError, PipelineError, PromotionRefused
from rag_pipeline.evaluate.evidence_store import newest
from rag_pipeline.gate.anchor import anchor_of
from rag_pipeline.gate.figures import Figure, figures_of, numbers
from rag_pipeline.gate.policy import read_policy
from rag_pipeline.home import Home
from rag_pipeline.host.names import LET_PASS
from rag_pipeline.host.standard import ROWS
from rag_pipeline.host.ui_tables import check, table
from rag_pipeline.index.manifest import read_manifest
from rag_pipeline.release.promote import Promotion
from rag_pipeline.settings import Settings

_Shown = dg.AssetCheckResult | dg.MaterializeResult[None]


@dataclass(frozen=True, slots=True)
class ChannelShown:
    """The results of a channel's step, for Dagster."""

    settings: Settings
    contracts: Sequence[Contract]
    name: str

    def passed(self, done: Promotion, release: str) -> Iterator[_Shown]:
        hold, figures = done.channel.hold, self._figures(release)
        measured = [str(one) for one in figures if one.limit is not None]
        says = "; ".join([f"{release} serves", *([hold.says(self.name)] if hold else []), *measured])
        yield check(channel_key(self.name), LET_PASS, passed=True, says=says, metadata=numbers(figures))
        yield self._not_frozen()
        yield self._made(done.channel, moved=done.moved)

    def held(self, channel: Channel, release: str, error: PipelineError) -> Iterator[_Shown]:
        """A person chose this state, so it is a warning every night, and no failure."""
        yield check(
            channel_key(self.name),
            LET_PASS,
            passed=False,
            severity=dg.AssetCheckSeverity.WARN,
            says=str(error),
            metadata={"history": history(self.settings.home, self.name), **numbers(self._figures(release))},
        )
        yield self._not_frozen()
        yield self._made(channel, moved=False)

    def refused(self, error: PipelineError, release: str) -> Iterator[dg.AssetCheckResult]:
        """The checks of a step that is about to fail."""
        so_far: dict[str, Any] = {"reasons": reasons_of(error), **numbers(self._figures(release))}
        with suppress(LakeError):  # the audit table may be what is damaged
            so_far["history"] = history(self.settings.home, self.name)
        yield check(channel_key(self.name), LET_PASS, passed=False, says=str(error), metadata=so_far)
        yield self._not_frozen()

    def _not_frozen(self) -> dg.AssetCheckResult:
        return not_frozen(self.settings, self.name, self.contracts)

    def _made(self, channel: Channel, *, moved: bool) -> dg.MaterializeResult[None]:
        return dg.MaterializeResult(
            metadata=channel_metadata(self.settings.home, self.name, channel, moved=moved),
            data_version=dg.DataVersion(channel.fingerprint),
        )

    def _figures(self, release: str) -> list[Figure]:
        """What the newest evidence on a release says; none where it, or the policy, cannot be read."""
        with suppress(PipelineError):
            manifest = read_manifest(self.settings.home.release(release))
            if evidence := newest(self.settings.home, manifest.fingerprint):
                return figures_of(evidence, read_policy(self.settings.evals), self.name)
        return []


def reasons_of(error: PipelineError) -> dg.TableMetadataValue:
    """Why the gate said no."""
    reasons = error.reasons if isinstance(error, PromotionRefused) else (str(error),)
    return table(("reason",), [[reason] for reason in reasons])


def channel_metadata(home: Home, name: str, channel: Channel, *, moved: bool) -> dict[str, Any]:
    """Where a channel points and how it came there."""
    rows: dict[str, Any] = {}
    with suppress(PipelineError):  # a release that is damaged is told by a check of the candidate
        rows[ROWS] = read_manifest(home.release(channel.release)).chunks
    return rows | {
        "release": channel.release,
        "previous": channel.previous or "none",
        "promoted": moved,
        "sequence": channel.sequence,
        "since": dg.MetadataValue.timestamp(channel.at),
        "by": channel.by,
        "why": channel.why,
        "evidence": channel.evidence or "none: overridden",
        "answers": channel.version or "whole sentences",
        "anchor": anchor.says if (anchor := anchor_of(home, name, channel)) else "none yet",
        **({"held": channel.hold.says(name)} if channel.hold else {}),
        "history": history(home, name),
    }
