"""The columns of a contract: types, keys, options, and what it says about their privacy."""

import re
from collections.abc import Iterator
from typing import Any, cast
from zoneinfo import ZoneInfo

import polars as pl

from rag_pipeline.contracts.casts import date_pattern
from rag_pipeline.contracts.contract import LOGICAL_TYPES, OWN, ROLES, Column, LogicalType, Privacy, Role
from rag_pipeline.contracts.iso_times import moment
from rag_pipeline.contracts.older_forms import UNSUPPORTED
from rag_pipeline.contracts.page import COLUMN_PROPERTIES, At, Page
from rag_pipeline.contracts.read_terms import read_privacy
from rag_pipeline.contracts.rules import FORMATS
from rag_pipeline.errors import unknown_name

_NUMERIC = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")
_DATED = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "format")
OPTIONS: dict[LogicalType, tuple[str, ...]] = {
    "string": ("minLength", "maxLength", "pattern", "format"),
    "integer": (*_NUMERIC, "format"),
    "number": _NUMERIC,
    "date": _DATED,
    "timestamp": (*_DATED, "timezone", "defaultTimezone"),
    "boolean": (),
}
"""ODCS `logicalTypeOptions` that are kept, by type."""

_INTEGERS = ("i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64")


def read_columns(page: Page, table: dict[str, Any], privacy: Privacy) -> tuple[Column, ...]:
    """Every column, in order. `privacy` is what the contract says for the columns that say nothing themselves."""
    seen: set[str] = set()
    columns, positions = [], {}
    for index, entry in enumerate(table.get("properties") or []):
        at: At = ("schema", 0, "properties", index)
        column = _column(page, at, entry, privacy)
        if column.name in seen:
            raise page.fail(at, f"column {column.name!r} is described twice; keep one")
        seen.add(column.name)
        columns.append(column)
        positions[column.name] = entry.get("primaryKeyPosition", index)
    keys = sorted((column for column in columns if column.role == "key"), key=lambda column: positions[column.name])
    return (*keys, *(column for column in columns if column.role != "key"))


def _column(page: Page, at: At, entry: dict[str, Any], privacy: Privacy) -> Column:
    name = entry["name"]
    if problem := column_name_problem(name):
        raise page.fail((*at, "name"), f"{name!r}: {problem}; rename the column, in the feed too")
    if "logicalType" not in entry:
        raise page.fail((*at, "logicalType"), f"is missing; one of {', '.join(LOGICAL_TYPES)}{_guess(entry)}")
    logical_type = entry["logicalType"]
    if logical_type not in LOGICAL_TYPES:
        instead = UNSUPPORTED.get(logical_type, f"one of {', '.join(LOGICAL_TYPES)}")
        raise page.fail((*at, "logicalType"), f"{logical_type!r} is not supported; {instead}")
    custom = page.custom(at, entry, COLUMN_PROPERTIES)
    role = custom.get("role") or ("key" if entry.get("primaryKey") else None)
    if role is not None and role not in ROLES:
        raise page.fail(page.custom_at(at, entry, "role"), unknown_name("role", str(role), ROLES))
    options = entry.get("logicalTypeOptions") or {}
    for option, value in options.items():
        _check_option(page, (*at, "logicalTypeOptions", option), logical_type, option, value)
    own = read_privacy(page, at, entry, custom, privacy)
    if own.policy == "drop" and role in ("key", "text"):
        raise page.fail(at, f"a {role} column cannot be dropped: nothing would be left to retrieve; mask or refuse it")
    if own.policy == "hash" and role == "text":
        raise page.fail(at, "a text column cannot be hashed: nothing would be left to retrieve; use scan-and-mask")
    if role == "access":
        _check_access(page, at, entry, own)
    if entry.get("unique") and role != "key" and own.policy in ("drop", "scan-and-mask"):
        raise page.fail(
            (*at, "unique"),
            f"values of a unique column would look alike with piiPolicy {own.policy}; give it allow, hash or refuse",
        )
    return Column(
        name=name,
        logical_type=logical_type,
        required=bool(entry.get("required")) or role in ("key", "text", "access"),
        role=cast(Role | None, role),
        options=options,
        allowed=tuple(value["value"] for value in entry.get("enum") or ()),
        description=entry.get("description", ""),
        found_as=str(entry.get("physicalName") or name),
        unique=bool(entry.get("unique")) or role == "key",
        privacy=own,
        classification=str(entry.get("classification") or "").lower(),
        tags=tuple(str(tag) for tag in entry.get("tags") or ()),
        filterable=_filterable(page, at, entry, custom, role),
    )


def _filterable(page: Page, at: At, entry: dict[str, Any], custom: dict[str, Any], role: str | None) -> bool:
    said = custom.get("filterable", False)
    where = page.custom_at(at, entry, "filterable") if "filterable" in custom else at
    if not isinstance(said, bool):
        raise page.fail(where, f"filterable is true or false, not {said!r}")
    if said and role is not None:
        raise page.fail(where, f"a {role} column is not filterable: a question is narrowed by columns without a role")
    return said


def _check_access(page: Page, at: At, entry: dict[str, Any], privacy: Privacy) -> None:
    """A column of labels holds them as they are: two that were masked alike would be one label."""
    if entry["logicalType"] != "string":
        raise page.fail((*at, "logicalType"), "an access column is a string: a label, several with commas, or a JSON list")
    if privacy.policy != "allow":
        raise page.fail(
            at, f"an access column cannot be {privacy.policy}: labels that look alike would be one; give it piiPolicy allow"
        )
    if entry.get("unique"):
        raise page.fail((*at, "unique"), "an access column is not unique: many rows have the same readers; leave it out")


_PHYSICAL: tuple[tuple[str, LogicalType], ...] = (
    (r"timestamp|datetime", "timestamp"),
    (r"date", "date"),
    (r"bool|bit", "boolean"),
    (r"(big|small|tiny|medium)?int|serial|long", "integer"),
    (r"num|dec|float|double|real|money", "number"),
    (r"(n?var)?char|text|string|clob|uuid|json", "string"),
)
"""How the types of databases begin -> the logical type."""


def _guess(entry: dict[str, Any]) -> str:
    physical = str(entry.get("physicalType") or "")
    likely = next((logical for pattern, logical in _PHYSICAL if re.match(pattern, physical, re.IGNORECASE)), None)
    return f" (physicalType {physical!r} is probably {likely})" if likely else ""


def _check_option(page: Page, at: At, logical_type: LogicalType, option: str, value: Any) -> None:
    if option not in OPTIONS[logical_type]:
        raise page.fail(at, unknown_name(f"option of a {logical_type}", option, OPTIONS[logical_type]))
    for problem in _option_problems(logical_type, option, value):
        raise page.fail(at, problem)


def _option_problems(logical_type: LogicalType, option: str, value: Any) -> Iterator[str]:
    dated = logical_type in ("date", "timestamp")
    if option == "pattern":
        if problem := pattern_problem(value):
            yield problem
    elif option == "format" and dated:
        if not isinstance(value, str) or date_pattern(value) is None:
            yield f"{value!r} is not a known date pattern; write it with yyyy, MM, dd, HH, mm, ss, SSS and XXX"
    elif option == "format":
        known = FORMATS if logical_type == "string" else _INTEGERS
        if value not in known:
            yield unknown_name("format", str(value), known)
    elif option == "timezone":
        if not isinstance(value, bool):
            yield f"{value!r} is not true or false"
    elif option == "defaultTimezone":
        try:
            ZoneInfo(str(value))
        except Exception:  # ZoneInfo raises several kinds for what is no name of a zone
            yield f"{value!r} is not a time zone; write it as Europe/Berlin"
    elif dated:
        if not _is_date(value):
            yield f"{value!r} is not a date; write it as 2026-01-31"
    elif isinstance(value, bool) or not isinstance(value, int | float):
        yield f"{value!r} is not a number"
    elif option == "multipleOf" and value <= 0:
        yield f"{value!r} is not above 0: every multiple is counted in steps of that size"


def column_name_problem(name: str) -> str | None:
    """Why the engines that will judge a column cannot have one of this name."""
    if name.startswith(OWN):
        return f"names that begin with {OWN!r} are the pipeline's own"
    if name == "check_output":  # pandera.constants.CHECK_OUTPUT_KEY: it would take the column for its verdicts
        return "pandera keeps this name for itself"
    if name == "*" or (name.startswith("^") and name.endswith("$")):
        return "polars takes it for a pattern of column names"
    return None


def pattern_problem(pattern: str) -> str | None:
    """Why the engine that will run a pattern refuses it. It knows no look-around and no back-references."""
    try:
        pl.Series([""]).str.contains(f"^(?:{pattern})$")
    except pl.exceptions.ComputeError as error:
        told = re.search(r"(?m)^error: (.+)$", str(error))
        return f"not a valid regular expression: {told[1] if told else 'it is too large'}"
    return None


def _is_date(value: object) -> bool:
    try:
        moment(str(value))
    except ValueError:
        return False
    return isinstance(value, str)
