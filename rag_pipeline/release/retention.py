"""Retention: which releases are kept and why, and collecting what no kept release needs."""

import logging
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import polars as pl

from rag_pipeline.channels.audit import channel_now, settle
from rag_pipeline.channels.health import known_channels
from rag_pipeline.channels.pointer import channels_held
from rag_pipeline.corpus.query_vectors import query_vectors_table
from rag_pipeline.corpus.tables import chunks_table, vectors_table
from rag_pipeline.errors import ReleaseError
from rag_pipeline.gate.anchor import anchor_of
from rag_pipeline.home import Home, exporting
from rag_pipeline.index.candidate import read_candidate
from rag_pipeline.index.manifest import Manifest, all_manifests, foreign_files
from rag_pipeline.index.release_chunks import contents
from rag_pipeline.ingest.clock import clock_now
from rag_pipeline.lake import collected
from rag_pipeline.mirrored import halves, removing
from rag_pipeline.ours import EXPORT, HALF_EXPORT, HALF_RELEASE, RELEASE, TRASH, found, remove
from rag_pipeline.release.sweeping import Swept, if_there_is_space, sweep_up, tidy_tables

log = logging.getLogger("rag_pipeline")


@dataclass(frozen=True, slots=True)
class Kept:
    """A release and every reason to keep it; none: it goes."""

    manifest: Manifest
    because: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Collected:
    """What was removed, or would be (`dry_run`)."""

    kept: tuple[Kept, ...]
    removed: tuple[Manifest, ...]
    vectors: int
    query_vectors: int
    leftovers: tuple[str, ...]
    """Directories that killed builds and collections left."""
    exports: tuple[str, ...]
    """Graphs of models, by fingerprint, that neither the settings nor a kept release name."""
    dry_run: bool
    clock_doubt: str = ""
    """Why the clock cannot be believed, so that no old version of a table was removed."""
    swept: Swept = field(default_factory=Swept)
    """What went beside all that, by the names of files and folders."""

    @property
    def table_files(self) -> int:
        return len(self.swept.tables)

    @property
    def removed_bytes(self) -> int:
        return sum(manifest.size_bytes for manifest in self.removed)

    @property
    def told(self) -> dict[str, object]:
        """The same as plain values."""
        return {
            "kept": {one.manifest.id: ", ".join(one.because) for one in self.kept},
            "removed": [manifest.id for manifest in self.removed],
            "removed_bytes": self.removed_bytes,
            "vectors": self.vectors,
            "query_vectors": self.query_vectors,
            "table_files": self.table_files,
            "leftovers": list(self.leftovers),
            "exports": list(self.exports),
            **self.swept.told,
            "dry_run": self.dry_run,
            "clock_doubt": self.clock_doubt,
        }


def kept_releases(home: Home, keep: int) -> tuple[Kept, ...]:
    """Every release with the reasons to keep it, newest first.

    The newest `keep` stay, and whatever a channel points at or pointed at before, and the candidate. Raises
    `ReleaseError` when a channel cannot be believed: what it should point at must not be taken for unneeded.
    """
    because: dict[str, list[str]] = {}
    channels = {name: channel for name in known_channels(home) if (channel := channel_now(home, name))}
    for name, channel in channels.items():
        because.setdefault(channel.release, []).append(name)
        if channel.previous:
            because.setdefault(channel.previous, []).append(f"before in {name}")
        anchor = anchor_of(home, name, channel)
        if anchor and not anchor.documents:  # a later move writes them down, and then it may go
            because.setdefault(anchor.release, []).append(f"anchor of {name}")
    with suppress(ReleaseError):  # no refresh has come to one yet
        because.setdefault(read_candidate(home).release, []).append("candidate")
    manifests = all_manifests(home.releases)
    for manifest in manifests[:keep]:
        because.setdefault(manifest.id, []).append(f"one of the newest {keep}")
    for manifest in manifests:
        if manifest.id not in because and (others := foreign_files(home.release(manifest.id), manifest)):
            because[manifest.id] = [f"it holds files that are not the pipeline's: {', '.join(others)}"]
    return tuple(Kept(manifest, tuple(because.get(manifest.id, ()))) for manifest in manifests)


def collect(
    home: Home, *, keep: int, days: int, model: str, dry_run: bool = False, now: datetime | None = None
) -> Collected:
    """Remove releases no reason keeps, vectors no kept release or stored chunk needs, and old versions of tables.

    Versions of tables go by their age; none goes while the clock cannot be believed (`now`: what it says, if not the
    system's). Releases are ordered by sequence, so they do not depend on it.

    `model`: fingerprint of the configured model, whose vectors of the stored chunks stay. Killed at any moment, it
    leaves nothing half: a release goes by one rename, and the next collection removes what that left.
    """
    releases = home.releases
    with ExitStack() as stack:
        stack.enter_context(home.exclusive("releases", wait_s=3600))
        for name in known_channels(home) if not dry_run else ():
            settle(home, name)
        with channels_held(home):
            kept = kept_releases(home, keep)
            removed = tuple(one.manifest for one in kept if not one.because)
            if not dry_run:
                for manifest in removed:
                    with removing(releases / manifest.id):
                        (releases / manifest.id).rename(releases / f"{TRASH}{manifest.id}")
        leftovers = (*_leftovers(releases, removed), *halves(releases, dry_run=dry_run))
        if not dry_run:
            for path in found(releases, HALF_RELEASE):
                remove(path, HALF_RELEASE)
        gone = {*(manifest.id for manifest in removed), *(name.removeprefix(TRASH) for name in leftovers)}
        swept = sweep_up(home, gone, dry_run=dry_run)
        stack.enter_context(home.exclusive_table(home.chunks, wait_s=600))
        stack.enter_context(home.exclusive_table(home.vectors, wait_s=3600))
        clock = clock_now(home, now or datetime.now(UTC))
        if clock.doubt:
            log.warning("%s", clock.doubt)
        else:  # before rows go: that is a new version
            swept = replace(swept, tables=tidy_tables(home, days, dry_run=dry_run))
        staying = [one.manifest for one in kept if one.because]
        unreadable = {path.name for path in found(releases, RELEASE)} - {one.manifest.id for one in kept}
        used = {model, *(manifest.model.fingerprint for manifest in staying)}
        vectors, queries = partial(_collect_vectors, home, staying, model), partial(_collect_query_vectors, home, used)
        gone_vectors = 0 if unreadable else if_there_is_space("lake/vectors", partial(vectors, dry_run=dry_run), 0)
        gone_queries = 0 if unreadable else if_there_is_space("lake/query_vectors", partial(queries, dry_run=dry_run), 0)
        exports = () if unreadable else _collect_exports(home, used, dry_run=dry_run)
    return Collected(
        kept=tuple(one for one in kept if one.because),
        removed=removed,
        vectors=gone_vectors,
        query_vectors=gone_queries,
        leftovers=leftovers,
        exports=exports,
        dry_run=dry_run,
        swept=swept,
        clock_doubt=clock.doubt,
    )


def _leftovers(releases: Path, removed: tuple[Manifest, ...]) -> tuple[str, ...]:
    just_now = {f"{TRASH}{manifest.id}" for manifest in removed}
    return tuple(path.name for path in found(releases, HALF_RELEASE) if path.name not in just_now)


def _collect_vectors(home: Home, staying: list[Manifest], model: str, *, dry_run: bool) -> int:
    """Rows of the vectors table that neither a kept release nor the stored chunks need.

    None goes when a kept release cannot say what it needs: without its vectors it could not be repaired.
    """
    releases, table = home.releases, vectors_table(home)
    needed = chunks_table(home).scan().select(pl.lit(model).alias("model"), "text_hash").unique().pipe(collected)
    try:
        for manifest in staying:  # one after the other: kept releases hold nearly the same texts
            hashes = contents(releases / manifest.id, manifest).select(
                pl.lit(manifest.model.fingerprint).alias("model"), "text_hash"
            )
            needed = needed.vstack(
                hashes.join(needed.lazy(), on=["model", "text_hash"], how="anti").unique().pipe(collected)
            )
    except ReleaseError as error:
        log.warning("no vector is removed: %s", error)
        return 0
    stored = table.scan().select("model", "text_hash")
    unneeded = stored.join(needed.lazy(), on=["model", "text_hash"], how="anti").pipe(collected)
    if dry_run or unneeded.is_empty():
        return unneeded.height
    return table.remove(unneeded.unique().to_arrow(), ("model", "text_hash"))


def _collect_query_vectors(home: Home, used: set[str], *, dry_run: bool) -> int:
    """Rows of models nobody uses; a question's vector is small and comes back with one forward pass."""
    table = query_vectors_table(home)
    unused = table.scan().filter(~pl.col("model").is_in(sorted(used))).select("model").pipe(collected)
    if not dry_run:
        for fingerprint in unused["model"].unique():
            table.delete(f"model = '{fingerprint}'")
    return unused.height


def _collect_exports(home: Home, used: set[str], *, dry_run: bool) -> tuple[str, ...]:
    """Graphs of models nobody uses, and what a killed export left: nobody exports while this looks."""
    if not home.models.is_dir():
        return ()
    with exporting(home.models, wait_s=3600):
        folders = [path for path in found(home.models, EXPORT, HALF_EXPORT) if path.name not in used]
        for path in folders if not dry_run else ():
            going = path if HALF_EXPORT.made(path) else path.rename(path.with_name(f"{TRASH}{path.name}"))
            remove(going, HALF_EXPORT)
    return tuple(path.name for path in folders)
