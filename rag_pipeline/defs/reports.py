"""Metadata of releases, evidence and verdicts, as the UI shows them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from rag_pipeline.channels.audit import all_rows, in_order
from rag_pipeline.evaluate.evidence import Evidence, SetEvidence, average
from rag_pipeline.gate.demands import compared
from rag_pipeline.gate.enough import Enough
from rag_pipeline.gate.figures import Figure, numbers, overlap_name
from rag_pipeline.gate.verdict import Reason, Verdict
from rag_pipeline.golden.unresolved import Unresolved
from rag_pipeline.home import Home
from rag_pipeline.host.standard import ROWS, at
from rag_pipeline.host.ui_tables import check, plain_lines, table
from rag_pipeline.index.manifest import Manifest, Origin
from rag_pipeline.lake import collected
from rag_pipeline.settings import Settings


def manifest_metadata(home: Home, manifest: Manifest) -> dict[str, Any]:
    return {
        **at(home.release(manifest.id)),
        "release": manifest.id,
        "fingerprint": manifest.fingerprint,
        ROWS: manifest.chunks,
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
        **({"cut_as_contracts_say": _cut(manifest)} if manifest.cut else {}),
    }


def _cut(manifest: Manifest) -> dg.TableMetadataValue:
    rows = [(source, cut.tokens, cut.min_tokens, cut.splitter) for source, cut in manifest.cut.items()]
    return table(("source", "tokens at most", "joined below", "splitter"), rows)


def _how(origin: Origin) -> str:
    if origin.base:
        return f"by difference to {origin.base}: {origin.added:,} records came, {origin.removed:,} left"
    return f"whole, because {origin.rebuilt_because}" if origin.rebuilt_because else "whole"


def evidence_metadata(
    evidence: Evidence, verdict: Verdict, report: Mapping[str, Any] | None = None, enough: Mapping[str, Enough] | None = None
) -> dict[str, Any]:
    """One number a metric (so that the UI plots them) and tables for people. `report`: `report_links` of it."""
    plotted = {
        f"{name}/{metric}": round(value, 4)
        for name, one in evidence.golden_sets.items()
        for metric, value in one.metrics.items()
    }
    plotted |= {
        f"{name}/{one.primary} if {mode}": round(values[one.primary], 4)
        for name, one in evidence.golden_sets.items()
        for mode, values in one.modes.items()
        if mode != evidence.mode
    }
    plotted |= {
        overlap_name(name): round(one.overlap_at_10, 4)
        for name, one in evidence.golden_sets.items()
        if one.overlap_at_10 is not None
    }
    return {
        ROWS: sum(one.queries * len(one.metrics) for one in evidence.golden_sets.values()),
        "verdict": verdict.outcome,
        **(report or {}),
        "reasons": reasons_table(verdict.reasons),
        "warnings": reasons_table(verdict.warnings, "none"),
        **({"notes": plain_lines("; ".join(map(str, verdict.notes)))} if verdict.notes else {}),
        **({"judged_queries": plain_lines("; ".join(one.says for one in enough.values()))} if enough else {}),
        "mode": evidence.mode,
        "release": evidence.release,
        "against_anchor": "; ".join(verdict.anchor) or "see reasons and warnings, or there is no anchor to compare with",
        "compared_with": evidence.compared_with or "nothing (first release, or production itself)",
        **plotted,
        "metrics": _metrics_table(evidence),
        "slices": _slices_table(evidence),
        "modes": _modes_table(evidence),
        "worst_queries": _worst_table(evidence),
        "unresolved_judgments": table(
            ("golden set", "query", "document", "status"),
            [
                (name, gone.query, gone.document, f"{gone.status}, lost" if _is_lost(one, gone) else gone.status)
                for name, one in evidence.golden_sets.items()
                for gone in one.unresolved
            ],
        ),
        **{
            f"latency_{name}_ms" if one.concurrency == 1 else f"latency_{name}_ms_of_{one.concurrency}_users": value
            for one in evidence.latency
            for name, value in (("p50", one.p50_ms), ("p95", one.p95_ms))
        },
        "measured_at": dg.MetadataValue.timestamp(evidence.created_at),
        "measured_on": ", ".join(f"{name} {number}" for name, number in evidence.runtime.items()) or "not known",
    }


def _is_lost(measured: SetEvidence, gone: Unresolved) -> bool:
    """Whether production answers by it still: it counts as lost, and is not left out."""
    return gone.judgment in {one.judgment for one in measured.vanished}


EVALUATED = {
    "at": "When it was measured.",
    "run_id": "The run that measured it.",
    "release": "The release that was measured.",
    "release_fingerprint": "Fingerprint of what the release holds and how it retrieves.",
    "golden_set": "The golden set.",
    "golden_fingerprint": "Fingerprint of its questions and judgments at the time.",
    "query_id": "The question.",
    "metric": "The measure, as ir-measures names it.",
    "value": "Its value for this question.",
    "retrieved": "The documents that were retrieved, best first.",
}
"""Columns of the table of evaluations."""


def report_links(settings: Settings, path: Path) -> dict[str, Any]:
    """The HTML report: a link where the settings say how browsers get there (RAG_REPORTS_URL), and its path in any case.

    A browser opens no file of a disk from a page of the network, so a link to the file itself would be dead.
    """
    link = {"report": dg.MetadataValue.url(f"{settings.reports_url}/{path.name}")} if settings.reports_url else {}
    return {**link, "report_path": dg.MetadataValue.path(path)}


def reasons_table(reasons: Sequence[Reason], empty: str = "none: every demand is met") -> dg.TableMetadataValue:
    rows = [(reason.outcome, reason.message, reason.line) for reason in reasons]
    return table(("outcome", "reason", "policy line"), rows, empty=empty)


def policy_check(asset: list[str], name: str, verdict: Verdict, figures: Sequence[Figure] = ()) -> dg.AssetCheckResult:
    """A verdict as the check that shows it, with the figures it rests on. Where it passes, it says what was measured."""
    told = [str(reason) for reason in (*verdict.reasons, *verdict.notes)]
    told += [str(one) for one in figures if verdict.passed and one.limit is not None]
    metadata: dict[str, Any] = {"verdict": verdict.outcome, "reasons": reasons_table(verdict.reasons)}
    if verdict.notes:
        metadata["notes"] = reasons_table(verdict.notes)
    metadata |= {"reasons_against": len(verdict.reasons), **numbers(list(figures))}
    says = f"{verdict.release}: {verdict.outcome}. {'; '.join(told)}".strip()
    return check(asset, name, verdict.passed, says=says, metadata=metadata)


def history(home: Home, channel: str) -> dg.TableMetadataValue:
    """The latest moves and refusals of a channel."""
    mine = all_rows(home).filter(pl.col("channel") == channel)
    rows = in_order(mine, newest_first=True).head(10).pipe(collected)
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


def _metrics_table(evidence: Evidence) -> dg.TableMetadataValue:
    rows: list[tuple[object, ...]] = []
    for name, one in evidence.golden_sets.items():
        before = one.production_metrics or {}
        for metric, value in one.metrics.items():
            if metric not in before:
                rows.append((name, metric, one.queries, value, None, "", ""))
                continue
            found = compared(one, metric, 0.95)
            bounds = f"{found.lower:+.4f} to {found.upper:+.4f}"
            rows.append((name, metric, one.queries, value, before[metric], f"{found.mean:+.4f}", bounds))
    headers = ("golden set", "metric", "queries", "this release", "production", "difference", "95 % bounds")
    return table(headers, rows)


def _modes_table(evidence: Evidence) -> dg.TableMetadataValue:
    """What each way to retrieve would give; the release serves one of them."""
    rows = [
        (name, f"{mode} (serves)" if mode == evidence.mode else mode, metric, value)
        for name, one in evidence.golden_sets.items()
        for mode, values in one.modes.items()
        for metric, value in values.items()
        if metric == one.primary
    ]
    return table(("golden set", "way to retrieve", "metric", "value"), rows)


def _slices_table(evidence: Evidence) -> dg.TableMetadataValue:
    rows: list[tuple[object, ...]] = []
    for name, one in evidence.golden_sets.items():
        for slice_name in one.slices:
            for value, places in one.members(slice_name).items():
                mine = average([one.values[one.primary][place] for place in places])
                theirs = average([one.production[one.primary][place] for place in places]) if one.production else None
                rows.append((name, f"{slice_name} = {value}", len(places), one.primary, mine, theirs))
    headers = ("golden set", "slice", "queries", "metric", "this release", "production")
    return table(headers, rows, empty="no slices defined")


def _worst_table(evidence: Evidence) -> dg.TableMetadataValue:
    rows = [
        (name, one.text, f"{one.difference:+.4f}", ", ".join(passage.document for passage in one.expected))
        for name, measured in evidence.golden_sets.items()
        for one in measured.examples
    ]
    return table(("golden set", "query", "against production", "expected"), rows, empty="no query got worse")
