"""A contract's columns as rules, and the rules as one pandera schema. One factory, one source of truth."""

from dataclasses import dataclass
from typing import Any

import pandera.polars as pa
import polars as pl

from rag_pipeline.contracts.contract import OWN, Column, Contract, LogicalType

RAW = f"{OWN}as_found_"
"""Prefix of the column that holds a value as text, as it was found, beside the typed one."""

DTYPES: dict[LogicalType, pl.DataType] = {
    "string": pl.String(),
    "integer": pl.Int64(),
    "number": pl.Float64(),
    "boolean": pl.Boolean(),
    "date": pl.Date(),
    "timestamp": pl.Datetime("us", "UTC"),
}

_FORMATS = {
    "email": r"[^@\s]+@[^@\s]+\.[^@\s]+",
    "uri": r"[A-Za-z][A-Za-z0-9+.-]*:\S+",
    "uuid": r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}",
}


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing a row must keep. `holds` is true, or null for 'nothing to judge', on a row that keeps it."""

    name: str
    column: str
    message: str
    holds: pl.Expr


def rules_of(contract: Contract) -> tuple[Rule, ...]:
    """Every row rule of a contract, in the order of its columns."""
    return tuple(rule for column in contract.columns for rule in _column_rules(column))


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
    return frame.with_columns(
        *(pl.col(column.name).alias(RAW + column.name) for column in contract.columns),
        *(_cast(column) for column in contract.columns),
    )


def _column_rules(column: Column) -> list[Rule]:
    name, value, found = column.name, pl.col(column.name), pl.col(RAW + column.name)
    rules = []

    def rule(kind: str, holds: pl.Expr, message: str) -> None:
        rules.append(Rule(kind, name, message, holds))

    if column.required:
        present = found.is_not_null()
        if column.logical_type == "string":
            present = present & (found.str.strip_chars() != "")
        rule("required", present.fill_null(value=False), "is missing or blank")
    if column.logical_type != "string":
        valid = value.is_finite() if column.logical_type == "number" else value.is_not_null()
        rule("type", valid.fill_null(value=False) | found.is_null(), f"is not a valid {column.logical_type}")
    if column.allowed:
        allowed = [str(entry).lower() if isinstance(entry, bool) else str(entry) for entry in column.allowed]
        accepted = pl.DataFrame({name: allowed}, schema={name: pl.String}).select(_cast(column)).to_series()
        rule("enum", value.is_in(accepted.to_list()), f"is not one of {', '.join(allowed[:10])}")
    for option, bound in column.options.items():
        rule(option, *_option(column, option, bound))
    return rules


def _option(column: Column, option: str, bound: Any) -> tuple[pl.Expr, str]:
    value = pl.col(column.name)
    if option in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"):
        if column.logical_type in ("date", "timestamp"):
            bound = pl.lit(bound).str.to_datetime(time_zone="UTC", strict=False).cast(DTYPES[column.logical_type])
        comparisons = {
            "minimum": (value >= bound, "is below"),
            "maximum": (value <= bound, "is above"),
            "exclusiveMinimum": (value > bound, "is not above"),
            "exclusiveMaximum": (value < bound, "is not below"),
        }
        holds, words = comparisons[option]
        return holds, f"{words} {column.options[option]}"
    if option == "multipleOf":
        return value % bound == 0, f"is not a multiple of {bound}"
    if option == "minLength":
        return value.str.len_chars() >= bound, f"is shorter than {bound} characters"
    if option == "maxLength":
        return value.str.len_chars() <= bound, f"is longer than {bound} characters"
    pattern = bound if option == "pattern" else _FORMATS[bound]
    return value.str.contains(f"^(?:{pattern})$"), f"does not match the {option} {bound}"


def _cast(column: Column) -> pl.Expr:
    found = pl.col(column.name)
    match column.logical_type:
        case "string":
            return found
        case "boolean":
            text = found.str.to_lowercase()
            return (
                pl.when(text.is_in(["true", "1", "yes"]))
                .then(statement=True)
                .when(text.is_in(["false", "0", "no"]))
                .then(statement=False)
                .alias(column.name)
            )
        case "date":
            return found.str.extract(r"^\s*(\d{4}-\d\d-\d\d)(?:[T ].*)?\s*$").str.to_date("%Y-%m-%d", strict=False)
        case "timestamp":
            text = found.str.replace(r"^(\d{4}-\d\d-\d\d) ", "${1}T").str.replace(r"[Zz]$", "+00:00")
            return pl.coalesce(
                text.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%:z", time_unit="us", strict=False).dt.convert_time_zone("UTC"),
                text.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", time_unit="us", strict=False).dt.replace_time_zone("UTC"),
                text.str.to_datetime("%Y-%m-%dT%H:%M", time_unit="us", strict=False).dt.replace_time_zone("UTC"),
                text.str.to_date("%Y-%m-%d", strict=False).cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
            ).alias(column.name)
        case "integer":  # 5.0 is one, as in JSON Schema: a table of floats (pandas, Parquet) writes it so
            text = found.str.strip_chars().str.replace(r"^([+-]?\d+)\.0+$", "${1}")
            return text.cast(DTYPES["integer"], strict=False)
        case "number":
            return found.str.strip_chars().cast(DTYPES["number"], strict=False)


def _check(rule: Rule) -> pa.Check:
    def element_wise(data: pa.PolarsData) -> pl.LazyFrame:
        return data.lazyframe.select(rule.holds.fill_null(value=True))

    return pa.Check(element_wise, name=rule.name, error=rule.name)
