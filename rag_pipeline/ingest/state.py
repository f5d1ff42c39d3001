"""What is known of a source without reading it again: its version, its age against its promise, its last load."""

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl

from rag_pipeline.contracts.contract import Contract, QualityRule
from rag_pipeline.ingest.tables import SourceTables, source_tables


@dataclass(frozen=True, slots=True)
class SourceState:
    """One source as of now. `as_of` is when its data was last known to be current; None when it never was."""

    source: str
    outcome: str
    reason: str
    loaded_at: datetime | None
    as_of: datetime | None
    age_hours: float | None
    max_age_hours: float | None
    documents: int
    refused: int
    data_version: str
    contract_id: str
    contract_version: str

    @property
    def within_sla(self) -> bool:
        """A source that was never loaded keeps no promise."""
        if self.max_age_hours is None:
            return True
        return self.age_hours is not None and self.age_hours <= self.max_age_hours


def source_state(contract: Contract, home: Path, now: datetime) -> SourceState:
    """The state of one source.

    Its age counts from the newest value of the column the SLA names, or, when it names none, from the last load that
    was not held.
    """
    tables = source_tables(home, contract.source)
    loads = tables.loads.scan().collect().sort("at")
    last = loads.tail(1).to_dicts()
    good = loads.filter(pl.col("outcome") != "held").tail(1).to_dicts()
    as_of = _newest(contract, tables) if contract.age_column else (good[0]["at"] if good else None)
    return SourceState(
        source=contract.source,
        outcome=last[0]["outcome"] if last else "never loaded",
        reason=last[0]["reason"] if last else "",
        loaded_at=last[0]["at"] if last else None,
        as_of=as_of,
        age_hours=contract.age_hours(as_of, now) if as_of else None,
        max_age_hours=contract.max_age_hours,
        documents=last[0]["documents"] if last else 0,
        refused=last[0]["refused"] if last else 0,
        data_version=last[0]["data_version"] if last else "",
        contract_id=contract.id,
        contract_version=contract.version,
    )


def _newest(contract: Contract, tables: SourceTables) -> datetime | None:
    modified = contract.column("modified_at")
    if modified and modified.name == contract.age_column:
        value = tables.documents.scan().select(pl.col("modified_at").max()).collect().item()
        return value if isinstance(value, datetime) else None
    newest = _metadata(tables, str(contract.age_column)).drop_nulls().max()
    if not isinstance(newest, str):
        return None
    value = datetime.fromisoformat(newest)
    return value if value.tzinfo else value.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class QualityResult:
    """One quality rule and what was measured for it, in the rule's unit."""

    rule: QualityRule
    value: float
    holds: bool


def measure_quality(contract: Contract, home: Path) -> tuple[QualityResult, ...]:
    """Every quality rule of a contract, measured on the documents stored now."""
    tables = source_tables(home, contract.source)
    rows = int(tables.documents.scan().select(pl.len()).collect().item())
    results = []
    for rule in contract.quality:
        count = float(_count(contract, tables, rule, rows))
        value = 100 * count / rows if rule.unit == "percent" and rows else count
        results.append(QualityResult(rule, value, rule.holds(value)))
    return tuple(results)


def _count(contract: Contract, tables: SourceTables, rule: QualityRule, rows: int) -> int:
    if rule.metric == "rowCount":
        return rows
    column = next(column for column in contract.columns if column.name == rule.column)
    if column.role == "key" and rule.metric == "duplicateValues":
        superseded = (pl.col("status") == "open") & (pl.col("kind") == "superseded")
        return int(tables.quarantine.scan().filter(superseded).select(pl.len()).collect().item())
    if column.role:
        values = tables.documents.scan().select(pl.col(column.role).cast(pl.String)).collect().to_series()
    else:
        values = _metadata(tables, column.name)
    if rule.metric == "duplicateValues":
        present = values.drop_nulls()
        return len(present) - present.n_unique()
    missing = values.is_null()
    if rule.metric == "missingValues":
        missing = missing | (values.str.strip_chars() == "").fill_null(value=False)
    return int(missing.sum())


def _metadata(tables: SourceTables, name: str) -> pl.Series:
    """One metadata column as text, null where a document has none."""
    stored = tables.documents.scan().select("metadata").collect()["metadata"]
    values = (json.loads(text).get(name) for text in stored)
    return pl.Series(name, [_text(value) for value in values], dtype=pl.String)


def _text(value: object) -> str | None:
    if value is None:
        return None
    return value.isoformat() if isinstance(value, date) else str(value)
