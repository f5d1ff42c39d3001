"""Text as found -> typed values, column by column. A value that does not fit becomes null, and a rule finds it."""

import re
from datetime import UTC, date, datetime

import polars as pl

from rag_pipeline.contracts import iso_times
from rag_pipeline.contracts.contract import Column, LogicalType

DTYPES: dict[LogicalType, pl.DataType] = {
    "string": pl.String(),
    "integer": pl.Int64(),
    "number": pl.Float64(),
    "boolean": pl.Boolean(),
    "date": pl.Date(),
    "timestamp": pl.Datetime("us", "UTC"),
}

TRUE, FALSE = ("true", "1", "yes", "t", "y", "on"), ("false", "0", "no", "f", "n", "off")
"""What a boolean is written as, in any case: the forms PostgreSQL reads and writes.

Source: https://www.postgresql.org/docs/current/datatype-boolean.html
"""

_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)

_DATE_LETTERS = {
    "yyyy": "%Y",
    "yy": "%y",
    "MMMM": "%B",
    "MMM": "%b",
    "MM": "%m",
    "dd": "%d",
    "HH": "%H",
    "mm": "%M",
    "ss": "%S",
    "SSSSSS": "%6f",
    "SSS": "%3f",
    "XXX": "%:z",
    "XX": "%z",
}


def date_pattern(pattern: str) -> str | None:
    """A date pattern as ODCS writes it (`dd.MM.yyyy`, as in the JDK) -> as polars reads it; None when it is not known."""
    parts = []
    for token in _tokens(pattern):
        if token.startswith("'"):
            parts.append(token.strip("'").replace("%", "%%"))
        elif token.isalpha():
            if token not in _DATE_LETTERS:
                return None
            parts.append(_DATE_LETTERS[token])
        else:
            parts.append(token.replace("%", "%%"))
    return "".join(parts) or None


def _tokens(pattern: str) -> list[str]:
    """Runs of one letter, quoted texts, and everything else one by one."""
    return [found[0] for found in re.finditer(r"'[^']*'|([A-Za-z])\1*|.", pattern)]


def cast(column: Column) -> pl.Expr:
    """The expression that reads a column's text as its type. Dates are ISO 8601, or as `format` says."""
    found = pl.col(column.name)
    match column.logical_type:
        case "string":
            return found
        case "boolean":
            text = found.str.strip_chars().str.to_lowercase()
            return (
                pl.when(text.is_in(TRUE))
                .then(statement=True)
                .when(text.is_in(FALSE))
                .then(statement=False)
                .alias(column.name)
            )
        case "date" | "timestamp":
            return pl.coalesce(casts(column)).alias(column.name)
        case "integer":  # 5.0 is one, as in JSON Schema: a table of floats (pandas, Parquet) writes it so
            text = found.str.strip_chars().str.replace(r"^([+-]?\d+)\.0+$", "${1}")
            return text.cast(DTYPES["integer"], strict=False)
        case "number":
            return found.str.strip_chars().cast(DTYPES["number"], strict=False)


def casts(column: Column) -> tuple[pl.Expr, ...]:
    """The ways a column's text may be read, one after the other: what one cannot read the next may. Mostly one."""
    found = pl.col(column.name)
    if column.logical_type == "date":
        readings = [_within(value, _FIRST.date(), _LAST.date()) for value in _dates(column, found)]
    elif column.logical_type == "timestamp":
        readings = [_within(value, _FIRST, _LAST) for value in _timestamps(column, found)]
    else:
        return (cast(column),)
    return tuple(reading.alias(column.name) for reading in readings)


def _dates(column: Column, found: pl.Expr) -> list[pl.Expr]:
    form, iso = _form(column), iso_times.dates(found)  # a feed of real dates has them in ISO, whatever its texts look like
    return iso if form is None else [found.str.strip_chars().str.to_date(form, strict=False), *iso]


def _timestamps(column: Column, found: pl.Expr) -> list[pl.Expr]:
    zone, form = str(column.options.get("defaultTimezone") or "UTC"), _form(column)
    iso = iso_times.timestamps(found, zone)
    if form is None:
        return iso
    stripped = found.str.strip_chars()
    if "%z" in form or "%:z" in form:
        own = stripped.str.to_datetime(form, time_unit="us", strict=False).dt.convert_time_zone("UTC")
    elif "%H" in form:
        own = iso_times.in_utc(stripped.str.to_datetime(form, time_unit="us", strict=False), zone)
    else:
        own = iso_times.in_utc(stripped.str.to_date(form, strict=False).cast(pl.Datetime("us")), zone)
    return [own, *iso]


def _within(value: pl.Expr, first: date, last: date) -> pl.Expr:
    """Null beyond the years 1 to 9999, which a time may also come to on its way to UTC: Python holds no such date."""
    return pl.when(value.is_between(first, last)).then(value)


def _form(column: Column) -> str | None:
    return date_pattern(str(column.options["format"])) if "format" in column.options else None
