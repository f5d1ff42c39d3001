"""Keeping data no longer than its contract allows: documents by their own date, refused rows by when they were first seen.

Before something is removed here it is noted as erased, so that no release built from then on holds its vectors or its
words. The weekly collection removes it from the table's history and from kept releases.
"""

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pyarrow as pa

from rag_pipeline.contracts.contract import Contract
from rag_pipeline.ingest.clock import A_DAY, Clock
from rag_pipeline.ingest.erase import note_erased
from rag_pipeline.ingest.tables import QUARANTINE, SourceTables
from rag_pipeline.lake import OP, collected

EMPTIED = "{}"
"""What stays of an open refusal's raw values."""


def too_old(contract: Contract, row: dict[str, Any], now: datetime) -> bool:
    """Whether an accepted row (column name -> typed value) may not be kept any more. Without a date it may."""
    oldest = _oldest(contract, now)
    if oldest is None or contract.retention_column is None:
        return False
    value = _moment(row[contract.retention_column])
    return value is not None and value < oldest


def purge(contract: Contract, tables: SourceTables, clock: Clock, run_id: str) -> tuple[list[str], int]:
    """Remove what is past its retention: ids of the documents, and how many refused rows lost their raw values.

    A resolved refusal goes as a whole; an open one stays, with its reasons only, so that nothing turns green by age. One
    that was first seen in the future, by a clock that was ahead, was first seen now: it would be kept for too long.
    """
    oldest = _oldest(contract, clock.believed)
    if oldest is None:
        return [], 0
    documents = _expired(contract, tables, oldest)
    if documents:
        note_erased(tables, documents, "retention", run_id=run_id, now=clock.believed)
        tables.documents.remove(pl.DataFrame({"document_id": documents}).to_arrow(), ("document_id",))
    if not clock.doubt:
        _first_seen_now(tables, clock.believed, run_id)
    return documents, _purge_quarantine(tables, oldest, run_id)


def _oldest(contract: Contract, now: datetime) -> datetime | None:
    return now - timedelta(hours=contract.retention_hours) if contract.retention_hours else None


def _expired(contract: Contract, tables: SourceTables, oldest: datetime) -> list[str]:
    name = contract.retention_column
    if name is None:
        return []
    column = next(column for column in contract.columns if column.name == name)
    stored = tables.documents.scan()
    if column.role == "modified_at":
        return stored.filter(pl.col("modified_at") < oldest).select("document_id").pipe(collected)["document_id"].to_list()
    rows = stored.select("document_id", "metadata").pipe(collected).iter_rows()
    moments = ((document, _moment(json.loads(metadata).get(name))) for document, metadata in rows)
    return [document for document, moment in moments if moment is not None and moment < oldest]


def _purge_quarantine(tables: SourceTables, oldest: datetime, run_id: str) -> int:
    old = tables.quarantine.scan().filter(pl.col("first_seen_at") < oldest).pipe(collected)
    resolved = old.filter(pl.col("status") == "resolved").with_columns(pl.lit("delete").alias(OP))
    emptied = old.filter((pl.col("status") == "open") & (pl.col("raw") != EMPTIED)).with_columns(
        pl.lit(EMPTIED).alias("raw"), pl.lit("upsert").alias(OP)
    )
    rows = pl.concat([resolved, emptied])
    if rows.is_empty():
        return 0
    _upsert(tables, rows, run_id)
    return rows.height


def _first_seen_now(tables: SourceTables, now: datetime, run_id: str) -> None:
    ahead = tables.quarantine.scan().filter(pl.col("first_seen_at") > now + A_DAY).pipe(collected)
    if not ahead.is_empty():
        seen = pl.lit(now).cast(ahead.schema["first_seen_at"]).alias("first_seen_at")
        _upsert(tables, ahead.with_columns(seen, pl.lit("upsert").alias(OP)), run_id)


def _upsert(tables: SourceTables, rows: pl.DataFrame, run_id: str) -> None:
    """Writes rows of the quarantine; also deletes, where the operation says so."""
    source = rows.select(*QUARANTINE.names, OP).to_arrow().cast(QUARANTINE.append(pa.field(OP, pa.string())))
    tables.quarantine.merge(source.to_reader(), "quarantine_id", {"run_id": run_id})


def _moment(value: object) -> datetime | None:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    if not isinstance(value, datetime):
        return None
    return value if value.tzinfo else value.replace(tzinfo=UTC)
