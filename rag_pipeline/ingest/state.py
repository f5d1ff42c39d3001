"""What is known of a source without reading it again: its version, its age against its promise, its last load."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from rag_pipeline.contracts.contract import Contract
from rag_pipeline.ingest.quality import stored_values
from rag_pipeline.ingest.tables import SourceTables, source_tables
from rag_pipeline.lake import collected


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
    broken: tuple[str, ...] = ()
    """Quality rules of severity error that did not hold after the last load."""

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
    loads = tables.loads.scan().pipe(collected).sort("at")
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
        broken=tuple(json.loads(last[0].get("broken") or "[]")) if last else (),
    )


def _newest(contract: Contract, tables: SourceTables) -> datetime | None:
    modified = contract.column("modified_at")
    if modified and modified.name == contract.age_column:
        value = tables.documents.scan().select(pl.col("modified_at").max()).pipe(collected).item()
        return value if isinstance(value, datetime) else None
    column = next(column for column in contract.columns if column.name == contract.age_column)
    newest = stored_values(tables, column).drop_nulls().max()
    if not isinstance(newest, str):
        return None
    value = datetime.fromisoformat(newest)
    return value if value.tzinfo else value.replace(tzinfo=UTC)
