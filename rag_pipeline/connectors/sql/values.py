"""Values of a database in the form the rest of the pipeline takes: as found where JSON knows the type too, else as text."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

from rag_pipeline.feeds.base import BrokenRow, Row

_RAW_CHARACTERS = 10_000


def as_text(value: Any) -> str:
    """A key's or a cursor's value as text that is the same every night, whatever the session's time zone."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        aware = value.astimezone(UTC) if value.tzinfo else value
        return aware.isoformat(timespec="microseconds")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    return format(value, "f") if isinstance(value, Decimal) else str(value)


def as_row(found: Mapping[str, Any]) -> Row | BrokenRow:
    """One record by column name; a broken row when a column holds bytes that are not text."""
    row: Row = {}
    for name, value in found.items():
        try:
            row[name] = _as_found(value)
        except UnicodeDecodeError:
            raw = json.dumps({name: _as_told(value) for name, value in found.items()}, ensure_ascii=False, default=str)
            return BrokenRow(
                f"column {name} holds bytes that are not UTF-8 text; leave it out of the query", raw[:_RAW_CHARACTERS]
            )
    return row


def characters(values: Sequence[Any]) -> int:
    """About how much room the values of a row take, in characters."""
    return sum(
        len(value) if isinstance(value, str | bytes) else len(str(value)) if isinstance(value, dict | list) else 16
        for value in values
    )


def _as_found(value: Any) -> Any:
    """Raises `UnicodeDecodeError` for bytes that are not UTF-8."""
    if value is None or isinstance(value, str | bool | int | float | date):  # a datetime is a date
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).decode("utf-8")
    if isinstance(value, Mapping):
        return {str(name): _as_found(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_as_found(inner) for inner in value]
    return as_text(value)


def _as_told(value: Any) -> Any:
    return bytes(value).decode("utf-8", "backslashreplace") if isinstance(value, bytes | bytearray | memoryview) else value
