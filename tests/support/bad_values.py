"""Kinds of bad values in a typed column, and of rows that break a rule of their contract."""

from typing import Any

from tests.conftest import column
from tests.support.bad_input import MARKER, Kind, Told, limits
from tests.support.bad_tables import SIX, put, row

CHECKS = '''import polars as pl


def begins_before_it_ends() -> pl.Expr:
    """ends before it begins"""
    return pl.col("begin") <= pl.col("end")
'''
RULE = {"type": "custom", "engine": "rag-pipeline", "implementation": "begins_before_it_ends", "name": "in_order"}
EMAIL = f"{MARKER}@example.com"


def cell(
    value: Any,
    rule: str,
    words: str,
    logical_type: str = "string",
    *,
    form: str = "jsonl",
    plain: Any = None,
    options: dict[str, Any] | None = None,
    **fields: Any,
) -> Kind:
    """One bad value in a typed column, in a row of its own; the other rows hold a plain one."""
    if options:
        fields["logicalTypeOptions"] = options
    value_column = column("value", logicalType=logical_type, **fields)
    told = Told(words, rule, "value", value=MARKER)
    return put(form, lambda rows: [*rows, row(value=value)], told, columns=(value_column,), plain={"value": plain})


def good_cell(value: Any, logical_type: str) -> Kind:
    """One strange value that is good."""
    value_column = column("value", logicalType=logical_type)
    return put("jsonl", lambda rows: [*rows, row("7", "Seven.", value=value)], columns=(value_column,), stays=SIX | {"7"})


def timestamp(value: str, **options: Any) -> Kind:
    return cell(value, "type", "is not a valid timestamp", "timestamp", options=options)


def date(value: str, **options: Any) -> Kind:
    return cell(value, "type", "is not a valid date", "date", options=options)


def number(value: Any) -> Kind:
    return cell(value, "type", "is not a valid number", "number")


def integer(value: Any) -> Kind:
    return cell(value, "type", "is not a valid integer", "integer")


def checked(begin: Any, end: Any, *told: Told) -> Kind:
    """A row whose `begin` and `end` a function of `checks.py` judges together."""
    schema = [
        column("id", role="key", required=True, primaryKey=True),
        column("text", role="text", required=True),
        column("begin", logicalType="integer"),
        column("end", logicalType="integer", quality=[RULE]),
    ]
    stays = SIX if told else SIX | {"7"}
    rows = [row("7", begin=begin, end=end)]
    return put("jsonl", lambda good: [*good, *rows], *told, stays=stays, schema=schema, checks=CHECKS)


KINDS = {
    "an integer that is a word": integer(MARKER),
    "an integer beyond 64 bits": integer(2**63),
    "an integer with a fraction": integer(1.5),
    "an integer in exponents": integer("1e5"),
    "an integer of another script": integer("\u0663"),
    "a number that is infinite": number("inf"),
    "a number that is none": number(float("nan")),
    "a number beyond a float": number("1e400"),
    "a number with a comma": number("1,5"),
    "a truth in words": cell("ja", "type", "is not a valid boolean", "boolean"),
    "a list where a number is due": number([1, 2]),
    "a date of the year 0": date("0000-01-01"),
    "a date of the year 1": good_cell("0001-01-01", "date"),
    "a date of the year 9999": good_cell("9999-12-31", "date"),
    "a date of the year 10000": date("10000-01-01"),
    "a day that no month has": date("2025-02-30"),
    "a date of the year 0 in words of the contract": date("31.12.0000", format="dd.MM.yyyy"),
    "a date in another order": date("12/31/2025"),
    "a date of Excel": date("45000"),
    "a time before the year 1 in UTC": timestamp("0001-01-01T00:00:00+01:00"),
    "a time after the year 9999 in UTC": timestamp("9999-12-31T23:59:59-05:00"),
    "a time of the year 0": timestamp("0000-06-01T00:00:00Z"),
    "the last time there is": good_cell("9999-12-31T23:59:59.999999Z", "timestamp"),
    "a leap second": good_cell("2016-12-31T23:59:60Z", "timestamp"),
    "an hour that the clocks skipped": timestamp("2025-03-30T02:30:00", defaultTimezone="Europe/Berlin"),
    "milliseconds since 1970": timestamp("1700000000000"),
    "a time zone of 99 hours": timestamp("2025-01-01T00:00:00+99:99"),
    "a time without a zone where one is due": cell(
        "2025-01-01T00:00:00", "timezone", "has no time zone", "timestamp", options={"timezone": True}
    ),
    "a value in other case than the enum's": cell("RED", "enum", "is not one of red", enum=[{"value": "red"}]),
    "a text too short": cell("ab", "minLength", "is shorter than 3", options={"minLength": 3}),
    "a text too long": cell("abc", "maxLength", "is longer than 2", options={"maxLength": 2}),
    "a text of another pattern": cell("a\nb", "pattern", "does not match the pattern", options={"pattern": "[a-z]+"}),
    "an address that is none": cell("nobody", "format", "does not match the format email", options={"format": "email"}),
    "a number out of bounds": cell(11, "maximum", "is above 10", "integer", options={"maximum": 10}),
    "an integer too large for its format": cell(
        300, "format", "does not fit the format u8", "integer", options={"format": "u8"}
    ),
    "a value missing where one is required": cell(None, "required", "is missing or blank", plain="x", required=True),
    "one bad value in CSV": cell(MARKER, "type", "is not a valid integer", "integer", form="csv"),
    "one bad value in Parquet": cell(MARKER, "type", "is not a valid integer", "integer", form="parquet"),
    "private data where the contract refuses it": put(
        "jsonl",
        lambda rows: [*rows, row("7", f"Write to {EMAIL}.")],
        Told("holds private data (EMAIL_ADDRESS, 1 found)", "privacy", "text", value=EMAIL),
        customProperties=limits(piiPolicy="refuse"),
    ),
    "columns that break their rule together": checked(2, 1, Told("(begin, end) ends before it begins", "in_order", "begin")),
    "columns whose rule has nothing to judge": checked(None, 1),
}
