"""The history of a source's loads: their order, whatever the clock said, and what is usual for the source."""

import json
from datetime import datetime

import polars as pl
import pyarrow as pa

from rag_pipeline.contracts.contract import Contract
from rag_pipeline.ingest.report import LoadReport
from rag_pipeline.ingest.tables import LOADS, SourceTables
from rag_pipeline.lake import collected

_LOOKED_AT = 60
"""Loads that tell what is usual: two months of nights."""

_PERCENT, _DOCUMENTS = 5.0, 3
"""A drop up to the greater of both is usual for every source, however little is known of it."""


def loads_in_order(tables: SourceTables) -> pl.DataFrame:
    """Every load in the order they came, with `known_at`: when it was at the latest.

    They are ordered by `sequence`; those of an older version, which have none, come first, by their time. A load came no
    later than any load after it, so one dated a year ahead is put right by the next.
    """
    rows = tables.loads.scan().pipe(collected)
    missing = [pl.lit(None, pl.Int64).alias("sequence")] if "sequence" not in rows.columns else []
    ordered = rows.with_columns(missing).sort("sequence", "at", nulls_last=False)
    return ordered.with_columns(known_at=pl.col("at").cum_min(reverse=True))


def remember_load(contract: Contract, tables: SourceTables, run_id: str, report: LoadReport) -> None:
    """Append a load to the history. The caller holds the source's lock, so that no number is given twice."""
    broken = [result.says for result in report.quality if not result.holds and result.rule.severity == "error"]
    row = {
        "sequence": (loads_in_order(tables)["sequence"].max() or 0) + 1,  # type: ignore[operator]
        "at": report.at,
        "run_id": run_id,
        "outcome": report.outcome,
        "reason": report.reason,
        "contract_id": contract.id,
        "contract_version": contract.version,
        "documents": report.documents,
        "refused": report.open_refusals,
        "superseded": report.superseded,
        "rows_in": report.rows_in,
        "good": report.good,
        "rows_refused": report.refused,
        "expired": report.expired,
        "purged": report.purged,
        "lost": report.items_lost if report.held else 0,
        "broken": json.dumps(broken),
        "data_version": report.data_version,
        "not_read": None if report.losses.not_read is None else json.dumps(report.losses.not_read),
    }
    tables.loads.append(pa.Table.from_pylist([row], LOADS))


def usual_drop_percent(tables: SourceTables) -> float:
    """How much of a source leaves with a load as a matter of course.

    Usual is what earlier loads lost: not the most that one of them did, which may have been an accident, but the second
    most, of the last sixty; and never less than 5 %. What retention removes is no drop.
    """
    history = loads_in_order(tables).filter(pl.col("outcome") != "held").tail(_LOOKED_AT + 1)
    purged = pl.col("purged").fill_null(0) if "purged" in history.columns else pl.lit(0)
    shares = history.select(
        share=100 * (pl.col("documents").shift(1) - purged - pl.col("documents")) / pl.col("documents").shift(1)
    )["share"]
    ordinary = shares.filter(shares.is_finite() & (shares > 0)).sort(descending=True).to_list()[1:2]
    return float(max([_PERCENT, *ordinary]))


def unusual_drop(usual_percent: float, before: int, after: int) -> str:
    """What is unusual about a load that left fewer documents than there were; empty when nothing is, or 3 left at most."""
    drop = before - after
    if drop <= max(_DOCUMENTS, usual_percent * before / 100):
        return ""
    return (
        f"{drop} of {before} documents left with this load ({100 * drop / before:.1f} %), where up to {usual_percent:.1f} % "
        "is usual; look whether the export was read while it was still being written"
    )


def clocks_of_runs(tables: SourceTables) -> tuple[dict[str, datetime], datetime | None]:
    """When each run loaded the source at the latest, by run id; and when the last load was that was not held."""
    loads = loads_in_order(tables)
    good = loads.filter(pl.col("outcome") != "held")["known_at"].to_list()
    return dict(loads.select("run_id", "known_at").iter_rows()), good[-1] if good else None
