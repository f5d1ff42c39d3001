"""Reading the items that changed and splitting their rows, into files on disk. Nothing is committed here."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from rag_pipeline.contracts.contract import Contract
from rag_pipeline.contracts.split import REASONS, Splitter
from rag_pipeline.errors import ContractError, Unreadable
from rag_pipeline.feeds.base import BrokenRow, Connector, Item, Row, as_text
from rag_pipeline.files import private_file, private_folder
from rag_pipeline.ingest.retention import too_old
from rag_pipeline.ingest.rows import ITEM, ROW, LoadContext, Place, document_id_of, document_of, refusal_of
from rag_pipeline.ingest.staged import BATCH_ROWS, FILES, STAGED, Staged, settle, settle_uniques, superseded_row
from rag_pipeline.ingest.tables import QUARANTINE
from rag_pipeline.privacy import PrivacyFilter
from rag_pipeline.progress import Advance

_BATCH_CHARACTERS = 8_000_000


def stage(items: Mapping[str, Item], connector: Connector, context: LoadContext, scratch: Path, advance: Advance) -> Staged:
    """Read items (by the name they are stored under), split their rows, settle which row of a repeated key is kept.

    The kept row is the last by (modified_at, item, place in the item); the others go to quarantine as superseded, and so
    do, after that, rows that share a value of a unique column. An item that cannot be read goes there as a whole.
    """
    private_folder(scratch)
    good_rows, bad_rows = (private_file(scratch / name) for name in FILES)
    staged = Staged(good_rows, bad_rows)
    splitter = Splitter(context.contract)
    with pq.ParquetWriter(staged.documents, STAGED) as good, pq.ParquetWriter(staged.quarantine, QUARANTINE) as bad:
        wanted = {column.found_as for column in context.contract.columns}
        for rows in _row_batches(items, connector, staged, advance, wanted, context.shield):
            staged.rows_in += len(rows)
            readable = [(place, row) for place, row in rows if not isinstance(row, _Unread)]
            refusals = [
                refusal_of(context, place, row.kind, [row.reason], row.values)
                for place, row in rows
                if isinstance(row, _Unread)
            ]
            if readable:
                split = splitter.split(_frame(readable, context.contract))
                by_place = dict(readable)
                for row in split.refused.iter_rows(named=True):
                    place = (row[ITEM], row[ROW])
                    refusals.append(refusal_of(context, place, "refused", row[REASONS], by_place[place]))
                documents = []
                for row in split.good.iter_rows(named=True):
                    place = (row[ITEM], row[ROW])
                    if too_old(context.contract, row, context.now):
                        staged.expired += 1
                        with suppress(
                            ContractError, Unreadable
                        ):  # a key that would need a salt: no such document can be stored
                            staged.expired_documents.add(document_id_of(context, row))
                        continue
                    try:
                        kept = context.shield.protect(row)
                    except Unreadable as error:  # stored unscanned it may not be
                        unread = _Unread("refused", str(error), {})
                        if context.contract.server.documents:  # the row is all there is of its item
                            unread = replace(unread, kind="unreadable")
                            staged.unreadable_items.add(place[0])
                        refusals.append(refusal_of(context, place, unread.kind, [unread.reason], by_place[place]))
                        continue
                    staged.pii_found.update(kept.found)
                    if kept.reasons:
                        refusals.append(refusal_of(context, place, "refused", kept.reasons, by_place[place]))
                    else:
                        documents.append(document_of(context, kept.row))
                staged.good += len(documents)
                for document in documents:
                    settle(staged, document, context.latest)
                good.write_table(pa.Table.from_pylist(documents, STAGED))
            staged.refused += len(refusals)
            bad.write_table(pa.Table.from_pylist(refusals, QUARANTINE))
        good.close()
        settle_uniques(staged, context.contract)
        for frame in staged.superseded_rows():
            staged.superseded += frame.height
            bad.write_table(
                pa.Table.from_pylist(
                    [superseded_row(context, staged, row) for row in frame.iter_rows(named=True)], QUARANTINE
                )
            )
    staged.good -= staged.superseded
    told = staged.good + staged.refused + staged.superseded + staged.expired
    if staged.rows_in != told:
        says = f"{staged.rows_in} rows in, but {told} good, refused, superseded or expired"
        raise RuntimeError(f"{context.contract.source}: a row was lost: {says}; nothing was stored")
    return staged


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
    items: Mapping[str, Item],
    connector: Connector,
    staged: Staged,
    advance: Advance,
    wanted: set[str],
    shield: PrivacyFilter,
) -> Iterator[list[tuple[Place, Row | _Unread]]]:
    """Rows with their place, in batches bounded by count and by size. A bad item becomes one row that says so."""
    batch: list[tuple[Place, Row | _Unread]] = []
    characters = 0
    connector.expect(list(items.values()))
    for name, item in items.items():
        place = 0
        try:
            for place, found in enumerate(connector.read(item)):
                row = _judgeable(found, wanted)
                if not isinstance(row, _Unread):
                    staged.readable += 1
                    staged.columns |= row.keys()
                batch.append(((name, place), row))
                values = row.values if isinstance(row, _Unread) else row
                characters += sum(len(value) for value in values.values() if isinstance(value, str))
                if len(batch) >= BATCH_ROWS or characters >= _BATCH_CHARACTERS:
                    yield batch
                    batch, characters = [], 0
        except Unreadable as error:
            staged.unreadable_items.add(name)
            batch.append(((name, place + 1 if place else 0), _Unread("unreadable", shield.message(str(error)), {})))
        else:
            if account := connector.account():
                staged.accounts[name] = account
        advance()
    if batch:
        yield batch


def _judgeable(row: Row | BrokenRow, wanted: set[str]) -> Row | _Unread:
    """A row with text no encoding can hold (an unpaired surrogate) is broken too; escaped, it can be kept.

    So is one whose bytes are no text, in a wanted column; in others they stand for themselves.
    """
    if isinstance(row, BrokenRow):
        return _Unread("refused", _escaped(row.problem), {"line": row.line, "raw": _escaped(row.raw)})
    for name, value in row.items():
        try:
            name.encode("utf-8")
            if isinstance(value, str | dict | list):
                str(as_text(value)).encode("utf-8")
            elif isinstance(value, bytes) and name in wanted:
                value.decode()
        except UnicodeDecodeError:
            found = {key: repr(value) if isinstance(value, bytes) else value for key, value in row.items()}
            return _Unread("refused", f"column {name} holds bytes that are not UTF-8, so they are not text", found)
        except UnicodeEncodeError:
            escaped = {_escaped(key): _escaped(str(as_text(found))) for key, found in row.items()}
            return _Unread("refused", f"column {_escaped(name)} holds an unpaired surrogate, which is not text", escaped)
    return row


def _escaped(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def _frame(rows: list[tuple[Place, Row]], contract: Contract) -> pl.DataFrame:
    """Rows as text columns, as the splitter wants them, with their place."""
    columns: dict[str, list[Any]] = {
        column.name: [as_text(row.get(column.found_as)) for _, row in rows] for column in contract.columns
    }
    schema = dict.fromkeys(columns, pl.String)
    return pl.DataFrame(columns, schema=schema).with_columns(
        pl.Series(ITEM, [item for (item, _), _ in rows], pl.String),
        pl.Series(ROW, [row for (_, row), _ in rows], pl.Int64),
    )
