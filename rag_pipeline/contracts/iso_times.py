"""ISO 8601 dates and times in all their usual forms, read column by column.

PostgreSQL writes `2026-11-28 09:15:00+01`, Java's OffsetDateTime leaves out seconds that are zero, others write a comma
before the fraction, or no separators at all. One shape is tried first, because nearly every feed writes it; the rest is
brought into that shape, and what still cannot be read goes to Python's own reader, value by value.
Source of the forms: https://en.wikipedia.org/wiki/ISO_8601 and RFC 3339.
"""

import re
from datetime import date, datetime

import polars as pl

ZONE = r"(?:[Zz]|UTC|GMT|[+-]\d\d(?::?\d\d)?)"
"""How a time ends that says its zone."""

_ZONED = "%Y-%m-%dT%H:%M:%S%.f%:z"
_LOCAL = "%Y-%m-%dT%H:%M:%S%.f"
_DAY = "%Y-%m-%d"


def has_zone(text: pl.Expr) -> pl.Expr:
    """Whether a time says which zone it is of. A date alone has none: the `-28` of `2026-11-28` is a day."""
    return text.str.contains(rf"[Tt ]\d\d[\d:.,]*\s*{ZONE}\s*$")


def dates(text: pl.Expr) -> list[pl.Expr]:
    """The ways a text may be read as a date, most usual first. Of a time its date is taken, as it is written."""
    day = text.str.extract(r"^\s*(\d{4}-\d\d-\d\d)(?:[Tt ].*)?\s*$")
    return [
        day.str.to_date(_DAY, strict=False),
        text.str.strip_chars().map_elements(_date_alone, return_dtype=pl.Date, skip_nulls=True),
    ]


def timestamps(text: pl.Expr, zone: str) -> list[pl.Expr]:
    """The ways a text may be read as a time, most usual first. One without a zone counts as of `zone`."""
    usual = text.str.replace(r"^(\d{4}-\d\d-\d\d) ", "${1}T").str.replace(r"[Zz]$", "+00:00")
    shaped = _shaped(text)
    return [
        _zoned(usual),
        in_utc(usual.str.to_datetime(_LOCAL, time_unit="us", strict=False), zone),
        _zoned(shaped),
        in_utc(shaped.str.to_datetime(_LOCAL, time_unit="us", strict=False), zone),
        in_utc(shaped.str.to_date(_DAY, strict=False).cast(pl.Datetime("us")), zone),
        _zoned(shaped.map_elements(_with_zone, return_dtype=pl.String, skip_nulls=True)),
        in_utc(shaped.map_elements(_without_zone, return_dtype=pl.Datetime("us"), skip_nulls=True), zone),
    ]


def moment(text: str) -> datetime:
    """One date or time of a contract; one without a zone is in UTC. Raises `ValueError` when it is neither."""
    for reading in timestamps(pl.lit(text), "UTC"):
        found = pl.select(reading).item()
        if isinstance(found, datetime):
            return found
    raise ValueError(f"{text!r} is not a date")


def _shaped(text: pl.Expr) -> pl.Expr:
    """`2026-11-28 09:15 +01` -> `2026-11-28T09:15:00+01:00`: blanks, seconds, fraction and zone as ISO 8601 prefers them."""
    return (
        text.str.strip_chars()
        .str.replace(r"^(\d{4}-\d\d-\d\d)[t ]+(\d\d)", "${1}T${2}")
        .str.replace(rf"^([^T]*T[\d:.,]+)\s+({ZONE})$", "${1}${2}")
        .str.replace(r"(T[\d:]+),(\d)", "${1}.${2}")
        .str.replace(r"(T[\d:.]+)(?:[Zz]|UTC|GMT)$", "${1}+00:00")
        .str.replace(r"(T[\d:.]+[+-]\d\d)$", "${1}:00")
        .str.replace(r"(T[\d:.]+[+-]\d\d)(\d\d)$", "${1}:${2}")
        .str.replace(r"(T\d\d:\d\d)([+-]\d\d:\d\d)?$", "${1}:00${2}")
    )


def _zoned(text: pl.Expr) -> pl.Expr:
    return text.str.to_datetime(_ZONED, time_unit="us", strict=False).dt.convert_time_zone("UTC")


def in_utc(naive: pl.Expr, zone: str) -> pl.Expr:
    """A time without a zone is of the contract's; of one the clocks repeated the earlier counts, a skipped one is none."""
    return naive.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null").dt.convert_time_zone("UTC")


_OTHER_FORMS = re.compile(
    r"\d{4}-?(?:\d\d-?\d\d|W\d\d(?:-?\d)?|\d{3})(?:[Tt ]\d\d[\d:.,]*(?:Z|[+-]\d\d:?(?:\d\d)?)?)?", re.ASCII
)
"""What is worth handing to Python, which takes any character between date and time."""


def _parsed(text: str) -> datetime | None:
    """Basic forms (`20261128T091500Z`), weeks (`2026-W48-6`) and days of the year (`2026-332`)."""
    if not _OTHER_FORMS.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        pass
    try:
        return datetime.strptime(text, "%Y-%j") if len(text) == 8 else None
    except ValueError:
        return None


def _date_alone(text: str) -> date | None:
    found = _parsed(text)
    return found.date() if found else None


def _with_zone(text: str) -> str | None:
    found = _parsed(text)
    return found.isoformat(timespec="microseconds") if found and found.tzinfo else None


def _without_zone(text: str) -> datetime | None:
    found = _parsed(text)
    return found if found and not found.tzinfo else None
