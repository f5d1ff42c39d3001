"""What the UI shows of a load beside its checks."""

from typing import Any

import dagster as dg

from rag_pipeline.contracts.contract import Contract
from rag_pipeline.extraction.account import LEFT_OUT_ON_PURPOSE
from rag_pipeline.host.ui_tables import table
from rag_pipeline.ingest.report import LoadReport, Losses
from rag_pipeline.ingest.state import SourceState


def documents_metadata(contract: Contract, report: LoadReport, state: SourceState) -> dict[str, Any]:
    """In the order in which people ask: what became of the load, what changed, what is odd; then what was counted."""
    changes = [("added", key) for key in report.added]
    changes += [("changed", key) for key in report.changed] + [("removed", key) for key in report.removed]
    return {
        "outcome": report.outcome,
        "held": report.held,
        "held_because": report.reason or "not held",
        "dagster/row_count": report.documents,
        "documents": report.documents,
        "added": len(report.added),
        "changed": len(report.changed),
        "removed": len(report.removed),
        "changes": table(("change", "document"), changes, empty="nothing changed"),
        "age_hours": round(state.age_hours, 2) if state.age_hours is not None else -1.0,
        "private_data_found": table(("entity", "found"), report.pii_found.items(), empty="none, in what was read now"),
        "left_out_of_documents": _left_out(report.losses),
        "documents_that_lack_something": table(
            ("item", "lacks", "percent"),
            [(item, account.says, round(account.percent, 1)) for item, account in report.losses.examples],
            empty="none",
        ),
        "files_of_kinds_not_read": table(("suffix", "files"), sorted((report.losses.not_read or {}).items()), empty="none"),
        "columns_not_in_contract": ", ".join(report.unknown_columns) or "none",
        "contract": f"{contract.id} {contract.version}",
        "items_listed": report.items_listed,
        "items_read": report.items_read,
        "items_unreachable": report.items_unreachable,
        "items_read_again_because_lost": 0 if report.held else report.items_lost,
        "values_from_the_future": state.from_the_future,
        "rows_in": report.rows_in,
        "rows_good": report.good,
        "rows_refused": report.refused,
        "rows_superseded": report.superseded,
        "rows_expired": report.expired,
        "purged": report.purged,
    }


def _left_out(losses: Losses) -> dg.TableMetadataValue:
    """What is left out, by kind, over all documents that are stored now."""
    rows: list[tuple[str, int, str]] = [
        (f"words of {kind}", count, "on purpose" if kind in LEFT_OUT_ON_PURPOSE else "missing")
        for kind, count in sorted(losses.total.lost.items(), key=lambda one: -one[1])
    ]
    if losses.total.silent:
        rows.insert(0, (f"pages without text, of {losses.total.pages:,}", losses.total.silent, "missing"))
    of = f"nothing of {losses.total.shown:,} words in {losses.accounted:,} documents"
    return table(("what", f"of {losses.total.shown:,} words", "kind"), rows, empty=of)


def quarantine_metadata(report: LoadReport) -> dict[str, Any]:
    reasons: dict[str, int] = {}
    for refusal in report.refusals:
        for reason in refusal.reasons:
            reasons[reason] = reasons.get(reason, 0) + 1
    return {
        "dagster/row_count": report.open_refusals,
        "open": report.open_refusals,
        "by_reason": table(("reason", "rows"), sorted(reasons.items(), key=lambda pair: -pair[1])),
        "refused": table(
            ("item", "row", "kind", "why"),
            [(refusal.item, refusal.row, refusal.kind, "; ".join(refusal.reasons)) for refusal in report.refusals],
        ),
    }
