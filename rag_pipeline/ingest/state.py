"""What is known about a source without reading it again: its version, its age against its promise, its last load."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import polars as pl

from rag_pipeline.contracts.contract import Column, Contract
from rag_pipeline.home import Home
from rag_pipeline.ingest.clock import A_DAY, SKEW
from rag_pipeline.ingest.loads import clocks_of_runs, loads_in_order
from rag_pipeline.ingest.quality import stored_values
from rag_pipeline.ingest.tables import SourceTables, source_tables
from rag_pipeline.lake import collected

AN_HOUR = timedelta(hours=1)


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
    lost: int = 0
    """Items whose rows the tables had lost at the last load, which was held, so that they were not read again."""
    age_column: str | None = None
    """The column that decides the age; None: the last load that was not held decides it."""
    from_the_future: int = 0
    """Values of that column that were later than the clock when they were loaded: they do not count."""

    @property
    def within_sla(self) -> bool:
        return not self.late_because

    @property
    def late_because(self) -> str:
        """Why the source is not within its SLA, as what is said of it; empty when it is.

        A source that was never loaded keeps no promise, nor does one whose age is told by a clock that was wrong.
        """
        if self.max_age_hours is None:
            return ""
        if self.age_hours is None:
            if self.loaded_at is None or self.age_column is None:
                return "was never loaded"
            ahead = f", but {self.from_the_future} from the future" if self.from_the_future else ""
            return f"has no {self.age_column} to tell its age by{ahead}"
        if self.age_hours < -SKEW / AN_HOUR:
            return f"was loaded {-self.age_hours:,.1f} h from now: the clock was wrong then or is wrong now; load it again"
        if self.age_hours > self.max_age_hours:
            return f"is {self.age_hours:.1f} h old, its contract allows {self.max_age_hours:g} h"
        return ""


def unknown_state(contract: Contract, why: str) -> SourceState:
    """A source whose tables cannot be read now: nothing is known of it but why, and it keeps no promise."""
    return SourceState(
        source=contract.source,
        outcome="not known",
        reason=why,
        loaded_at=None,
        as_of=None,
        age_hours=None,
        max_age_hours=contract.max_age_hours,
        documents=0,
        refused=0,
        data_version="",
        contract_id=contract.id,
        contract_version=contract.version,
    )


def source_state(contract: Contract, home: Home, now: datetime) -> SourceState:
    """The state of one source.

    Its age counts from the newest value of the column the SLA names, or, when it names none, from the last load that
    was not held. Loads count in the order they came; what was from the future when it was loaded does not count.
    """
    tables = source_tables(home, contract.source)
    loads = loads_in_order(tables)
    last = loads.tail(1).to_dicts()
    good = loads.filter(pl.col("outcome") != "held").tail(1).to_dicts()
    as_of, ahead = good[0]["known_at"] if good else None, 0
    if contract.age_column:
        as_of, ahead = newest_value(contract, tables, contract.age_column)
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
        lost=(last[0].get("lost") or 0) if last else 0,
        age_column=contract.age_column,
        from_the_future=ahead,
    )


def newest_value(contract: Contract, tables: SourceTables, name: str) -> tuple[datetime | None, int]:
    """The newest value of a column of the stored documents that was not from the future, and how many were.

    Each is held against the clock of the load that stored it, and a load may be known to have been earlier than its clock
    said. Up to a day ahead a value counts as of that very moment. One whose load nobody remembers, as one that was killed,
    is held against the last load.
    """
    column = next(column for column in contract.columns if column.name == name)
    runs, last_good = clocks_of_runs(tables)
    stored = tables.documents.scan().select("run_id").pipe(collected)
    frame = stored.with_columns(moments(tables, column)).drop_nulls("moment")
    if frame.is_empty() or last_good is None:
        return None, 0
    clock = pl.DataFrame({"run_id": list(runs), "clock": list(runs.values())})
    frame = frame.join(clock, on="run_id", how="left").with_columns(pl.col("clock").fill_null(last_good))
    ahead = frame.filter(pl.col("moment") > pl.col("clock") + A_DAY)
    counted = frame.filter(pl.col("moment") <= pl.col("clock") + A_DAY)
    newest = counted.select(pl.min_horizontal("moment", "clock").max()).item()
    return newest, ahead.height


def moments(tables: SourceTables, column: Column) -> pl.Series:
    """`moment`: a column of the stored documents as times, in the order of the table; a date is its first moment."""
    if column.role == "modified_at":
        return tables.documents.scan().select(moment="modified_at").pipe(collected)["moment"]
    values = [datetime.fromisoformat(text) if text else None for text in stored_values(tables, column)]
    zoned = [value if value is None or value.tzinfo else value.replace(tzinfo=UTC) for value in values]
    return pl.Series("moment", [value and value.astimezone(UTC) for value in zoned], pl.Datetime("us", "UTC"))
