"""Looking into the quarantine, and having refused rows judged again."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from rag_pipeline.contracts.contract import Contract
from rag_pipeline.errors import PipelineError
from rag_pipeline.home import Home
from rag_pipeline.ingest.commit import items_in_quarantine, unsettle
from rag_pipeline.ingest.tables import source_tables
from rag_pipeline.lake import collected


@dataclass(frozen=True, slots=True)
class Refused:
    """One row of the quarantine. `raw` holds its values as found: restricted, None unless asked for."""

    quarantine_id: str
    source: str
    item: str
    row: int
    kind: str
    status: str
    reasons: tuple[dict[str, str], ...]
    contract_id: str
    contract_version: str
    rules_fingerprint: str
    run_id: str
    first_seen_at: datetime
    resolved_at: datetime | None
    raw: dict[str, Any] | None = None

    @property
    def why(self) -> str:
        return "; ".join(f"{reason['column']} {reason['message']}".strip() for reason in self.reasons)


def refused_rows(home: Home, sources: Sequence[str], *, resolved: bool = False) -> list[Refused]:
    """Open refusals of some sources, oldest first, without their values; with `resolved`, those that are settled too."""
    _may_look(home)
    rows: list[Refused] = []
    for source in sources:
        frame = source_tables(home, source).quarantine.scan().drop("raw")
        wanted = frame if resolved else frame.filter(pl.col("status") == "open")
        ordered = wanted.pipe(collected).sort("first_seen_at", "item", "row")
        rows.extend(_refused(source, row) for row in ordered.iter_rows(named=True))
    return rows


def refused_row(home: Home, sources: Sequence[str], wanted: str) -> Refused:
    """One refused row with its values, by its id or the beginning of it.

    Raises `PipelineError` when there is none, or more than one.
    """
    _may_look(home)
    found: list[Refused] = []
    for source in sources:
        frame = source_tables(home, source).quarantine.scan().filter(pl.col("quarantine_id").str.starts_with(wanted))
        found.extend(_refused(source, row) for row in frame.pipe(collected).iter_rows(named=True))
    if len(found) != 1:
        what = "no refused row has" if not found else f"{len(found)} refused rows have"
        raise PipelineError(f"{what} an id that begins with {wanted!r}; `rag quarantine list` shows the ids")
    return found[0]


def judge_again(contract: Contract, home: Home) -> int:
    """Have every item with an open refusal read again by the next load; returns how many items that are."""
    tables = source_tables(home, contract.source)
    with home.exclusive_source(contract.source, wait_s=600):
        names = items_in_quarantine(tables)
        unsettle(tables, names)
    return len(names)


def _may_look(home: Home) -> None:
    """Raises for an account that may not look into it; otherwise the quarantine would seem empty."""
    folder = home.quarantine
    if folder.exists() and not os.access(folder, os.R_OK | os.X_OK):
        raise PipelineError(f"{folder} holds rows as they were found: only the account that runs the pipeline may read it")


def _refused(source: str, row: dict[str, Any]) -> Refused:
    raw = json.loads(row["raw"]) if "raw" in row else None
    fields = {name: row[name] for name in Refused.__dataclass_fields__ if name in row and name not in ("raw", "reasons")}
    return Refused(source=source, raw=raw, reasons=tuple(json.loads(row["reasons"])), **fields)
