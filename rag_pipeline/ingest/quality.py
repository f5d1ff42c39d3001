"""The quality rules of a contract, measured on the documents that are stored now."""

import json
from dataclasses import dataclass
from datetime import date
from typing import assert_never

import polars as pl

from rag_pipeline.contracts.contract import Column, Contract, QualityRule
from rag_pipeline.contracts.labels import LABELS
from rag_pipeline.contracts.rules import VISIBLE
from rag_pipeline.home import Home
from rag_pipeline.ingest.tables import SourceTables, source_tables
from rag_pipeline.lake import collected


@dataclass(frozen=True, slots=True)
class QualityResult:
    """One quality rule and what was measured for it, in the rule's unit."""

    rule: QualityRule
    value: float
    holds: bool

    @property
    def says(self) -> str:
        rule = self.rule
        bound = f"{rule.bound:g}" if isinstance(rule.bound, float) else f"{rule.bound[0]:g} and {rule.bound[1]:g}"
        of = f" of {rule.column}" if rule.column else ""
        return f"{rule.name}: {rule.metric}{of} is {self.value:g} {rule.unit}; the contract says {rule.operator} {bound}"


def measure_quality(contract: Contract, home: Home) -> tuple[QualityResult, ...]:
    """Every quality rule of a contract: counts of rows, or percent of the rows (0-100)."""
    tables = source_tables(home, contract.source)
    rows = int(tables.documents.scan().select(pl.len()).pipe(collected).item())
    results = []
    for rule in contract.quality:
        count = float(_count(contract, tables, rule, rows))
        value = 100 * count / rows if rule.unit == "percent" and rows else count
        results.append(QualityResult(rule, value, rule.holds(value)))
    return tuple(results)


def stored_values(tables: SourceTables, column: Column) -> pl.Series:
    """One column of the stored documents as text, null where a document has none."""
    if column.role not in (None, "key", "access"):
        stored = tables.documents.scan().select(pl.col(column.role).cast(pl.String)).pipe(collected).to_series()
        return stored.alias(column.name)
    if column.role == "key":
        return tables.documents.scan().select("key").pipe(collected)["key"].alias(column.name)
    found = tables.documents.scan().select("metadata").pipe(collected)["metadata"]
    name = LABELS if column.role == "access" else column.name
    values = (json.loads(text).get(name) for text in found)
    return pl.Series(column.name, [_text(value) for value in values], dtype=pl.String)


def _count(contract: Contract, tables: SourceTables, rule: QualityRule, rows: int) -> int:
    if rule.metric == "rowCount":
        return rows
    by_name = {column.name: column for column in contract.columns}
    if rule.metric == "duplicateValues":
        return _duplicates(contract, tables, [by_name[name] for name in rule.arguments.get("properties") or [rule.column]])
    values = stored_values(tables, by_name[str(rule.column)])
    if rule.metric == "invalidValues":
        valid = pl.Series([True]).new_from_index(0, len(values))
        if "validValues" in rule.arguments:
            valid &= values.is_in([str(_text(value)) for value in rule.arguments["validValues"]])
        if "pattern" in rule.arguments:
            valid &= values.str.contains(f"^(?:{rule.arguments['pattern']})$")
        return int((~valid & values.is_not_null()).sum())
    missing = values.is_null()
    if rule.metric == "nullValues":
        return int(missing.sum())
    if rule.metric == "missingValues":
        words = [str(word).strip() for word in rule.arguments.get("missingValues") or () if word is not None]
        blank = ~values.str.contains(VISIBLE) | values.str.strip_chars().is_in(words)
        return int((missing | blank.fill_null(value=False)).sum())
    assert_never(rule.metric)


def _duplicates(contract: Contract, tables: SourceTables, columns: list[Column]) -> int:
    """Rows beyond the first of each value. Of what must be unique one row is stored; the quarantine tells the others."""
    if all(column.role == "key" for column in columns) or (len(columns) == 1 and columns[0].unique):
        named = ", ".join(column.name for column in (contract.keys if columns[0].role == "key" else columns))
        superseded = tables.quarantine.scan().filter((pl.col("status") == "open") & (pl.col("kind") == "superseded"))
        reasons = superseded.select("reasons").pipe(collected)["reasons"]
        return sum(any(reason["column"] == named for reason in json.loads(text)) for text in reasons)
    frame = pl.DataFrame([stored_values(tables, column) for column in columns])
    present = frame.filter(~pl.all_horizontal(pl.all().is_null()))
    return present.height - present.n_unique()


def _text(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ",".join(value)
    return value.isoformat() if isinstance(value, date) else str(value)
