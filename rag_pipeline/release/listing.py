"""The kept releases as a list for people: the last word on each, how good it was measured to be, who let it serve.

It only reads.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from rag_pipeline.channels.audit import all_rows
from rag_pipeline.evaluate.evidence import Evidence
from rag_pipeline.evaluate.evidence_store import newest
from rag_pipeline.home import Home
from rag_pipeline.index.manifest import Manifest, all_manifests
from rag_pipeline.lake import collected


@dataclass(frozen=True, slots=True)
class Listed:
    """One kept release."""

    manifest: Manifest
    verdict: str
    """The last word on it, of production's gate; "evaluated" where only figures are there, "not evaluated" without them."""
    primary: dict[str, tuple[str, float]]
    """golden set -> its primary metric, and the mean"""
    promoted_by: str
    """Who moved production to it, and why; empty for one that never served there."""

    @property
    def figures(self) -> str:
        """The primary metrics in words."""
        alone = len(self.primary) == 1
        told = (
            f"{metric} {value:.4f}" if alone else f"{name} {value:.4f}" for name, (metric, value) in self.primary.items()
        )
        return ", ".join(told)


def listed(home: Home, channel: str, words: Mapping[str, str]) -> list[Listed]:
    """Every kept release, newest first. `words`: release -> the last word on it that no row of the audit table holds."""
    rows = all_rows(home).filter(pl.col("channel") == channel).sort("number", "at", nulls_last=False).pipe(collected)
    outcomes, movers = dict(words), {}
    for row in rows.select("release", "action", "outcome", "by", "why", "sequence").iter_rows(named=True):
        if row["release"] not in words and row["outcome"]:
            outcomes[row["release"]] = row["outcome"]
        if row["sequence"] is not None and row["action"] in _LET_SERVE:
            movers[row["release"]] = f"{row['by']}: {row['why']}" if row["why"] else row["by"]
    found = []
    for manifest in all_manifests(home.releases):
        evidence = newest(home, manifest.fingerprint)
        verdict = outcomes.get(manifest.id) or ("evaluated" if evidence else "not evaluated")
        found.append(Listed(manifest, verdict, _primary(evidence), movers.get(manifest.id, "")))
    return found


_LET_SERVE = ("promoted", "overridden")
"""Moves of a channel to a release, as the audit table calls them."""


def _primary(evidence: Evidence | None) -> dict[str, tuple[str, float]]:
    if evidence is None:
        return {}
    measured = evidence.golden_sets
    return {name: (one.primary, one.metrics[one.primary]) for name, one in measured.items() if one.primary in one.metrics}
