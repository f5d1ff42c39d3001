"""Metadata of releases, evidence and verdicts, as the UI shows them."""

from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from rag_pipeline.defs.present import table
from rag_pipeline.evaluate.evidence import Evidence
from rag_pipeline.index.manifest import Manifest, Origin
from rag_pipeline.release.audit import audit_table
from rag_pipeline.release.gate import Verdict


def manifest_metadata(manifest: Manifest) -> dict[str, Any]:
    return {
        "release": manifest.id,
        "fingerprint": manifest.fingerprint,
        "dagster/row_count": manifest.chunks,
        "chunks": manifest.chunks,
        "documents": manifest.documents,
        "size_mb": round(manifest.size_bytes / 1e6, 2),
        "build_seconds": manifest.build_seconds,
        "how_built": _how(manifest.origin),
        "recall_at_10": manifest.probe.recall_at_10 if manifest.probe.recall_at_10 is not None else "not measured",
        "model": manifest.model.name,
        "sources": table(
            ("source", "documents", "chunks", "contract"),
            [
                (name, source.documents, source.chunks, f"{source.contract_id} {source.contract_version}")
                for name, source in manifest.sources.items()
            ],
        ),
    }


def _how(origin: Origin) -> str:
    if origin.base:
        return f"by difference to {origin.base}: {origin.added:,} records came, {origin.removed:,} left"
    return f"whole, because {origin.rebuilt_because}" if origin.rebuilt_because else "whole"


def evidence_metadata(evidence: Evidence, verdict: Verdict) -> dict[str, Any]:
    """One number a metric (so that the UI plots them) and tables for people."""
    plotted = {
        f"{name}/{metric}": round(value, 4)
        for name, one in evidence.golden_sets.items()
        for metric, value in one.metrics.items()
    }
    return {
        "verdict": verdict.outcome,
        "release": evidence.release,
        "compared_with": evidence.compared_with or "nothing (first release, or production itself)",
        **plotted,
        "metrics": _metrics_table(evidence),
        "slices": _slices_table(evidence),
        "reasons": reasons_table(verdict),
        "worst_queries": _worst_table(evidence),
        "dead_judgments": table(
            ("golden set", "query", "document"),
            [(name, query, doc) for name, one in evidence.golden_sets.items() for query, doc in one.dead_judgments],
            empty="none",
        ),
        "latency_p50_ms": evidence.latency.p50_ms,
        "latency_p95_ms": evidence.latency.p95_ms,
        "measured_at": dg.MetadataValue.timestamp(evidence.created_at),
    }


def reasons_table(verdict: Verdict) -> dg.MarkdownMetadataValue:
    rows = [(reason.outcome, reason.message, reason.line) for reason in verdict.reasons]
    return table(("outcome", "reason", "policy line"), rows, empty="none: every demand is met")


def verdict_says(verdict: Verdict) -> str:
    reasons = "; ".join(str(reason) for reason in verdict.reasons)
    return f"{verdict.release}: {verdict.outcome}. {reasons}".strip()


def history(home: Path, channel: str) -> dg.MarkdownMetadataValue:
    """The latest moves and refusals of a channel."""
    mine = audit_table(home).scan().filter(pl.col("channel") == channel)
    rows = mine.sort("at", descending=True).head(10).collect()
    return table(
        ("when", "action", "release", "by", "why", "verdict", "evidence"),
        [
            (
                f"{row['at']:%Y-%m-%d %H:%M}",
                *(row[name] for name in ("action", "release", "by", "why", "outcome", "evidence")),
            )
            for row in rows.iter_rows(named=True)
        ],
    )


def _metrics_table(evidence: Evidence) -> dg.MarkdownMetadataValue:
    rows = []
    for name, one in evidence.golden_sets.items():
        for metric, value in one.metrics.items():
            before = one.production_metrics.get(metric) if one.production_metrics else None
            rows.append((name, metric, one.queries, value, before, f"{value - before:+.4f}" if before is not None else ""))
    return table(("golden set", "metric", "queries", "this release", "production", "difference"), rows)


def _slices_table(evidence: Evidence) -> dg.MarkdownMetadataValue:
    rows = []
    for name, one in evidence.golden_sets.items():
        primary = next(iter(one.metrics), "")
        for slice_name, values in one.slices.items():
            rows += [
                (name, f"{slice_name} = {value}", int(metrics["queries"]), primary, metrics[primary])
                for value, metrics in values.items()
            ]
    return table(("golden set", "slice", "queries", "metric", "value"), rows, empty="no slices defined")


def _worst_table(evidence: Evidence) -> dg.MarkdownMetadataValue:
    rows = [
        (name, query, f"{difference:+.4f}")
        for name, one in evidence.golden_sets.items()
        if one.comparison
        for query, difference in one.comparison.worst
    ]
    return table(("golden set", "query", "against production"), rows, empty="no query got worse")
