"""Sources that lost documents between production and a candidate: an export cut short, a contract removed by mistake."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from rag_pipeline.channels.pointer import signed_command
from rag_pipeline.errors import PipelineError
from rag_pipeline.gate.policy import Policy
from rag_pipeline.gate.verdict import Reason, invalid
from rag_pipeline.home import Home
from rag_pipeline.index.manifest import Manifest
from rag_pipeline.index.release_chunks import contents
from rag_pipeline.ingest.erase import erased
from rag_pipeline.lake import collected


@dataclass(frozen=True, slots=True)
class InProduction:
    """Source -> documents of what is in production. `unreadable`: why its manifest cannot say so."""

    documents: Mapping[str, int]
    unreadable: str = ""
    erased: Mapping[str, int] = field(default_factory=dict)
    """Source -> those of its documents that had to go since: past their retention, or `rag erase`. Nobody misses them."""


def documents_of(manifest: Manifest) -> dict[str, int]:
    """Source -> documents of a release."""
    return {source: entry.documents for source, entry in manifest.sources.items()}


def in_production(home: Home, production: Manifest, candidate: Manifest) -> InProduction:
    """What a candidate is held against. Only where a source has fewer documents the chunks of production are read."""
    before, after = documents_of(production), documents_of(candidate)
    if not any(after.get(source, 0) < documents for source, documents in before.items()):
        return InProduction(before)
    try:
        return InProduction(before, erased=_erased_since(home, production))
    except PipelineError:  # its chunks cannot be read, so nobody can tell what of it had to go
        return InProduction(before)


def _erased_since(home: Home, production: Manifest) -> dict[str, int]:
    gone = pl.Series(sorted(erased(home).contents), dtype=pl.String)
    if gone.is_empty():
        return {}
    chunks = contents(home.release(production.id), production).filter(pl.col("document_hash").is_in(gone.implode()))
    documents = chunks.select("document_id").unique().pipe(collected)
    source = pl.col("document_id").str.split_exact("/", 1).struct.field("field_0")
    return dict(documents.group_by(source.alias("source")).len().iter_rows())


def shrunk_sources(
    policy: Policy, channel: str, release: str, production: InProduction | None, candidate: Mapping[str, int]
) -> list[Reason]:
    """Why a release may not follow the one in production: it lacks a source, or too many documents of one.

    `candidate`: source -> documents, as its manifest tells; `production` None: there is nothing to compare with. A
    contract holds what one load takes from the tables (`volumeMaxDropPercent`); this holds what all loads since the last
    promotion took from what users are answered from. A source that small may always lose one document, and what had to go
    (retention, `rag erase`) is not missed: a release that still serves it must not stay for want of it.
    """
    allowed, line = policy.channel(channel).sources_may_shrink_percent, policy.line(channel, "sources_may_shrink_percent")
    if allowed is None or production is None:
        return []
    override = f"if that is meant: `{signed_command(f'rag promote {release}', channel, override=True)}`"
    if production.unreadable:
        return [invalid(f"nobody can tell whether a source shrank: {production.unreadable}; {override}", line)]
    reasons = []
    for source, held in sorted(production.documents.items()):
        after, before = candidate.get(source), held - production.erased.get(source, 0)
        if after is None and before:
            reasons.append(
                f"source {source}, {before} documents in production, is not in it at all; was its contract removed by "
                f"mistake? {override}"
            )
        elif after is not None and before - after > max(1, allowed * before / 100):
            share = 100 * (before - after) / before
            reasons.append(
                f"source {source}: it has {after} documents, {share:.1f} % less than the {before} in production; at most "
                f"{allowed:g} % may go (one document always may); {override}"
            )
    return [Reason("regressed", line, says) for says in reasons]
