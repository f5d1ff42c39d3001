"""Writing what was staged: documents in one atomic commit, then quarantine, then the listing that says what was read.

Because of this order, the next load after a killed process reads the same items again, and finds nothing left to change.
"""

import json
from collections.abc import Iterator, Set
from itertools import chain

import polars as pl
import pyarrow as pa

from rag_pipeline.contracts.contract import Contract
from rag_pipeline.feeds.base import Item, as_text
from rag_pipeline.ingest.erase import note_erased
from rag_pipeline.ingest.rows import LoadContext
from rag_pipeline.ingest.staged import Staged
from rag_pipeline.ingest.stored import listing_now, write_listing
from rag_pipeline.ingest.tables import DOCUMENTS, QUARANTINE, SourceTables
from rag_pipeline.lake import OP, collected, scan_file

Changes = tuple[list[str], list[str], list[str]]
"""Document ids added, changed, removed."""


def commit_documents(context: LoadContext, tables: SourceTables, staged: Staged, touched: set[str]) -> Changes:
    """One atomic commit that makes the table hold the staged rows of the touched items, and the others as before."""
    before = tables.documents.scan().select("document_id", "row_hash", "item").pipe(collected)
    gone = before.filter(pl.col("item").is_in(list(touched)))["document_id"]
    removed = [document for document in gone if document not in staged.winners]
    note_erased(tables, staged.expired_documents & set(removed), "retention", run_id=context.run_id, now=context.now)
    hashes = dict(zip(before["document_id"], before["row_hash"], strict=True))
    added: list[str] = []
    changed: list[str] = []

    def difference() -> Iterator[pa.RecordBatch]:
        for frame in staged.rows():
            old = pl.Series([hashes.get(document) for document in frame["document_id"]], dtype=pl.String)
            new = frame.filter(old.is_null())
            other = frame.filter(old.is_not_null() & (old != frame["row_hash"]))
            added.extend(new["document_id"])
            changed.extend(other["document_id"])
            yield from _operations(pl.concat([new, other]), "upsert")
        yield from _operations(pl.DataFrame({"document_id": removed}, schema={"document_id": pl.String}), "delete")

    batches = (batch for batch in difference() if batch.num_rows)  # read while they are written, never held together
    first = next(batches, None)
    if first is not None or not tables.documents.exists:
        reader = pa.RecordBatchReader.from_batches(_MERGE, chain([first] if first is not None else [], batches))
        tables.documents.merge(reader, "document_id", {"run_id": context.run_id, "contract": context.contract.version})
    return added, changed, removed


_MERGE = DOCUMENTS.append(pa.field(OP, pa.string()))


def _operations(frame: pl.DataFrame, operation: str) -> list[pa.RecordBatch]:
    missing = [pl.lit(None).alias(name) for name in DOCUMENTS.names if name not in frame.columns]
    rows = frame.with_columns(*missing, pl.lit(operation).alias(OP)).select(_MERGE.names)
    return rows.to_arrow().cast(_MERGE).to_batches()  # type: ignore[no-any-return]


def commit_quarantine(context: LoadContext, tables: SourceTables, staged: Staged, touched: set[str]) -> int:
    """New refusals are added; open ones of a touched item that were not found again are resolved. None is deleted.

    Returns how many were opened or resolved.
    """
    new = scan_file(staged.quarantine).pipe(collected)
    old = tables.quarantine.scan().pipe(collected)
    seen_again = old.filter(pl.col("quarantine_id").is_in(new["quarantine_id"].to_list()))
    reopened = seen_again.filter(pl.col("status") == "resolved").with_columns(
        status=pl.lit("open"), resolved_at=pl.lit(None, old.schema["resolved_at"])
    )
    resolved = old.filter(
        (pl.col("status") == "open")
        & pl.col("item").is_in(list(touched))
        & ~pl.col("quarantine_id").is_in(seen_again["quarantine_id"].to_list())
    ).with_columns(status=pl.lit("resolved"), resolved_at=pl.lit(context.latest).cast(old.schema["resolved_at"]))
    fresh = new.filter(~pl.col("quarantine_id").is_in(seen_again["quarantine_id"].to_list()))
    rows = pl.concat([part.select(QUARANTINE.names).cast(old.schema) for part in (fresh, reopened, resolved)])
    if rows.is_empty() and tables.quarantine.exists:
        return 0
    schema = QUARANTINE.append(pa.field(OP, pa.string()))
    source = rows.unique("quarantine_id").with_columns(pl.lit("upsert").alias(OP)).to_arrow().cast(schema)
    tables.quarantine.merge(source.to_reader(), "quarantine_id", {"run_id": context.run_id})
    return rows.height


def commit_listing(tables: SourceTables, items: dict[str, Item], reader: str, staged: Staged, *, read: Set[str]) -> None:
    """Say what was listed; of items that were `read`, whether that settled them, of the others what was said before."""
    again = staged.unsettled_items | staged.unreadable_items
    before = listing_now(tables).select("item", "settled", "account").iter_rows()
    previous = {name: (settled, account) for name, settled, account in before}
    read_whole = read - staged.unreadable_items  # of one that cannot be read, the last good document stays
    rows = []
    for name, item in items.items():
        settled, account = previous.get(name, (True, None))
        if name in read:
            settled = name not in again
        if name in read_whole:
            account = staged.accounts[name].as_json() if name in staged.accounts else None
        rows.append((name, item.version, reader, settled, account))
    schema = dict.fromkeys(("item", "version", "reader"), pl.String) | {"settled": pl.Boolean, "account": pl.String}
    write_listing(tables, pl.DataFrame(rows, schema, orient="row"))


def rivals(contract: Contract, tables: SourceTables, staged: Staged, *, among: Set[str]) -> set[str]:
    """Unread items that hold a row with the key, or a document with a unique value, of a row that was staged."""
    stored = tables.documents.scan().filter(pl.col("item").is_in(list(among)))
    found = {
        item for document, item in stored.select("document_id", "item").pipe(collected).iter_rows() if staged.knows(document)
    }
    waiting = tables.quarantine.scan().filter(
        (pl.col("status") == "open") & (pl.col("kind") == "superseded") & pl.col("item").is_in(list(among))
    )
    for item, raw in waiting.select("item", "raw").pipe(collected).iter_rows():
        if staged.knows(f"{contract.source}/{json.loads(raw)['key']}"):  # no document may stand for it, and it outranks
            found.add(item)
    for column in contract.unique_columns:
        values = staged.uniques.get(column.name, {})
        held = stored.select("item", pl.col(column.role or "metadata").cast(pl.String)).pipe(collected)
        for item, value in held.iter_rows():
            if value is not None and as_text(value if column.role else json.loads(value).get(column.name)) in values:
                found.add(item)
    return found


def unsettle(tables: SourceTables, names: set[str]) -> None:
    """Have items of a held batch read again next time, also when their feed comes back with its old time of change."""
    if tables.listing.exists:
        settled = pl.col("settled") & ~pl.col("item").is_in(list(names))
        tables.listing.overwrite(listing_now(tables).with_columns(settled=settled))


def items_in_quarantine(tables: SourceTables) -> set[str]:
    """Items with an open refusal: one that was held when it first came is in no listing."""
    rows = tables.quarantine.scan().filter(pl.col("status") == "open").select(pl.col("item").unique()).pipe(collected)
    return set(rows["item"])


def listing_of(tables: SourceTables) -> dict[str, tuple[str, str, bool]]:
    rows = listing_now(tables).select("item", "version", "reader", "settled")
    return {item: (version, reader, settled) for item, version, reader, settled in rows.iter_rows()}
