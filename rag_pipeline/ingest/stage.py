"""Reading the items that changed and splitting their rows, into files on disk. Nothing is committed here."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Literal

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from rag_pipeline.contracts.contract import OWN, Contract
from rag_pipeline.contracts.split import REASONS, Splitter
from rag_pipeline.errors import Unreadable
from rag_pipeline.files import fingerprint
from rag_pipeline.ingest.connectors import BrokenRow, Connector, Item, Row
from rag_pipeline.ingest.tables import DOCUMENTS, QUARANTINE
from rag_pipeline.progress import Advance

_BATCH_ROWS = 1_000
_BATCH_CHARACTERS = 8_000_000

_STAGED = DOCUMENTS.append(pa.field("row", pa.int64()))

_ITEM, _ROW = f"{OWN}item", f"{OWN}row"
"""Columns that hold a row's place beside the contract's own columns."""


@dataclass
class Staged:
    """What was read: two Parquet files below a scratch folder, and the counts that must add up."""

    documents: Path
    quarantine: Path
    rows_in: int = 0
    readable: int = 0
    good: int = 0
    refused: int = 0
    superseded: int = 0
    unreadable_items: set[str] = field(default_factory=set)
    columns: set[str] = field(default_factory=set)
    winners: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    """document id -> (modified_at, item, row) of the row that is kept, the last by that order."""

    unsettled_items: set[str] = field(default_factory=set)
    """Items with a row that lost to a row of another item: read them again next time."""

    def rows(self) -> Iterator[pl.DataFrame]:
        """The good rows that were not superseded, in batches with the columns of the documents table."""
        for frame in _frames(self.documents):
            yield frame.filter(self._kept(frame)).drop("row")

    def superseded_rows(self) -> Iterator[pl.DataFrame]:
        for frame in _frames(self.documents):
            yield frame.filter(~self._kept(frame))

    def _kept(self, frame: pl.DataFrame) -> pl.Series:
        places = zip(frame["document_id"], frame["item"], frame["row"], strict=True)
        return pl.Series(
            [self.winners[document_id][1:] == (item, row) for document_id, item, row in places], dtype=pl.Boolean
        )


@dataclass(frozen=True, slots=True)
class Stamp:
    """Who writes: on every row, for lineage."""

    contract: Contract
    run_id: str
    now: datetime


def stage(items: Iterable[Item], connector: Connector, stamp: Stamp, scratch: Path, advance: Advance) -> Staged:
    """Read items, split their rows by the contract, settle which row of a repeated key is kept.

    The kept row is the last by (modified_at, item, place in the item); the others go to quarantine as superseded.
    An item that cannot be read goes there as a whole.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    staged = Staged(scratch / "documents.parquet", scratch / "quarantine.parquet")
    splitter = Splitter(stamp.contract)
    with pq.ParquetWriter(staged.documents, _STAGED) as good, pq.ParquetWriter(staged.quarantine, QUARANTINE) as bad:
        for rows in _row_batches(items, connector, staged, advance):
            staged.rows_in += len(rows)
            readable = [(place, row) for place, row in rows if not isinstance(row, _Unread)]
            refusals = [
                _quarantined(stamp, place, row.kind, [row.reason], row.values)
                for place, row in rows
                if isinstance(row, _Unread)
            ]
            if readable:
                split = splitter.split(_frame(readable, stamp.contract))
                by_place = dict(readable)
                for row in split.refused.iter_rows(named=True):
                    place = (row[_ITEM], row[_ROW])
                    refusals.append(_quarantined(stamp, place, "refused", row[REASONS], by_place[place]))
                documents = [_document(stamp, row) for row in split.good.iter_rows(named=True)]
                staged.good += len(documents)
                for document in documents:
                    _settle(staged, document)
                good.write_table(pa.Table.from_pylist(documents, _STAGED))
            staged.refused += len(refusals)
            bad.write_table(pa.Table.from_pylist(refusals, QUARANTINE))
        good.close()
        for frame in staged.superseded_rows():
            staged.superseded += frame.height
            bad.write_table(
                pa.Table.from_pylist([_superseded(stamp, staged, row) for row in frame.iter_rows(named=True)], QUARANTINE)
            )
    staged.good -= staged.superseded
    assert staged.rows_in == staged.good + staged.refused + staged.superseded, "rows in != good + refused + superseded"
    return staged


Place = tuple[str, int]
"""An item's key and the place of a row in it, from 0."""


@dataclass(frozen=True, slots=True)
class _Unread:
    """What came instead of a row the contract could judge: a broken row, or an item that broke off."""

    kind: Literal["refused", "unreadable"]
    problem: str
    values: Row

    @property
    def reason(self) -> dict[str, str]:
        return {"rule": "readable", "column": "", "message": self.problem}


def _row_batches(
    items: Iterable[Item], connector: Connector, staged: Staged, advance: Advance
) -> Iterator[list[tuple[Place, Row | _Unread]]]:
    """Rows with their place, in batches bounded by count and by size. A bad item becomes one row that says so."""
    batch: list[tuple[Place, Row | _Unread]] = []
    characters = 0
    for item in items:
        place = 0
        try:
            for place, found in enumerate(connector.read(item)):
                row = _judgeable(found)
                if not isinstance(row, _Unread):
                    staged.readable += 1
                    staged.columns |= row.keys()
                batch.append(((item.key, place), row))
                values = row.values if isinstance(row, _Unread) else row
                characters += sum(len(value) for value in values.values() if isinstance(value, str))
                if len(batch) >= _BATCH_ROWS or characters >= _BATCH_CHARACTERS:
                    yield batch
                    batch, characters = [], 0
        except Unreadable as error:
            staged.unreadable_items.add(item.key)
            batch.append(((item.key, place + 1 if place else 0), _Unread("unreadable", str(error), {})))
        advance()
    if batch:
        yield batch


def _judgeable(row: Row | BrokenRow) -> Row | _Unread:
    """A row with text no encoding can hold (an unpaired surrogate) is broken too; escaped, it can be kept."""
    if isinstance(row, BrokenRow):
        return _Unread("refused", _escaped(row.problem), {"line": row.line, "raw": _escaped(row.raw)})
    for name, value in row.items():
        try:
            name.encode("utf-8")
            if isinstance(value, str | dict | list):
                str(_as_text(value)).encode("utf-8")
        except UnicodeEncodeError:
            escaped = {_escaped(key): _escaped(str(_as_text(found))) for key, found in row.items()}
            return _Unread("refused", f"column {_escaped(name)} holds an unpaired surrogate, which is not text", escaped)
    return row


def _escaped(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def _frame(rows: list[tuple[Place, Row]], contract: Contract) -> pl.DataFrame:
    """Rows as text columns, as the splitter wants them, with their place."""
    columns: dict[str, list[Any]] = {
        column.name: [_as_text(row.get(column.name)) for _, row in rows] for column in contract.columns
    }
    schema = dict.fromkeys(columns, pl.String)
    return pl.DataFrame(columns, schema=schema).with_columns(
        pl.Series(_ITEM, [item for (item, _), _ in rows], pl.String),
        pl.Series(_ROW, [row for (_, row), _ in rows], pl.Int64),
    )


def _as_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, date):  # datetime too
        return value.isoformat()
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def _document(stamp: Stamp, row: dict[str, Any]) -> dict[str, Any]:
    contract = stamp.contract
    by_role = {column.role: row[column.name] for column in contract.columns if column.role}
    key = str(by_role["key"])
    modified_at = by_role.get("modified_at")
    if isinstance(modified_at, date) and not isinstance(modified_at, datetime):
        modified_at = datetime(modified_at.year, modified_at.month, modified_at.day, tzinfo=UTC)
    seen = {
        "text": by_role["text"],
        "title": by_role.get("title") or key,
        "uri": by_role.get("uri"),
        "metadata": json.dumps(
            {c.name: value for c in contract.metadata_columns if (value := row[c.name]) is not None},
            ensure_ascii=False,
            default=str,
            sort_keys=True,
        ),
    }
    content_hash = fingerprint(seen)
    document_id = f"{contract.source}/{key}"
    return seen | {
        "document_id": document_id,
        "key": key,
        "modified_at": modified_at,
        "content_hash": content_hash,
        "row_hash": fingerprint(document_id, content_hash, modified_at, row[_ITEM], contract.id, contract.version),
        "item": row[_ITEM],
        "row": row[_ROW],
        "contract_id": contract.id,
        "contract_version": contract.version,
        "run_id": stamp.run_id,
    }


def _settle(staged: Staged, document: dict[str, Any]) -> None:
    oldest = datetime.min.replace(tzinfo=UTC)
    rank = (document["modified_at"] or oldest, document["item"], document["row"])
    other = staged.winners.get(document["document_id"])
    if other is not None and other[1] != rank[1]:
        staged.unsettled_items.add(min(other, rank)[1])
    if other is None or rank > other:
        staged.winners[document["document_id"]] = rank


def _superseded(stamp: Stamp, staged: Staged, row: dict[str, Any]) -> dict[str, Any]:
    _, item, place = staged.winners[row["document_id"]]
    reason = {"rule": "unique", "column": "key", "message": f"repeats the key of {item} row {place}, which is kept"}
    raw = {name: row[name] for name in ("key", "text", "title", "uri", "metadata")}
    return _quarantined(stamp, (row["item"], row["row"]), "superseded", [reason], raw)


def _quarantined(stamp: Stamp, place: Place, kind: str, reasons: list[dict[str, str]], raw: Row) -> dict[str, Any]:
    text = json.dumps(raw, ensure_ascii=False, default=str, sort_keys=True)
    return {
        "quarantine_id": fingerprint(stamp.contract.source, kind, place, reasons, text),
        "item": place[0],
        "row": place[1],
        "status": "open",
        "kind": kind,
        "reasons": json.dumps(reasons, ensure_ascii=False),
        "raw": text,
        "contract_id": stamp.contract.id,
        "contract_version": stamp.contract.version,
        "rules_fingerprint": stamp.contract.fingerprint,
        "run_id": stamp.run_id,
        "first_seen_at": stamp.now,
        "resolved_at": None,
    }


def _frames(path: Path) -> Iterator[pl.DataFrame]:
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=_BATCH_ROWS):
            frame = pl.from_arrow(batch)
            assert isinstance(frame, pl.DataFrame)
            yield frame
