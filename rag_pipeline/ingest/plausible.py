"""Dates that are readable but probably wrong: reported with examples, never refused. Bounds in a contract decide.

A year 1 or 9999, and the first days of calendars and clocks (1900, 1970), appear where there was no date; a year 1023 or
0023 is a mistyped 2023.
"""

from collections.abc import Iterator
from datetime import date

import polars as pl

from rag_pipeline.contracts.contract import Column, Contract
from rag_pipeline.home import Home
from rag_pipeline.ingest.clock import A_DAY, Clock
from rag_pipeline.ingest.quality import stored_values
from rag_pipeline.ingest.tables import SourceTables, source_tables
from rag_pipeline.lake import collected

_FIRST_YEAR, _LAST_YEAR = 1000, 9000
"""Years before and from these stand for something else: `datetime.min`, `MINVALUE`, "for ever"."""

_STAND_INS = (
    date(1582, 10, 15),  # the calendar's own first day
    date(1601, 1, 1),  # Windows' and LDAP's first moment
    date(1753, 1, 1),  # SQL Server's least datetime
    date(1899, 12, 30),  # spreadsheets and OLE
    date(1899, 12, 31),
    date(1900, 1, 1),
    date(1904, 1, 1),  # spreadsheets of the first Macs
    date(1970, 1, 1),  # Unix' first moment
    date(1980, 1, 1),  # zip archives and FAT
    date(2038, 1, 19),  # Unix' last moment in 32 bits
)

_NEAR_YEARS = 15
"""A stand-in so near to the other dates of its column may be meant."""

_FAR_YEARS = 80
"""So far from the middle of its column, a date is of another century: typing errors are a hundred years off, or more."""

_TOGETHER_YEARS, _AT_ONE, _LEAST = 40, 0.8, 5
"""A date is told from the others where so large a share of them lie within so many years, and there are so many of them."""

_EXAMPLES = 3


def implausible_values(contract: Contract, home: Home, clock: Clock) -> tuple[str, ...]:
    """One sentence for each column and kind of date that is hardly meant, of the documents stored now.

    It names documents, and of values no more than the year. The column that the age of the source is told by is held
    against the clock elsewhere (`SourceState.from_the_future`).
    """
    tables = source_tables(home, contract.source)
    if not tables.documents.exists:
        return ()
    columns = [column for column in contract.columns if column.logical_type in ("date", "timestamp")]
    return tuple(says for column in columns if _stored_as_date(column) for says in _of(column, contract, tables, clock))


def _stored_as_date(column: Column) -> bool:
    return column.role in (None, "modified_at") and column.privacy.policy not in ("hash", "drop")


def _of(column: Column, contract: Contract, tables: SourceTables, clock: Clock) -> Iterator[str]:
    low = not {"minimum", "exclusiveMinimum"} & set(column.options)
    high = not {"maximum", "exclusiveMaximum"} & set(column.options)
    if not (low or high):
        return
    frame = _dates(column, tables)
    year, day = pl.col("day").dt.year(), pl.col("day")
    stand_in = (low & (year < _FIRST_YEAR)) | (high & (year >= _LAST_YEAR)) | day.is_in(_likely(frame["day"], low, high))
    found, rest = frame.filter(stand_in), frame.filter(~stand_in)
    yield from _told(column, found, "a placeholder instead of a date")
    if rest.height >= _LEAST:
        middle = float(rest["day"].dt.year().median() or 0)  # type: ignore[arg-type]
        off = year - pl.lit(middle)
        far = (low & (off < -_FAR_YEARS)) | (high & (off > _FAR_YEARS))
        if rest.filter(off.abs() <= _TOGETHER_YEARS).height >= _AT_ONE * rest.height:
            yield from _told(column, rest.filter(far), f"a year far from the others, of which most are about {middle:.0f}")
            rest = rest.filter(~far)
    if high and column.role == "modified_at" and column.name != contract.age_column:
        yield from _told(column, rest.filter(day > (clock.latest + A_DAY).date()), "a day in the future")


def _dates(column: Column, tables: SourceTables) -> pl.DataFrame:
    """`document_id` and `day` of the documents that have a date there. A stored time is in UTC, and begins with its day."""
    ids = tables.documents.scan().select("document_id").pipe(collected)["document_id"]
    days = stored_values(tables, column).str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False)
    return pl.DataFrame([ids, days.alias("day")]).drop_nulls("day")


def _likely(days: pl.Series, low: bool, high: bool) -> list[date]:
    """Days of `_STAND_INS` that are far from the other days of a column, or are all it has."""
    others = days.filter(~days.is_in(list(_STAND_INS)) & days.dt.year().is_between(_FIRST_YEAR, _LAST_YEAR - 1))
    if others.is_empty():
        return list(_STAND_INS)
    years = others.dt.year()
    least, greatest = (years.quantile(share) or 0.0 for share in (0.1, 0.9))
    return [
        day for day in _STAND_INS if (low and day.year < least - _NEAR_YEARS) or (high and day.year > greatest + _NEAR_YEARS)
    ]


def _told(column: Column, found: pl.DataFrame, what: str) -> Iterator[str]:
    if found.is_empty():
        return
    shown = [f"{document} ({day.year:04})" for document, day in found.sort("document_id").head(_EXAMPLES).iter_rows()]
    more = f" and {found.height - len(shown):,} more" if found.height > len(shown) else ""
    yield f"{column.name}: {found.height:,} documents have {what}: {', '.join(shown)}{more}"
