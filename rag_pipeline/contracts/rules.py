"""A contract's columns as rules, and the rules as one pandera schema. One factory, one source of truth."""

import sys
from dataclasses import dataclass
from typing import Any

import pandera.polars as pa
import polars as pl

from rag_pipeline.contracts import iso_times
from rag_pipeline.contracts.casts import DTYPES, cast, casts
from rag_pipeline.contracts.contract import OWN, Column, Contract
from rag_pipeline.contracts.functions import row_rule
from rag_pipeline.contracts.labels import LONGEST, MOST, labels_of

RAW = f"{OWN}as_found_"
"""Prefix of the column that holds a value as text, as it was found, beside the typed one."""

VISIBLE = r"[^\s\p{Cc}\p{Cf}]"
"""A character that shows. A text of nothing but spaces, control and zero-width characters is blank to a reader."""

_BYTE = r"(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
FORMATS = {
    "email": r"[^@\s]+@[^@\s]+\.[^@\s]+",
    "uri": r"[A-Za-z][A-Za-z0-9+.-]*:\S+",
    "uuid": r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}",
    "hostname": r"([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*",
    "ipv4": rf"{_BYTE}(\.{_BYTE}){{3}}",
    "ipv6": r"[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*",
}
"""ODCS `format` of a string -> pattern of the whole value."""


_NO_LABEL = (
    f"says no label, or something that is none: labels are 1 to {MOST} words of letters, digits and blanks, {LONGEST} "
    "characters each, and none of them is *, all or public"
)


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing a row must keep. `holds` is true, or null for 'nothing to judge', on a row that keeps it."""

    name: str
    column: str
    message: str
    holds: pl.Expr


def rules_of(contract: Contract) -> tuple[Rule, ...]:
    """Every row rule of a contract, in the order of its columns; those over several columns come last.

    Such a rule is filed under the first column it looks at: a rule of a pandera frame blames row 0 for everything.
    """
    rules = [rule for column in contract.columns for rule in _column_rules(column)]
    for check in contract.row_checks:
        holds, message = row_rule(contract.file.parent, check.function)
        looks_at = [name for name in (column.name for column in contract.columns) if name in holds.meta.root_names()]
        first = looks_at[0] if looks_at else contract.columns[0].name
        rules.append(Rule(check.name, first, f"({', '.join(looks_at)}) {message}", holds))
    return tuple(rules)


def pandera_schema(contract: Contract) -> pa.DataFrameSchema:
    """The schema every batch is validated with: typed columns, one named check a rule.

    Nothing is coerced here (one bad value would fail the whole column): `typed` has cast leniently before, and the
    rule `type` finds what did not survive the cast.
    """
    by_column: dict[str, list[pa.Check]] = {}
    for rule in rules_of(contract):
        by_column.setdefault(rule.column, []).append(_check(rule))
    return pa.DataFrameSchema(
        {
            column.name: pa.Column(DTYPES[column.logical_type], checks=by_column.get(column.name, []), nullable=True)
            for column in contract.columns
        },
        strict=False,
    )


def typed(frame: pl.DataFrame, contract: Contract) -> pl.DataFrame:
    """Text columns as found -> typed columns, with the text kept beside each. A value that does not fit is null."""
    found = frame.with_columns(pl.col(column.name).alias(RAW + column.name) for column in contract.columns)
    readings = {column.name: casts(column) for column in contract.columns}
    result = found.with_columns(first for first, *_ in readings.values())
    for name, (_, *others) in readings.items():  # most feeds write dates in one way: the others are tried on what is left
        left = result[name].is_null() & result[RAW + name].is_not_null()
        if others and left.any():
            again = found.filter(left).select(pl.coalesce(others).alias(name))[name]
            result = result.with_columns(result[name].scatter(left.arg_true(), again))
    return result


def _column_rules(column: Column) -> list[Rule]:
    name, value, found = column.name, pl.col(column.name), pl.col(RAW + column.name)
    rules = []

    def rule(kind: str, holds: pl.Expr, message: str) -> None:
        rules.append(Rule(kind, name, message, holds))

    if column.required:
        rule("required", found.str.contains(VISIBLE).fill_null(value=False), "is missing or blank")
    if column.role == "access":
        rule("labels", value.map_elements(lambda said: bool(labels_of(said)), pl.Boolean), _NO_LABEL)
    if column.logical_type != "string":
        valid = value.is_finite() if column.logical_type == "number" else value.is_not_null()
        rule("type", valid.fill_null(value=False) | found.is_null(), f"is not a valid {column.logical_type}")
    if column.allowed:
        allowed = [str(entry).lower() if isinstance(entry, bool) else str(entry) for entry in column.allowed]
        accepted = pl.DataFrame({name: allowed}, schema={name: pl.String}).select(cast(column)).to_series()
        rule("enum", value.is_in(accepted.to_list()), f"is not one of {', '.join(allowed[:10])}")
    for option, bound in column.options.items():
        if option == "defaultTimezone" or (option == "format" and column.logical_type in ("date", "timestamp")):
            continue  # they say how to read a value, see `cast`
        rule(option, *_option(column, option, bound))
    return rules


def _option(column: Column, option: str, bound: Any) -> tuple[pl.Expr, str]:
    value = pl.col(column.name)
    if option in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"):
        if column.logical_type in ("date", "timestamp"):
            bound = pl.lit(iso_times.moment(bound), DTYPES["timestamp"]).cast(DTYPES[column.logical_type])
        comparisons = {
            "minimum": (value >= bound, "is below"),
            "maximum": (value <= bound, "is above"),
            "exclusiveMinimum": (value > bound, "is not above"),
            "exclusiveMaximum": (value < bound, "is not below"),
        }
        holds, words = comparisons[option]
        return holds, f"{words} {column.options[option]}"
    if option == "timezone":
        return iso_times.has_zone(pl.col(RAW + column.name)) | (not bound), "has no time zone"
    if option == "format" and column.logical_type == "integer":
        low, high = _range(str(bound))
        return (value >= low) & (value <= high), f"does not fit the format {bound}"
    if option == "multipleOf":
        exact = column.logical_type == "integer" and float(bound).is_integer()
        return (value % int(bound) == 0 if exact else _is_multiple(value, bound)), f"is not a multiple of {bound}"
    if option == "minLength":
        return value.str.len_chars() >= bound, f"is shorter than {bound} characters"
    if option == "maxLength":
        return value.str.len_chars() <= bound, f"is longer than {bound} characters"
    pattern = bound if option == "pattern" else FORMATS[bound]
    return value.str.contains(f"^(?:{pattern})$"), f"does not match the {option} {bound}"


def _is_multiple(value: pl.Expr, of: float) -> pl.Expr:
    """Whether a number is the nearest multiple, to within what its type can tell apart.

    0.01 has no exact double, so `19.99 % 0.01` is not 0; the distance to the nearest multiple is then a few roundings of
    the last place (2**-52 of the number, IEEE 754), and never the half of a step that a wrong value can be off.
    """
    exact = value.cast(pl.Float64)
    off = (exact - (exact / of).round() * of).abs()
    rounding = pl.max_horizontal(exact.abs(), pl.lit(abs(of))) * (8 * sys.float_info.epsilon)
    return off <= pl.min_horizontal(rounding, pl.lit(abs(of) / 4))


def _range(form: str) -> tuple[int, int]:
    """Least and greatest value of an ODCS integer format such as `i16`; what Int64 cannot hold is refused by type."""
    bits = int(form[1:])
    if form[0] == "i":
        return -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    return 0, min(2**bits, 2**63) - 1


def _check(rule: Rule) -> pa.Check:
    def element_wise(data: pa.PolarsData) -> pl.LazyFrame:
        return data.lazyframe.select(rule.holds.fill_null(value=True))

    return pa.Check(element_wise, name=rule.name, error=rule.name)
