"""Loading one source: read what changed, hold the batch to its contract, commit it or hold the last good version."""

import json
import logging
from collections.abc import Collection
from contextlib import closing, suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import polars as pl

from rag_pipeline.contracts.contract import Contract
from rag_pipeline.contracts.secret_words import without_secrets
from rag_pipeline.errors import ContractError, SourceUnavailable
from rag_pipeline.files import close_to_others, exclusive, fingerprint_lines, private_folder
from rag_pipeline.ingest.batch import batch_problem, column_names
from rag_pipeline.ingest.clock import Clock, look_at_clock
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
from rag_pipeline.ingest.connectors import Connector, Item, Named, connect
from rag_pipeline.ingest.heal import heal_source
from rag_pipeline.ingest.loads import remember_load, unusual_drop
from rag_pipeline.ingest.losses import losses_of
from rag_pipeline.ingest.plausible import implausible_values
from rag_pipeline.ingest.privacy import Shield
from rag_pipeline.ingest.quality import measure_quality
from rag_pipeline.ingest.report import LoadReport, Losses, Outcome, Refusal
from rag_pipeline.ingest.retention import purge
from rag_pipeline.ingest.rows import Stamp
from rag_pipeline.ingest.stage import stage
from rag_pipeline.ingest.staged import FILES, Staged
from rag_pipeline.ingest.stored import Doubt, doubtful_items, items_with_documents, note_purge
from rag_pipeline.ingest.tables import QUARANTINES, SourceTables, source_tables
from rag_pipeline.lake import collected
from rag_pipeline.ours import remove_files
from rag_pipeline.progress import progress
from rag_pipeline.settings import NO_SECRETS, Secrets

log = logging.getLogger("rag_pipeline")

_EXAMPLES = 50
"""How many keys and refusals a report names; the tables hold all."""


def load_source(contract: Contract, home: Path, *, run_id: str, now: datetime, secrets: Secrets = NO_SECRETS) -> LoadReport:
    """Bring one source's documents up to date.

    Never raises for bad data, nor for a secret that is not set: a feed that cannot be read, or whose batch breaks the
    contract, leaves the last good version in place and says why (`outcome == "held"`).
    """
    tables = source_tables(home, contract.source)
    scratch = home / "scratch" / contract.source
    with exclusive(home / "lake", f"source-{contract.source}", wait_s=600):
        remove_files(scratch, FILES)  # left by a load that was killed
        private_folder(home / "scratch")
        private_folder(home / QUARANTINES)  # before anything is written into it
        heal_source(tables)
        try:
            clock, doubt = look_at_clock(home, now), doubtful_items(tables)
            purged, emptied = purge(contract, tables, clock, run_id)
            if purged or emptied:
                note_purge(tables, doubt)
            report = _load(contract, tables, scratch, run_id, clock, secrets, doubt)
            report = replace(
                report,
                at=now,
                clock_doubt=clock.doubt,
                removed=(*purged, *report.removed),
                purged=len(purged) + emptied,
                quality=measure_quality(contract, home),
                implausible=implausible_values(contract, home, clock),
                losses=losses_of(contract, tables, report.losses.not_read),
            )
            if report.held and doubt.lost:
                report = replace(report, items_lost=len(doubt.lost), reason=f"{report.reason}; {_lost(doubt.lost)}")
            remember_load(contract, tables, run_id, report)
            return report
        finally:
            with suppress(OSError):  # the next load, or the next collection, makes up for it
                remove_files(scratch, FILES)
            if tables.quarantine.exists:
                close_to_others(tables.quarantine.path)


def _load(
    contract: Contract, tables: SourceTables, scratch: Path, run_id: str, clock: Clock, secrets: Secrets, doubt: Doubt
) -> LoadReport:
    now = clock.believed
    try:
        stamp = Stamp(contract, run_id, now, clock.latest, Shield(contract, secrets.salt))
        connector = connect(contract, secrets)
    except ContractError as error:
        return _held(contract, tables, now, str(error))
    except SourceUnavailable as error:
        return _held(contract, tables, now, f"the feed could not be listed: {_told(stamp, error)}")
    with closing(connector):
        return _load_from(connector, stamp, tables, scratch, doubt)


def _load_from(connector: Connector, stamp: Stamp, tables: SourceTables, scratch: Path, doubt: Doubt) -> LoadReport:
    contract, name = stamp.contract, stamp.shield.name
    listed = listing_of(tables)
    try:
        items = {name(item.key): item for item in connector.items(lambda key: listed.get(name(key), (None,))[0])}
    except (SourceUnavailable, OSError) as error:
        return _held(contract, tables, stamp.now, f"the feed could not be listed: {_told(stamp, error)}")
    except ContractError as error:  # only the data shows that a salt is needed
        return _held(contract, tables, stamp.now, str(error))
    for remark in connector.remarks():
        level = logging.WARNING if remark.unreachable else logging.INFO
        example = without_secrets(stamp.shield.shown(remark.example))
        log.log(level, "%s: %s; for example %s", contract.source, remark.says, example)
    unreachable = sum(remark.count for remark in connector.remarks() if remark.unreachable)
    losses = Losses(not_read=connector.not_read())
    if not items:
        reason = f"the feed is empty: it lists nothing to read{_instead(losses)}"
        return replace(_held(contract, tables, stamp.now, reason), losses=losses)
    report = _load_items(items, connector, stamp, tables, scratch, doubt)
    return replace(report, items_unreachable=unreachable, losses=losses)


def _instead(losses: Losses) -> str:
    """What is there instead of documents."""
    return f", only files of kinds that are not read: {losses.unread}" if losses.not_read else ""


def _load_items(
    items: dict[str, Item], connector: Connector, stamp: Stamp, tables: SourceTables, scratch: Path, doubt: Doubt
) -> LoadReport:
    """`items` by the names they are stored under."""
    contract, listed = stamp.contract, listing_of(tables)
    reader = f"{contract.fingerprint}:{contract.version}:{stamp.shield.fingerprint}:{connector.reads}"
    as_listed = {name for name, item in items.items() if listed.get(name, ())[:2] == (item.version, reader)}
    _tell(contract, doubt, lost := doubt.lost & as_listed)
    stale = [name for name in items if name not in as_listed or name in doubt.items or not listed[name][2]]
    gone = (listed.keys() | items_in_quarantine(tables) | items_with_documents(tables)) - items.keys()
    if not stale and not gone and tables.documents.exists:
        return _report(contract, tables, stamp.now, "unchanged", items_listed=len(items))

    try:
        staged = _stage_until_settled(stale, items, connector, stamp, tables, scratch)
    except SourceUnavailable as error:
        return _held(contract, tables, stamp.now, f"the feed broke off: {_told(stamp, error)}", items=len(items))
    except ContractError as error:
        return _held(contract, tables, stamp.now, str(error), items=len(items))
    read = {*stale, *staged.unsettled_items}
    if reason := batch_problem(contract, tables, staged, read | gone):
        commit_quarantine(stamp, tables, staged, touched=set())
        unsettle(tables, read)
        return _held(contract, tables, stamp.now, stamp.shield.message(reason), staged=staged, items=len(items))

    before = tables.documents.scan().select(pl.len()).pipe(collected).item()
    changes = commit_documents(stamp, tables, staged, touched=(read | gone) - staged.unreadable_items)
    opened_or_resolved = commit_quarantine(stamp, tables, staged, touched=read | gone)
    commit_listing(tables, items, reader, staged, read=read)
    outcome: Outcome = "accepted" if any(changes) or opened_or_resolved else "unchanged"
    report = _report(
        contract,
        tables,
        stamp.now,
        outcome,
        items_listed=len(items),
        items_read=len(stale),
        staged=staged,
        changes=changes,
    )
    return replace(report, items_lost=len(lost), unusual_drop=unusual_drop(tables, before, report.documents))


def _tell(contract: Contract, doubt: Doubt, lost: Collection[str]) -> None:
    """Say why items are read again although their feed did not change."""
    if lost:
        log.warning("%s: %s; they are read again", contract.source, _lost(lost))
    if doubt.untold:
        log.info("%s: its listing is of an older version of this pipeline, so every item is read once more", contract.source)


def _lost(items: Collection[str]) -> str:
    return (
        f"the tables do not hold what was stored of {len(items)} items (first: {min(items)}): a commit or rows of a table "
        "were lost, as a power cut can do, or a load was killed"
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


def _told(stamp: Stamp, error: Exception) -> str:
    """What a connector raised, in words that hold nothing of the feed but what its contract lets be shown."""
    server, shown = stamp.contract.server, stamp.shield.shown
    if isinstance(error, Named):
        says = error.told(lambda name: name if name in (server.location, *server.pages) else shown(name))
    elif isinstance(error, OSError):
        says = (error.strerror or type(error).__name__) + (f": {shown(str(error.filename))}" if error.filename else "")
    else:
        says = str(error)
    return stamp.shield.message(says)


def _held(
    contract: Contract, tables: SourceTables, now: datetime, reason: str, *, staged: Staged | None = None, items: int = 0
) -> LoadReport:
    log.warning("%s is held at its last good version: %s", contract.source, reason)
    return _report(contract, tables, now, "held", reason=reason, items_listed=items, staged=staged)


def _report(
    contract: Contract,
    tables: SourceTables,
    now: datetime,
    outcome: Outcome,
    *,
    reason: str = "",
    items_listed: int = 0,
    items_read: int = 0,
    staged: Staged | None = None,
    changes: Changes = ([], [], []),
) -> LoadReport:
    hashes = tables.documents.scan().select("document_id", "content_hash").pipe(collected).sort("document_id")
    refusals = (
        tables.quarantine.scan()
        .filter(pl.col("status") == "open")
        .select("item", "row", "kind", "reasons")
        .pipe(collected)
        .sort("kind", "item", "row")
    )
    return LoadReport(
        source=contract.source,
        outcome=outcome,
        at=now,
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
        unknown_columns=tuple(column_names(contract, staged, only_unknown=True)) if staged else (),
    )
