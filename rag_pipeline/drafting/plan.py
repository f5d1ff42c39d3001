"""What the draft says about each column: type, limits, privacy, and the remarks that explain them to its owner.

Limits are wider than what was seen, so that tomorrow's good rows pass: they are there for values that are wrong by far.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from math import ceil, floor, log10
from typing import Any

import polars as pl

from rag_pipeline.contracts.contract import LogicalType, PiiPolicy, Role
from rag_pipeline.contracts.read_terms import DEFAULT_ENTITIES
from rag_pipeline.contracts.rules import FORMATS
from rag_pipeline.drafting.private import Suspicion
from rag_pipeline.drafting.profile import ColumnProfile
from rag_pipeline.drafting.roles import Roles, is_named_key

WIDER = 10
"""How many times what was seen a limit allows."""

_ENOUGH = 20
"""Rows from which on what all values have in common is written down."""

_ENOUGH_FOR_VALUES, _OFTEN, _LONGEST_VALUE = 50, 5, 60
"""Rows from which on numbers have limits and values are listed, how often each was seen then, and characters it may have."""

_SHORTEST_TEXTS = (40, 20, 10, 5, 2)
_LONG_METADATA = 1_000
_MOST_WIDENED = 10.0**15


@dataclass(frozen=True, slots=True)
class PlannedColumn:
    """One column of the draft. `remarks` are comments, `todo` is a question to its owner."""

    profile: ColumnProfile
    role: Role | None
    logical_type: LogicalType
    required: bool
    options: dict[str, Any]
    options_remark: str = ""
    remarks: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    """All values that were seen, where they are few, seen often, and not private."""
    policy: PiiPolicy | None = None
    entities: tuple[str, ...] = ()
    classification: str = ""
    todo: str = ""

    @property
    def name(self) -> str:
        return self.profile.name


@dataclass(frozen=True, slots=True)
class Privacy:
    """What the draft says of private data in all columns. `remark`: how much of it was found, never what."""

    entities: tuple[str, ...] = ()
    remark: str = ""
    needs_salt: tuple[str, ...] = field(default=())
    """Key columns in which private data was found."""


def plan_columns(
    columns: Sequence[ColumnProfile], roles: Roles, suspicions: Mapping[str, Suspicion], *, chosen_by_us: bool
) -> tuple[PlannedColumn, ...]:
    """What to say of each column, keys first. `chosen_by_us`: the columns are those every document has."""
    planned = [
        _plan(column, roles.of(column.name), suspicions[column.name], chosen_by_us=chosen_by_us) for column in columns
    ]
    keys = [next(one for one in planned if one.name == name) for name in roles.keys]
    return (
        *keys,
        *(one for one in planned if one.role == "text"),
        *(one for one in planned if one.role not in ("key", "text")),
    )


def plan_privacy(columns: Sequence[PlannedColumn], suspicions: Mapping[str, Suspicion]) -> Privacy:
    """The policy for every column that has none of its own, if anything was found in one of them."""
    texts = [one.name for one in columns if one.policy != "drop" and one.logical_type == "string"]  # no other is masked
    held = {name: suspicions[name] for name in texts if suspicions[name].found}
    if not held:
        return Privacy()
    entities = {entity for one in held.values() for entity in one.found}
    said = [
        f"{name}: {', '.join(f'{count:,} {entity}' for entity, count in sorted(one.found.items()))} "
        f"in {one.rows:,} of {one.looked_through:,} rows"
        for name, one in held.items()
    ]
    keys = tuple(one.name for one in columns if one.role == "key" and one.name in held)
    return Privacy(tuple(sorted(entities)), "found in " + "; ".join(said), keys)


def widened(value: float) -> float:
    """A round number that is at least so many times a positive value."""
    value = value * WIDER
    step = 10.0 ** floor(log10(value))
    return next(step * factor for factor in (1, 2, 5, 10) if step * factor >= value * (1 - 1e-9))


def _plan(column: ColumnProfile, role: Role | None, suspicion: Suspicion, *, chosen_by_us: bool) -> PlannedColumn:
    text_only = role in ("text", "title", "uri")  # what is stored of them is text
    logical_type: LogicalType = "string" if text_only else column.logical_type
    required = role in ("key", "text") or not column.missing
    options = dict(column.options) if logical_type == column.logical_type else {}
    if suspicion.column_itself:
        said = _kept_private(column, role, logical_type, suspicion)
    else:
        remarks, values = _remarks(column, role, logical_type), _values(column, role)
        if suspicion.found and logical_type == "string":
            remarks, values = [*remarks, "private data was found in it, see piiPolicy below"], ()
        said = {"remarks": tuple(remarks), "values": values, "todo": column.doubt or _key_doubt(column, role)}
        if column.present >= (1 if chosen_by_us else _ENOUGH):
            options |= _limits(column, role, logical_type, chosen_by_us=chosen_by_us)
    wide = {"maxLength", "minLength", "maximum"} & options.keys()
    remark = "wider than what was seen" if wide else ""
    return PlannedColumn(column, role, logical_type, required, options, options_remark=remark, **said)


def _key_doubt(column: ColumnProfile, role: Role | None) -> str:
    if role != "key" or is_named_key(column):
        return ""
    return "it was different in every row looked at: does it identify a row, for as long as the row exists?"


def _kept_private(
    column: ColumnProfile, role: Role | None, logical_type: LogicalType, suspicion: Suspicion
) -> dict[str, Any]:
    """What is said of a column with private data: nothing of its values, not even how long they are."""
    said: dict[str, Any] = {"remarks": (_presence(column),), "classification": "confidential"}
    if suspicion.nothing_else and role is None:
        todo = "private data by its name or its values, so nothing of it is stored; if rows are filtered by it, hash it "
        todo += "(needs RAG_PII_SALT); if it is not about people, remove piiPolicy and classification"
        return said | {"policy": "drop", "todo": todo}
    if logical_type != "string":
        return said | {"todo": "it may describe people: add piiPolicy drop, or hash (needs RAG_PII_SALT), if it does"}
    said |= {"policy": "scan-and-mask", "entities": tuple(dict.fromkeys([*DEFAULT_ENTITIES, *sorted(suspicion.found)]))}
    if suspicion.nothing_else:
        return said | {"todo": f"this {role} is private data, so it is masked; another column would be better"}
    instead = "write drop if it does, or remove piiPolicy and classification if it does not"
    return said | {"todo": f"it may name people, and patterns find no names: {instead}"}


def _limits(column: ColumnProfile, role: Role | None, logical_type: LogicalType, *, chosen_by_us: bool) -> dict[str, Any]:
    if logical_type == "string":
        if form := _format(column, role):
            return {"format": form}
        if chosen_by_us and role != "text":
            return {}
        least = next((few for few in _SHORTEST_TEXTS if few <= column.shortest / 4), 0) if role == "text" else 0
        lengths = {"minLength": least} if least > 1 else {}
        return lengths | {"maxLength": int(widened(max(column.longest, 20)))}
    many = column.present >= _ENOUGH_FOR_VALUES
    if logical_type in ("integer", "number") and many and column.least is not None and column.least >= 0:
        counting = role == "key" or not column.repeats  # it will go on growing
        top = float(column.greatest)
        if counting or not 0 < top < _MOST_WIDENED:
            return {"minimum": 0}
        maximum = widened(top)
        return {"minimum": 0, "maximum": int(maximum) if maximum >= 1 else maximum}
    return {}


def _format(column: ColumnProfile, role: Role | None) -> str:
    values = pl.Series(column.texts, dtype=pl.String).drop_nulls()
    for form in ("uuid", "uri"):
        if role != "text" and values.str.contains(f"^(?:{FORMATS[form]})$").all():
            return form
    return ""


def _remarks(column: ColumnProfile, role: Role | None, logical_type: LogicalType) -> list[str]:
    said = [_presence(column)]
    if column.present and logical_type == "string":
        said.append(_span(f"{column.shortest:,}", f"{column.longest:,}") + " characters" if role != "uri" else "")
    elif column.least is not None:
        said.append(_span(_told(column.least), _told(column.greatest)))
    exact = logical_type in ("string", "integer") and role != "text"
    if exact and column.present and not column.repeats and column.rows > 1:
        said.append("no value twice")
    remarks = ["; ".join(filter(None, said))]
    if column.nested:
        remarks.append("holds lists or objects, which are stored as JSON text")
    if logical_type == "string" and role is None and column.mean_length > _LONG_METADATA:
        remarks.append("long for something beside the text: remove the column if nothing is filtered by it")
    return remarks


def _presence(column: ColumnProfile) -> str:
    if not column.present:
        return f"without a value in all {column.rows:,} rows"
    if not column.missing:
        return "in every row"
    blank = f", {column.blanks:,} of them blank" if column.blanks else ""
    return f"missing in {column.missing:,} of {column.rows:,} rows{blank}"


def _values(column: ColumnProfile, role: Role | None) -> tuple[str, ...]:
    """The few values of a column, most frequent first; none where it looks as if there are more of them."""
    if role or column.logical_type != "string" or column.nested or column.rows < _ENOUGH_FOR_VALUES:
        return ()
    if len(column.counts) < 2 or min(column.counts.values()) < _OFTEN:
        return ()
    if not all(0 < len(value) <= _LONGEST_VALUE for value in column.counts):
        return ()
    return tuple(sorted(column.counts, key=lambda value: (-column.counts[value], value)))


def _span(least: str, most: str) -> str:
    return least if least == most else f"{least} to {most}"


def _told(value: Any) -> str:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M")
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.6g}" if isinstance(value, float) else str(value)


def percent_up(share: float) -> int:
    """A share as a percentage, up to the next five."""
    return ceil(100 * share / 5) * 5
