"""Loading one source: read what changed, judge the batch by its contract, commit it or hold the last good version."""

import json
import logging
from collections.abc import Collection
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import polars as pl

from rag_pipeline.contracts.connect import connect
from rag_pipeline.contracts.contract import Contract
from rag_pipeline.errors import ContractError, Named, SourceUnavailable
from rag_pipeline.feeds.base import Connector, Item
from rag_pipeline.feeds.server import lists_nothing
from rag_pipeline.files import close_to_others, fingerprint_lines, private_folder
from rag_pipeline.home import Home
from rag_pipeline.ingest.batch_limits import batch_of, batch_problem, column_names
from rag_pipeline.ingest.clock import Clock, look_at_clock
from rag_pipeline.ingest.commit import (
    commit_documents,
    commit_listing,
    commit_quarantine,
    items_in_quarantine,
    listing_of,
    rivals,
    unsettle,
)
from rag_pipeline.ingest.heal import heal_source
from rag_pipeline.ingest.loads import remember_load, unusual_drop, usual_drop_percent
from rag_pipeline.ingest.losses import losses_of
from rag_pipeline.ingest.plausible import implausible_values
from rag_pipeline.ingest.quality import measure_quality
from rag_pipeline.ingest.report import Batch, LoadReport, Losses, Outcome, Refusal
from rag_pipeline.ingest.retention import purge
from rag_pipeline.ingest.rows import LoadContext
from rag_pipeline.ingest.stage import stage
from rag_pipeline.ingest.staged import FILES, Staged
from rag_pipeline.ingest.stored import Doubt, doubtful_items, items_with_documents, note_purge
from rag_pipeline.ingest.tables import SourceTables, source_tables
from rag_pipeline.lake import collected
from rag_pipeline.ours import remove_files
from rag_pipeline.privacy import PrivacyFilter
from rag_pipeline.progress import progress
from rag_pipeline.settings import NO_SECRETS, Secrets
from rag_pipeline.urls import without_secrets

log = logging.getLogger("rag_pipeline")

_EXAMPLES = 50
"""How many keys and refusals a report names; the tables hold all."""


def load_source(contract: Contract, home: Home, *, run_id: str, now: datetime, secrets: Secrets = NO_SECRETS) -> LoadReport:
    """Bring one source's documents up to date.

    Never raises for bad data, nor for a secret that is not set: a feed that cannot be read, or whose batch breaks the
    contract, leaves the last good version in place and says why (`outcome == "held"`).
    """
    tables = source_tables(home, contract.source)
    scratch = home.scratch / contract.source
    with home.exclusive_source(contract.source, wait_s=600):
        remove_files(scratch, FILES)  # left by a load that was killed
        private_folder(home.scratch)
        private_folder(home.quarantine)  # before anything is written into it
        heal_source(tables)
        try:
            clock, doubt = look_at_clock(home, now), doubtful_items(tables)
            purged, emptied = purge(contract, tables, clock, run_id)
            if purged or emptied:
                note_purge(tables, doubt)
            report = _load(contract, _OnDisk(tables, scratch, doubt), run_id, clock, secrets)
            usual = usual_drop_percent(tables)
            report = replace(
                report,
                at=now,
                clock_doubt=clock.doubt,
                usual_drop_percent=usual,
                unusual_drop=unusual_drop(usual, report.batch.before, report.documents),
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


@dataclass(frozen=True, slots=True)
class _OnDisk:
    """A source as a load finds it: its tables, what they are doubted of, and the folder that is read into."""

    tables: SourceTables
    scratch: Path
    doubt: Doubt


def _load(contract: Contract, disk: _OnDisk, run_id: str, clock: Clock, secrets: Secrets) -> LoadReport:
    now, tables = clock.believed, disk.tables
    try:
        context = LoadContext(contract, run_id, now, clock.latest, PrivacyFilter(contract, secrets.salt))
        connector = connect(contract, secrets)
    except ContractError as error:
        return _held(contract, tables, now, str(error))
    except SourceUnavailable as error:
        return _held(contract, tables, now, f"the feed could not be listed: {_told(context, error)}")
    with closing(connector):
        return _load_from(connector, context, disk)


def _load_from(connector: Connector, context: LoadContext, disk: _OnDisk) -> LoadReport:
    contract, name, tables = context.contract, context.shield.name, disk.tables
    listed = listing_of(tables)
    try:
        items = {name(item.key): item for item in connector.items(lambda key: listed.get(name(key), (None,))[0])}
    except (SourceUnavailable, OSError) as error:
        return _held(contract, tables, context.now, f"the feed could not be listed: {_told(context, error)}")
    except ContractError as error:  # only the data shows that a salt is needed
        return _held(contract, tables, context.now, str(error))
    for remark in connector.remarks():
        level = logging.WARNING if remark.unreachable else logging.INFO
        example = without_secrets(context.shield.shown(remark.example))
        log.log(level, "%s: %s; for example %s", contract.source, remark.says, example)
    unreachable = sum(remark.count for remark in connector.remarks() if remark.unreachable)
    losses = Losses(not_read=connector.not_read())
    if not items:
        reason = f"the feed is empty: {lists_nothing(contract.server.says)}{_instead(losses)}"
        return replace(_held(contract, tables, context.now, reason), losses=losses)
    report = _load_items(items, connector, context, disk)
    return replace(report, items_unreachable=unreachable, losses=losses)


def _instead(losses: Losses) -> str:
    """What is there instead of documents."""
    return f", only files of kinds that are not read: {losses.unread}" if losses.not_read else ""


def _load_items(items: dict[str, Item], connector: Connector, context: LoadContext, disk: _OnDisk) -> LoadReport:
    """`items` by the names they are stored under."""
    contract, tables, doubt = context.contract, disk.tables, disk.doubt
    listed = listing_of(tables)
    reader = f"{contract.fingerprint}:{contract.version}:{context.shield.fingerprint}:{connector.reads}"
    as_listed = {name for name, item in items.items() if listed.get(name, ())[:2] == (item.version, reader)}
    _tell(contract, doubt, lost := doubt.lost & as_listed)
    stale = [name for name in items if name not in as_listed or name in doubt.items or not listed[name][2]]
    gone = (listed.keys() | items_in_quarantine(tables) | items_with_documents(tables)) - items.keys()
    if not stale and not gone and tables.documents.exists:
        return replace(_report(contract, tables, context.now, "unchanged"), items_listed=len(items))

    try:
        staged = _stage_until_settled(stale, items, connector, context, disk)
    except SourceUnavailable as error:
        return _held(contract, tables, context.now, f"the feed broke off: {_told(context, error)}", items=len(items))
    except ContractError as error:
        return _held(contract, tables, context.now, str(error), items=len(items))
    read = {*stale, *staged.unsettled_items}
    batch = batch_of(tables, staged, read | gone)
    if reason := batch_problem(contract, batch, staged):
        commit_quarantine(context, tables, staged, touched=set())
        unsettle(tables, read)
        held = _held(contract, tables, context.now, context.shield.message(reason), staged=staged, items=len(items))
        return replace(held, batch=batch)

    added, changed, removed = commit_documents(context, tables, staged, touched=(read | gone) - staged.unreadable_items)
    opened_or_resolved = commit_quarantine(context, tables, staged, touched=read | gone)
    commit_listing(tables, items, reader, staged, read=read)
    outcome: Outcome = "accepted" if added or changed or removed or opened_or_resolved else "unchanged"
    report = _report(contract, tables, context.now, outcome, staged)
    return replace(
        report,
        items_listed=len(items),
        items_read=len(stale),
        items_lost=len(lost),
        added=tuple(added),
        changed=tuple(changed),
        removed=tuple(removed),
        batch=batch,
    )


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
    stale: list[str], items: dict[str, Item], connector: Connector, context: LoadContext, disk: _OnDisk
) -> Staged:
    """Read the stale items; where a key or unique value also stands in an unchanged item, read that too, and settle both."""
    while True:
        with progress(f"reading {context.contract.source}", len(stale), unit="items") as advance:
            staged = stage({name: items[name] for name in stale}, connector, context, disk.scratch, advance)
        conflicting = rivals(context.contract, disk.tables, staged, among=items.keys() - set(stale))
        if not conflicting:
            return staged
        stale += sorted(conflicting)


def _told(context: LoadContext, error: Exception) -> str:
    """What a connector raised, in words that hold nothing of the feed but what its contract lets be shown."""
    addresses, shown = context.contract.server.addresses, context.shield.shown
    if isinstance(error, Named):
        says = error.told(lambda name: name if name in addresses else shown(name))
    elif isinstance(error, OSError):
        says = (error.strerror or type(error).__name__) + (f": {shown(str(error.filename))}" if error.filename else "")
    else:
        says = str(error)
    return context.shield.message(says)


def _held(
    contract: Contract, tables: SourceTables, now: datetime, reason: str, *, staged: Staged | None = None, items: int = 0
) -> LoadReport:
    log.warning("%s is held at its last good version: %s", contract.source, reason)
    return replace(_report(contract, tables, now, "held", staged), reason=reason, items_listed=items)


def _report(
    contract: Contract, tables: SourceTables, now: datetime, outcome: Outcome, staged: Staged | None = None
) -> LoadReport:
    """What the tables hold now, and what was staged."""
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
        data_version=fingerprint_lines(f"{document} {digest}" for document, digest in hashes.iter_rows()),
        documents=hashes.height,
        rows_in=staged.rows_in if staged else 0,
        good=staged.good if staged else 0,
        expired=staged.expired if staged else 0,
        pii_found=dict(sorted(staged.pii_found.items())) if staged else {},
        refused=staged.refused if staged else 0,
        superseded=staged.superseded if staged else 0,
        unreadable=len(staged.unreadable_items) if staged else 0,
        open_refusals=refusals.height,
        refusals=tuple(
            Refusal(item, row, kind, tuple(f"{r['column']} {r['message']}".strip() for r in json.loads(reasons)))
            for item, row, kind, reasons in refusals.head(_EXAMPLES).iter_rows()
        ),
        unknown_columns=tuple(column_names(contract, staged, only_unknown=True)) if staged else (),
        batch=Batch(hashes.height, hashes.height, refusals.filter(pl.col("kind") != "superseded").height),
    )
