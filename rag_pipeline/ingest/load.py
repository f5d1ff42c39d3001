"""Loading one source: read what changed, hold the batch to its contract, commit it or hold the last good version."""

import json
import logging
import shutil
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import polars as pl
import pyarrow as pa

from rag_pipeline.contracts.contract import Contract
from rag_pipeline.errors import ContractError, SourceUnavailable
from rag_pipeline.files import exclusive, fingerprint_lines
from rag_pipeline.ingest.commit import (
    Changes,
    commit_documents,
    commit_listing,
    commit_quarantine,
    items_in_quarantine,
    listing_of,
    rivals,
    unsettle,
)
from rag_pipeline.ingest.connectors import Connector, Item, connect
from rag_pipeline.ingest.privacy import Shield
from rag_pipeline.ingest.quality import measure_quality
from rag_pipeline.ingest.report import LoadReport, Outcome, Refusal
from rag_pipeline.ingest.retention import purge
from rag_pipeline.ingest.rows import Stamp
from rag_pipeline.ingest.stage import stage
from rag_pipeline.ingest.staged import Staged
from rag_pipeline.ingest.tables import LOADS, SourceTables, source_tables
from rag_pipeline.progress import progress
from rag_pipeline.settings import NO_SECRETS, Secrets

log = logging.getLogger("rag_pipeline")

_EXAMPLES = 50
"""How many keys and refusals a report names; the tables hold all."""


def load_source(contract: Contract, home: Path, *, run_id: str, now: datetime, secrets: Secrets = NO_SECRETS) -> LoadReport:
    """Bring one source's documents up to date.

    Never raises for bad data: a feed that cannot be read, or whose batch breaks the contract, leaves the last good
    version in place and says why (`outcome == "held"`). Raises `ContractError` when the contract needs a secret that is
    not set.
    """
    tables = source_tables(home, contract.source)
    stamp = Stamp(contract, run_id, now, Shield(contract, secrets.salt))
    scratch = home / "scratch" / contract.source
    with exclusive(home / "lake", f"source-{contract.source}", wait_s=600):
        shutil.rmtree(scratch, ignore_errors=True)  # left by a load that was killed
        try:
            purged, emptied = purge(contract, tables, now, run_id)
            report = _load(stamp, tables, scratch, secrets)
            report = replace(
                report,
                removed=(*purged, *report.removed),
                purged=len(purged) + emptied,
                quality=measure_quality(contract, home),
            )
            _remember(stamp, tables, report)
            return report
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def _load(stamp: Stamp, tables: SourceTables, scratch: Path, secrets: Secrets) -> LoadReport:
    try:
        connector = connect(stamp.contract, secrets)
    except SourceUnavailable as error:
        return _held(stamp, tables, f"the feed could not be listed: {error}")
    with closing(connector):
        return _load_from(connector, stamp, tables, scratch)


def _load_from(connector: Connector, stamp: Stamp, tables: SourceTables, scratch: Path) -> LoadReport:
    contract, name = stamp.contract, stamp.shield.name
    listed = listing_of(tables)
    try:
        items = {name(item.key): item for item in connector.items(lambda key: listed.get(name(key), (None,))[0])}
    except (SourceUnavailable, OSError) as error:
        return _held(stamp, tables, f"the feed could not be listed: {error}")
    except ContractError as error:  # only the data shows that a salt is needed
        return _held(stamp, tables, str(error))
    if not items:
        return _held(stamp, tables, "the feed is empty: it lists nothing to read")

    reader = f"{contract.fingerprint}:{contract.version}:{stamp.shield.fingerprint}:{connector.reads}"
    stale = [name for name, item in items.items() if listed.get(name) != (item.version, reader, True)]
    gone = (listed.keys() | items_in_quarantine(tables)) - items.keys()
    if not stale and not gone and tables.documents.exists:
        return _report(stamp, tables, "unchanged", items_listed=len(items))

    try:
        staged = _stage_until_settled(stale, items, connector, stamp, tables, scratch)
    except SourceUnavailable as error:
        return _held(stamp, tables, f"the feed broke off: {error}", items=len(items))
    except ContractError as error:
        return _held(stamp, tables, str(error), items=len(items))
    read = {*stale, *staged.unsettled_items}
    if reason := _batch_problem(contract, tables, staged, read | gone):
        commit_quarantine(stamp, tables, staged, touched=set())
        unsettle(tables, read)
        return _held(stamp, tables, reason, staged=staged, items=len(items))

    changes = commit_documents(stamp, tables, staged, touched=(read | gone) - staged.unreadable_items)
    opened_or_resolved = commit_quarantine(stamp, tables, staged, touched=read | gone)
    commit_listing(tables, items, reader, staged)
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
    stale: list[str], items: dict[str, Item], connector: Connector, stamp: Stamp, tables: SourceTables, scratch: Path
) -> Staged:
    """Read the stale items; where a key or unique value also stands in an unchanged item, read that too, and settle both."""
    while True:
        with progress(f"reading {stamp.contract.source}", len(stale), unit="items") as advance:
            staged = stage({name: items[name] for name in stale}, connector, stamp, scratch, advance)
        conflicting = rivals(stamp.contract, tables, staged, among=items.keys() - set(stale))
        if not conflicting:
            return staged
        stale += sorted(conflicting)


def _batch_problem(contract: Contract, tables: SourceTables, staged: Staged, touched: set[str]) -> str | None:
    """Why the batch as a whole breaks its contract, or None."""
    required = [column.found_as for column in contract.columns if column.required]
    if staged.readable and (missing := [name for name in required if name not in staged.columns]):
        found = ", ".join(_names(contract, staged)) or "none of the contract's; does the file lack its header line?"
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
    if not before.height and not after and not refused:
        return "the feed is empty: what it lists holds no row"
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
        expired=staged.expired if staged else 0,
        pii_found=dict(sorted(staged.pii_found.items())) if staged else {},
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
        unknown_columns=tuple(_names(stamp.contract, staged, only_unknown=True)) if staged else (),
    )


def _names(contract: Contract, staged: Staged, *, only_unknown: bool = False) -> list[str]:
    """Names of the columns found. None where none is the contract's: then they may be values, of a file without header."""
    known = {column.found_as for column in contract.columns}
    if not known & staged.columns:
        return []
    return sorted(staged.columns - known if only_unknown else staged.columns)


def _remember(stamp: Stamp, tables: SourceTables, report: LoadReport) -> None:
    broken = [result.says for result in report.quality if not result.holds and result.rule.severity == "error"]
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
        "rows_in": report.rows_in,
        "good": report.good,
        "rows_refused": report.refused,
        "expired": report.expired,
        "purged": report.purged,
        "broken": json.dumps(broken),
        "data_version": report.data_version,
    }
    tables.loads.append(pa.Table.from_pylist([row], LOADS))
