"""Loading one source: read what changed, hold the batch to its contract, commit it or hold the last good version."""

import json
import logging
import shutil
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import polars as pl
import pyarrow as pa

from rag_pipeline.contracts.contract import Contract
from rag_pipeline.errors import SourceUnavailable
from rag_pipeline.files import exclusive, fingerprint_lines
from rag_pipeline.ingest.connectors import Connector, Item, connect
from rag_pipeline.ingest.report import LoadReport, Outcome, Refusal
from rag_pipeline.ingest.stage import Staged, Stamp, stage
from rag_pipeline.ingest.tables import DOCUMENTS, LISTING, LOADS, QUARANTINE, SourceTables, source_tables
from rag_pipeline.lake import OP
from rag_pipeline.progress import progress

log = logging.getLogger("rag_pipeline")

_EXAMPLES = 50
"""How many keys and refusals a report names; the tables hold all."""


def load_source(contract: Contract, home: Path, *, run_id: str, now: datetime) -> LoadReport:
    """Bring one source's documents up to date.

    Never raises for bad data: a feed that cannot be read, or whose batch breaks the contract, leaves the last good
    version in place and says why (`outcome == "held"`).
    """
    tables = source_tables(home, contract.source)
    stamp = Stamp(contract, run_id, now)
    scratch = Path(tempfile.mkdtemp(prefix=f"{contract.source}-", dir=_scratch_root(home)))
    try:
        with exclusive(home / "lake", f"source-{contract.source}", wait_s=600):
            report = _load(stamp, tables, scratch)
            _remember(stamp, tables, report)
            return report
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _load(stamp: Stamp, tables: SourceTables, scratch: Path) -> LoadReport:
    contract = stamp.contract
    try:
        connector = connect(contract)
        items = {item.key: item for item in connector.items()}
    except (SourceUnavailable, OSError) as error:
        return _held(stamp, tables, f"the feed could not be listed: {error}")
    if not items:
        return _held(stamp, tables, "the feed is empty: it lists nothing to read")

    reader = f"{contract.fingerprint}:{contract.version}:{connector.reads}"
    listed = _listing(tables)
    stale = [item for item in items.values() if listed.get(item.key) != (item.version, reader, True)]
    gone = (listed.keys() | _items_in_quarantine(tables)) - items.keys()
    if not stale and not gone and tables.documents.exists:
        return _report(stamp, tables, "unchanged", items_listed=len(items))

    staged = _stage_until_settled(stale, items, connector, stamp, tables, scratch)
    read = {item.key for item in stale} | staged.unsettled_items
    if reason := _batch_problem(contract, tables, staged, read | gone):
        _commit_quarantine(stamp, tables, staged, touched=set())
        _unsettle(tables, read)
        return _held(stamp, tables, reason, staged=staged, items=len(items))

    changes = _commit_documents(stamp, tables, staged, touched=(read | gone) - staged.unreadable_items)
    opened_or_resolved = _commit_quarantine(stamp, tables, staged, touched=read | gone)
    _commit_listing(tables, items, reader, staged)
    outcome: Outcome = "accepted" if any(changes) or opened_or_resolved else "unchanged"
    return _report(
        stamp,
        tables,
        outcome,
        items_listed=len(items),
        items_read=len(stale),
        staged=staged,
        changes=changes,
    )


def _stage_until_settled(
    stale: list[Item], items: dict[str, Item], connector: Connector, stamp: Stamp, tables: SourceTables, scratch: Path
) -> Staged:
    """Read the stale items; where a key also stands in an unchanged item, read that one too, and settle both."""
    while True:
        with progress(f"reading {stamp.contract.source}", len(stale), unit="items") as advance:
            staged = stage(stale, connector, stamp, scratch, advance)
        names = {item.key for item in stale}
        rivals = (
            tables.documents.scan()
            .filter(~pl.col("item").is_in(list(names)) & pl.col("item").is_in(list(items)))
            .select("document_id", "item")
            .collect()
        )
        conflicting = {item for document, item in rivals.iter_rows() if document in staged.winners}
        if not conflicting:
            return staged
        stale += [items[name] for name in sorted(conflicting)]


def _batch_problem(contract: Contract, tables: SourceTables, staged: Staged, touched: set[str]) -> str | None:
    """Why the batch as a whole breaks its contract, or None."""
    required = [column.name for column in contract.columns if column.required]
    if staged.readable and (missing := [name for name in required if name not in staged.columns]):
        found = ", ".join(sorted(staged.columns)) or "none"
        return (
            f"column {', '.join(missing)} is required but missing from the feed (columns found: {found}); "
            f"mend the feed, or the schema in {contract.file.name}"
        )
    before = tables.documents.scan().select("document_id", "item").collect()
    kept = before.filter(~pl.col("item").is_in(list(touched - staged.unreadable_items))).height
    old_refusals = (
        tables.quarantine.scan()
        .filter((pl.col("status") == "open") & (pl.col("kind") != "superseded") & ~pl.col("item").is_in(list(touched)))
        .select(pl.len())
        .collect()
        .item()
    )
    after, refused = kept + staged.good, old_refusals + staged.refused
    share = 100 * refused / (after + refused) if after + refused else 0.0
    if share > contract.quarantine_max_percent:
        return (
            f"{refused} of {after + refused} rows ({share:.1f} %) break the contract, more than "
            f"quarantineMaxPercent {contract.quarantine_max_percent:g} allows; the quarantine says why each was refused"
        )
    drop = 100 * (before.height - after) / before.height if before.height else 0.0
    if drop > contract.volume_max_drop_percent:
        return (
            f"the source would shrink from {before.height} to {after} documents ({drop:.1f} % less), more than "
            f"volumeMaxDropPercent {contract.volume_max_drop_percent:g} allows; if that is meant, raise it for one run"
        )
    return None


Changes = tuple[list[str], list[str], list[str]]
"""Document ids added, changed, removed."""


def _commit_documents(stamp: Stamp, tables: SourceTables, staged: Staged, touched: set[str]) -> Changes:
    """One atomic commit that makes the table hold the staged rows of the touched items, and the others as before."""
    before = tables.documents.scan().select("document_id", "row_hash", "item").collect()
    hashes = dict(zip(before["document_id"], before["row_hash"], strict=True))
    removed = [document for document, _, item in before.iter_rows() if item in touched and document not in staged.winners]
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
        gone = pl.DataFrame({"document_id": removed}, schema={"document_id": pl.String})
        yield from _operations(gone, "delete")

    batches = [batch for batch in difference() if batch.num_rows]
    if batches or not tables.documents.exists:
        reader = pa.RecordBatchReader.from_batches(_MERGE, batches)
        tables.documents.merge(reader, "document_id", {"run_id": stamp.run_id, "contract": stamp.contract.version})
    return added, changed, removed


_MERGE = DOCUMENTS.append(pa.field(OP, pa.string()))


def _operations(frame: pl.DataFrame, operation: str) -> list[pa.RecordBatch]:
    missing = [pl.lit(None).alias(name) for name in DOCUMENTS.names if name not in frame.columns]
    rows = frame.with_columns(*missing, pl.lit(operation).alias(OP)).select(_MERGE.names)
    return rows.to_arrow().cast(_MERGE).to_batches()  # type: ignore[no-any-return]


def _commit_quarantine(stamp: Stamp, tables: SourceTables, staged: Staged, touched: set[str]) -> int:
    """New refusals are added; open ones of a touched item that were not found again are resolved. None is deleted.

    Returns how many were opened or resolved.
    """
    new = pl.read_parquet(staged.quarantine)
    old = tables.quarantine.scan().collect()
    seen_again = old.filter(pl.col("quarantine_id").is_in(new["quarantine_id"].to_list()))
    reopened = seen_again.filter(pl.col("status") == "resolved").with_columns(
        status=pl.lit("open"), resolved_at=pl.lit(None, old.schema["resolved_at"])
    )
    resolved = old.filter(
        (pl.col("status") == "open")
        & pl.col("item").is_in(list(touched))
        & ~pl.col("quarantine_id").is_in(seen_again["quarantine_id"].to_list())
    ).with_columns(status=pl.lit("resolved"), resolved_at=pl.lit(stamp.now).cast(old.schema["resolved_at"]))
    fresh = new.filter(~pl.col("quarantine_id").is_in(seen_again["quarantine_id"].to_list()))
    rows = pl.concat([part.select(QUARANTINE.names).cast(old.schema) for part in (fresh, reopened, resolved)])
    if rows.is_empty() and tables.quarantine.exists:
        return 0
    schema = QUARANTINE.append(pa.field(OP, pa.string()))
    source = rows.unique("quarantine_id").with_columns(pl.lit("upsert").alias(OP)).to_arrow().cast(schema)
    tables.quarantine.merge(source.to_reader(), "quarantine_id", {"run_id": stamp.run_id})
    return rows.height


def _commit_listing(tables: SourceTables, items: dict[str, Item], reader: str, staged: Staged) -> None:
    again = staged.unsettled_items | staged.unreadable_items
    previous = {name: settled for name, (_, _, settled) in _listing(tables).items()}
    touched = {rank[1] for rank in staged.winners.values()} | again
    rows = [
        {
            "item": item.key,
            "version": item.version,
            "reader": reader,
            "settled": item.key not in again if item.key in touched else previous.get(item.key, True),
        }
        for item in items.values()
    ]
    tables.listing.overwrite(pa.Table.from_pylist(rows, LISTING))


def _unsettle(tables: SourceTables, names: set[str]) -> None:
    """Have items of a held batch read again next time, also when their feed comes back with its old time of change."""
    if tables.listing.exists:
        settled = pl.col("settled") & ~pl.col("item").is_in(list(names))
        tables.listing.overwrite(tables.listing.scan().with_columns(settled=settled).collect())


def _items_in_quarantine(tables: SourceTables) -> set[str]:
    """Items with an open refusal: one that was held when it first came is in no listing."""
    rows = tables.quarantine.scan().filter(pl.col("status") == "open").select(pl.col("item").unique()).collect()
    return set(rows["item"])


def _listing(tables: SourceTables) -> dict[str, tuple[str, str, bool]]:
    rows = tables.listing.scan().select(LISTING.names).collect()
    return {item: (version, reader, settled) for item, version, reader, settled in rows.iter_rows()}


def _held(stamp: Stamp, tables: SourceTables, reason: str, *, staged: Staged | None = None, items: int = 0) -> LoadReport:
    log.warning("%s is held at its last good version: %s", stamp.contract.source, reason)
    return _report(stamp, tables, "held", reason=reason, items_listed=items, staged=staged)


def _report(
    stamp: Stamp,
    tables: SourceTables,
    outcome: Outcome,
    *,
    reason: str = "",
    items_listed: int = 0,
    items_read: int = 0,
    staged: Staged | None = None,
    changes: Changes = ([], [], []),
) -> LoadReport:
    hashes = tables.documents.scan().select("document_id", "content_hash").collect().sort("document_id")
    refusals = (
        tables.quarantine.scan()
        .filter(pl.col("status") == "open")
        .select("item", "row", "kind", "reasons")
        .collect()
        .sort("kind", "item", "row")
    )
    known = {column.name for column in stamp.contract.columns}
    return LoadReport(
        source=stamp.contract.source,
        outcome=outcome,
        at=stamp.now,
        reason=reason,
        data_version=fingerprint_lines(f"{document} {digest}" for document, digest in hashes.iter_rows()),
        documents=hashes.height,
        items_listed=items_listed,
        items_read=items_read,
        rows_in=staged.rows_in if staged else 0,
        good=staged.good if staged else 0,
        refused=staged.refused if staged else 0,
        superseded=staged.superseded if staged else 0,
        unreadable=len(staged.unreadable_items) if staged else 0,
        added=tuple(changes[0]),
        changed=tuple(changes[1]),
        removed=tuple(changes[2]),
        open_refusals=refusals.height,
        refusals=tuple(
            Refusal(item, row, kind, tuple(f"{r['column']} {r['message']}".strip() for r in json.loads(reasons)))
            for item, row, kind, reasons in refusals.head(_EXAMPLES).iter_rows()
        ),
        unknown_columns=tuple(sorted(staged.columns - known)) if staged else (),
    )


def _remember(stamp: Stamp, tables: SourceTables, report: LoadReport) -> None:
    row = {
        "at": stamp.now,
        "run_id": stamp.run_id,
        "outcome": report.outcome,
        "reason": report.reason,
        "contract_id": stamp.contract.id,
        "contract_version": stamp.contract.version,
        "documents": report.documents,
        "refused": report.open_refusals,
        "superseded": report.superseded,
        "data_version": report.data_version,
    }
    tables.loads.append(pa.Table.from_pylist([row], LOADS))


def _scratch_root(home: Path) -> Path:
    root = home / "scratch"
    root.mkdir(parents=True, exist_ok=True)
    return root
