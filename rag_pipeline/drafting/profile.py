"""What the columns of some rows look like: types (by the casts of a load), missing values, lengths, counts.

A column gets a type only if every value in it reads as that type and nothing is lost on the way: `00123` is not a number.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from rag_pipeline.contracts.casts import cast
from rag_pipeline.contracts.contract import Column, LogicalType
from rag_pipeline.contracts.rules import VISIBLE
from rag_pipeline.feeds.base import as_text

FEW_VALUES = 12
"""Up to so many different values a column's values are counted."""


@dataclass(frozen=True, slots=True)
class ColumnProfile:
    """One column of the rows looked at. Lengths are in characters, of the values as text."""

    name: str
    rows: int
    nulls: int
    """Rows in which it is null, or not there."""
    blanks: int
    """Rows in which it is a text that shows nothing."""
    distinct: int
    logical_type: LogicalType
    options: dict[str, Any]
    """How its dates are written (`format`)."""
    doubt: str
    """Why it might be of another type after all."""
    nested: bool
    """Whether it holds lists or objects, which are taken as JSON text."""
    shortest: int
    longest: int
    mean_length: float
    least: Any
    greatest: Any
    counts: dict[str, int]
    """Value as text -> rows, if there are few values; may be private."""
    texts: tuple[str | None, ...] = field(repr=False)
    """The values as text, row by row; may be private."""

    @property
    def missing(self) -> int:
        return self.nulls + self.blanks

    @property
    def present(self) -> int:
        return self.rows - self.missing

    @property
    def repeats(self) -> int:
        """Rows whose value another row had before."""
        return self.rows - self.nulls - self.distinct


def profile_columns(rows: Sequence[Mapping[str, Any]], names: Iterable[str]) -> tuple[ColumnProfile, ...]:
    """A profile of each named column of these rows."""
    return tuple(_profile(name, [row.get(name) for row in rows]) for name in names)


def blank(texts: pl.Series) -> pl.Series:
    """Texts that are there and that a rule `required` counts as missing all the same."""
    return ~texts.str.contains(VISIBLE)


def words_of(name: str) -> tuple[str, ...]:
    """The words of a column's name in lower case: `lastChanged_at` -> last, changed, at."""
    return tuple(word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\d_A-Z]+|\d+", name))


def _profile(name: str, values: Sequence[Any]) -> ColumnProfile:
    texts = tuple(as_text(value) for value in values)
    series = pl.Series(texts, dtype=pl.String)
    there = series.drop_nulls()
    counts = there.value_counts(name="rows")
    unique = counts[""]
    lengths = there.str.len_chars()
    logical_type, options, doubt = _type_of(name, unique, {type(value) for value in values})
    least, greatest = _ends(logical_type, options, unique)
    return ColumnProfile(
        name=name,
        rows=len(values),
        nulls=series.null_count(),
        blanks=int(blank(there).sum()),
        distinct=counts.height,
        logical_type=logical_type,
        options=options,
        doubt=doubt,
        nested=any(isinstance(value, dict | list) for value in values),
        shortest=int(lengths.min() or 0),  # type: ignore[arg-type]
        longest=int(lengths.max() or 0),  # type: ignore[arg-type]
        mean_length=float(lengths.mean() or 0.0),  # type: ignore[arg-type]
        least=least,
        greatest=greatest,
        counts=dict(counts.iter_rows()) if counts.height <= FEW_VALUES else {},
        texts=texts,
    )


_INTEGER = r"^ *-?(0|[1-9]\d*) *$"
_NUMBER = r"^ *-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)? *$"
_DATE = r"^\d{4}-\d\d-\d\d$"

_WRITTEN = ("dd.MM.yyyy", "yyyy/MM/dd", "yyyy.MM.dd", "dd MMM yyyy", "dd MMMM yyyy", "MMM dd, yyyy", "MMMM dd, yyyy")
_EITHER = (("dd/MM/yyyy", "MM/dd/yyyy"), ("dd-MM-yyyy", "MM-dd-yyyy"))
"""Ways to write a date, and those that differ in what comes first only."""

_CLOCKS = ("", " HH:mm", " HH:mm:ss")
_LOOKS_DATED = (
    r"^ *(\d{1,4}[./-]\d{1,2}[./-]\d{1,4}|\d{1,2} [A-Za-z]{3,9} \d{4}|[A-Za-z]{3,9} \d{1,2}, \d{4})( \d\d?:\d\d(:\d\d)?)? *$"
)


def _type_of(name: str, unique: pl.Series, kinds: set[type]) -> tuple[LogicalType, dict[str, Any], str]:
    """Type, options and doubt of a column, of its different values as text."""
    if unique.is_empty() or {dict, list} & kinds:
        return "string", {}, ""
    if _is_boolean(unique, kinds):
        return "boolean", {}, ""
    if unique.str.contains(_LOOKS_DATED).all():
        return _dated(unique)
    compact = {"format": "yyyyMMdd"}
    dated = {"date", "day", "datum"} & set(words_of(name)) and unique.str.contains(r"^\d{8}$").all()
    if dated and _reads(unique, "date", compact):
        return "date", compact, ""
    if unique.str.contains(_INTEGER).all():  # of twenty digits or more as a number they would lose some
        return ("integer" if _reads(unique, "integer", {}, lossless=True) else "string"), {}, ""
    if unique.str.contains(_NUMBER).all() and _reads(unique, "number", {}, lossless=str in kinds):
        if "version" in words_of(name):
            return "string", {}, "numbers, taken as text: version 3.10 is not 3.1"
        return "number", {}, ""
    if _reads(unique, "timestamp", {}):
        return "timestamp", {}, ""
    return "string", {}, ""


def _is_boolean(unique: pl.Series, kinds: set[type]) -> bool:
    """Whether the values are words of true and false. `0` and `1` alone are numbers, and `no` alone is Norway."""
    words = set(unique.str.to_lowercase())
    if kinds <= {bool, type(None)}:
        return True
    return words in ({"true"}, {"false"}, {"true", "false"}, {"yes", "no"})


def _dated(unique: pl.Series) -> tuple[LogicalType, dict[str, Any], str]:
    if unique.str.contains(_DATE).all() and _reads(unique, "date", {}):
        return "date", {}, ""
    if _reads(unique, "timestamp", {}):
        return "timestamp", {}, ""
    for clock in _CLOCKS:
        logical_type: LogicalType = "timestamp" if clock else "date"
        for pattern in _WRITTEN:
            if _reads(unique, logical_type, options := {"format": pattern + clock}):
                return logical_type, options, ""
        for day_first, month_first in _EITHER:
            fitting = [
                form + clock for form in (day_first, month_first) if _reads(unique, logical_type, {"format": form + clock})
            ]
            if len(fitting) == 1:
                return logical_type, {"format": fitting[0]}, ""
            if fitting:
                return "string", {}, _either(logical_type, fitting)
    return "string", {}, ""


def _either(logical_type: LogicalType, fitting: Sequence[str]) -> str:
    return (
        "dates in which day and month cannot be told apart, so they are taken as text; to have them as dates write "
        f"logicalType: {logical_type} and logicalTypeOptions: {{format: {fitting[0]}}}, or {fitting[1]}"
    )


def _typed(unique: pl.Series, logical_type: LogicalType, options: dict[str, Any]) -> pl.Series:
    column = Column("value", logical_type, required=False, role=None, options=options, allowed=())
    return unique.alias("value").to_frame().select(cast(column)).to_series()


def _reads(unique: pl.Series, logical_type: LogicalType, options: dict[str, Any], *, lossless: bool = False) -> bool:
    """Whether every value reads as a type; `lossless`: and no two as the same value."""
    typed = _typed(unique, logical_type, options)
    if typed.null_count():
        return False
    if logical_type in ("date", "timestamp"):  # years Python's own dates and a Delta table can hold; 24 is none
        return bool(typed.dt.year().is_between(1000 if options else 1, 9998).all())
    if logical_type == "number" and not typed.is_finite().all():
        return False
    return not lossless or typed.n_unique() == len(unique)


def _ends(logical_type: LogicalType, options: dict[str, Any], unique: pl.Series) -> tuple[Any, Any]:
    """Least and greatest value of what has an order: numbers, dates, times."""
    if logical_type in ("string", "boolean") or unique.is_empty():
        return None, None
    typed = _typed(unique, logical_type, options)
    return typed.min(), typed.max()
