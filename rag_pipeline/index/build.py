"""Building a release: an immutable, complete, queryable directory, proved before it gets its name.

Everything happens in a staging directory beside the releases; the last step is one rename. A killed build leaves
a staging directory, which the next build removes.
"""

import logging
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import polars as pl

from rag_pipeline.corpus.tables import chunks_table
from rag_pipeline.disk_space import storage_error
from rag_pipeline.errors import ReleaseError
from rag_pipeline.files import file_sha256, fingerprint, sync, write_json
from rag_pipeline.home import CHROMA_FOLDER, CHUNKS_FILE, LEXICAL_FOLDER, MANIFEST_FILE, Home
from rag_pipeline.index import chroma, lexical
from rag_pipeline.index.base import Base, choose_base, holds_no_trace
from rag_pipeline.index.canary import write_canary
from rag_pipeline.index.fill import fill_by_difference, fill_whole
from rag_pipeline.index.fill_scopes import WHY_WHOLE, fill_meaning, fill_words, prove_divided
from rag_pipeline.index.kept_contracts import kept_contracts, write_contracts
from rag_pipeline.index.manifest import (
    CutEntry,
    FileEntry,
    IndexParameters,
    Manifest,
    ModelEntry,
    Origin,
    Probe,
    RetrievalParameters,
    SourceEntry,
    all_manifests,
    chroma_version,
    damaged_files,
    holds_nothing,
    next_sequence,
)
from rag_pipeline.index.prove import Expected, expect, prove
from rag_pipeline.index.prove_lexical import prove_lexical
from rag_pipeline.index.release_chunks import content_fingerprint, contents
from rag_pipeline.index.scopes import ROWS_IN_A_GROUP, divided, scopes_of
from rag_pipeline.index.words import word_folders
from rag_pipeline.ingest.erase import Erased, erased
from rag_pipeline.lake import collected, scan_file, written
from rag_pipeline.mirrored import brought, released, removing
from rag_pipeline.ours import HALF_RELEASE, STAGING, found, remove
from rag_pipeline.process import release_memory

log = logging.getLogger("rag_pipeline")

_RECALL = 0.98
"""A release by difference that finds less than this share of the truly nearest is built whole instead."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a release is made of, apart from chunks and vectors, which lie in the lake."""

    model: ModelEntry
    chunker: str
    sources: dict[str, SourceEntry]
    index: IndexParameters = IndexParameters()
    retrieval: RetrievalParameters = RetrievalParameters()
    cut: dict[str, CutEntry] = field(default_factory=dict)
    """How sources are cut whose contracts say it; the others by `chunker`."""
    contracts: dict[str, str] = field(default_factory=dict)
    """File name -> text of the contracts the sources were held to; kept with the release, no part of what it serves."""

    def fingerprint(self, chunks: pl.LazyFrame) -> str:
        """Fingerprint of the release of these chunks: sorted ids with payload hashes, model, index, retrieval parameters."""
        narrowing = {name: list(one.filterable) for name, one in self.sources.items() if one.filterable}
        parameters = [self.index.model_dump(), self.retrieval.model_dump(), *([narrowing] if narrowing else [])]
        return fingerprint(content_fingerprint(chunks), self.model.fingerprint, parameters)


def recipe_of(manifest: Manifest) -> Recipe:
    """What a kept release was made of, its contracts apart."""
    return Recipe(manifest.model, manifest.chunker, manifest.sources, manifest.index, manifest.retrieval, manifest.cut)


@dataclass(frozen=True, slots=True)
class Built:
    """A release, and whether this call built it (`False`: one with the same fingerprint was there)."""

    manifest: Manifest
    new: bool
    damaged: tuple[str, ...] = ()
    """Kept releases of this very content that were passed over, because their files are not what they were."""


def build_release(home: Home, recipe: Recipe, *, run_id: str, now: datetime) -> Built:
    """The release of the chunks and vectors stored now; built only if no intact release has its fingerprint.

    Raises `ReleaseError` when a chunk has no vector, there is no chunk at all, or the proof fails.
    """
    releases, stored = home.releases, chunks_table(home).scan()
    with home.exclusive("releases", wait_s=3600), home.exclusive_table(home.chunks, wait_s=600):
        gone_for_good = erased(home)  # before the chunks are read: what is noted later is of the next release
        wanted = recipe.fingerprint(stored)
        damaged: list[str] = []
        for manifest in all_manifests(releases):
            if manifest.fingerprint == wanted and holds_no_trace(manifest, gone_for_good):
                if not (files := damaged_files(releases / manifest.id, manifest)):
                    return Built(manifest, new=False, damaged=tuple(damaged))
                log.warning("%s is damaged (%s); its content is built again", manifest.id, ", ".join(files))
                damaged.append(manifest.id)
        manifest = _build(home, recipe, stored, _Order(wanted, run_id, now, gone_for_good))
        return Built(manifest, new=True, damaged=tuple(damaged))


def rebuild_release(home: Home, manifest: Manifest, *, run_id: str, now: datetime) -> Built:
    """An intact twin of a damaged release: one that is kept, or one built whole from its own chunks and stored vectors.

    Raises `ReleaseError` when the release's own chunks are damaged too, or a vector is gone.
    """
    releases = home.releases
    recipe = replace(recipe_of(manifest), contracts=kept_contracts(releases / manifest.id, manifest))
    with home.exclusive("releases", wait_s=3600):
        if twin := _intact(releases, manifest.fingerprint):
            return Built(twin, new=False, damaged=(manifest.id,))
        try:
            chunks = contents(releases / manifest.id, manifest)
        except ReleaseError as error:
            raise ReleaseError(f"{manifest.id} cannot be repaired: {error}") from error
        known = Erased(notes=manifest.origin.erased)  # it holds what was erased since, as the damaged one does
        why = Base(why_not=f"it repairs {manifest.id}")
        rebuilt = _build(home, recipe, chunks, _Order(manifest.fingerprint, run_id, now, known, why))
        return Built(rebuilt, new=True, damaged=(manifest.id,))


def discard_release(home: Home, manifest: Manifest) -> None:
    """Remove a release that was built to be measured and that nothing points at. Killed half way, the next build goes on."""
    gone = home.releases / f"{STAGING}{manifest.id}"
    with home.exclusive("releases", wait_s=3600), removing(home.release(manifest.id)):
        home.release(manifest.id).rename(gone)
        with suppress(OSError):
            remove(gone, HALF_RELEASE)


@dataclass(frozen=True, slots=True)
class _Order:
    """What a release is to be called, by whom it is built, and what it is built upon: the best base where none is named."""

    fingerprint: str
    run_id: str
    now: datetime
    gone_for_good: Erased
    base: Base | None = None


def _build(home: Home, recipe: Recipe, source: pl.LazyFrame, order: _Order) -> Manifest:
    started = time.monotonic()
    releases = home.releases
    with _staging(releases, order.now, order.fingerprint) as staging:
        by_scope = divided(source)
        rows_in_a_group = None if by_scope is None else ROWS_IN_A_GROUP
        written(source if by_scope is None else by_scope, staging / CHUNKS_FILE, rows_in_a_group=rows_in_a_group)
        write_contracts(staging, recipe.contracts)
        chunks = scan_file(staging / CHUNKS_FILE)
        scopes = {} if by_scope is None else scopes_of(chunks)
        total, documents = chunks.select(pl.len(), pl.col("document_id").n_unique()).pipe(collected).row(0)
        if not total:
            raise ReleaseError("there is no chunk to build a release from; every source is empty or held")
        if scopes:
            model, language = recipe.model, recipe.retrieval.language
            fill_meaning(home, staging, chunks, scopes, model.fingerprint, recipe.index)
            fill_words(staging, chunks, scopes, language)
            origin = Origin(rebuilt_because=WHY_WHOLE)
            probe = prove_divided(home, staging, chunks, scopes, model, language)
        else:
            base = order.base or choose_base(releases, recipe.model, recipe.index, chunks, order.gone_for_good)
            origin, probe = _fill(home, staging, recipe, chunks, base)
        chroma.seal(staging / CHROMA_FOLDER)
        write_canary(home, staging, chunks, recipe.model.fingerprint)
        for folder in word_folders(staging / LEXICAL_FOLDER, scopes).values():
            lexical.unlock(folder)
        manifest = Manifest(
            id=staging.name.removeprefix(STAGING),
            fingerprint=order.fingerprint,
            sequence=next_sequence(releases),
            created_at=order.now,
            run_id=order.run_id,
            documents=documents,
            chunks=total,
            model=recipe.model,
            chunker=recipe.chunker,
            cut=recipe.cut,
            index=recipe.index,
            retrieval=recipe.retrieval,
            sources=recipe.sources,
            scopes=scopes,
            chroma_version=chroma_version(),
            lexical=lexical.entry_of(recipe.retrieval.language),
            build_seconds=round(time.monotonic() - started, 3),
            origin=origin.model_copy(update={"compacted": True, "erased": order.gone_for_good.notes}),
            probe=probe,
            files={path.relative_to(staging).as_posix(): _sealed(path, staging) for path in _files(staging)},
        )
        write_json(staging / MANIFEST_FILE, manifest.model_dump(mode="json"))
        for path in [staging, *staging.rglob("*")]:
            if path.is_dir():
                sync(path)
        released(staging, releases / manifest.id)
        sync(releases)
    return manifest


def _fill(home: Home, staging: Path, recipe: Recipe, chunks: pl.LazyFrame, base: Base) -> tuple[Origin, Probe]:
    """Fills the index by difference where there is a base and the proof holds, whole otherwise."""
    folder, why_whole = staging / CHROMA_FOLDER, base.why_not
    if base.manifest:
        gone = contents(home.release(base.manifest.id), base.manifest).filter(pl.col("chunk_id").is_in(base.removed))
        try:
            with ThreadPoolExecutor(1) as beside:  # Chroma writes with one core, the tables are read with the other
                expected = beside.submit(expect, home, chunks, recipe.model, added=base.added, gone=gone)
                fill_by_difference(home, home.releases, folder, chunks, base)
                _fill_words(home.releases, staging, recipe, chunks, base)
                probe = _prove(staging, recipe, chunks, expected.result())
            if probe.recall_at_10 is not None and probe.recall_at_10 < _RECALL:
                raise ReleaseError(
                    f"recall@10 against exact search is {probe.recall_at_10:.3f}, at least {_RECALL} is wanted"
                )
            dead = base.manifest.origin.dead_slots + len(base.removed)
            made = Origin(base=base.manifest.id, added=len(base.added), removed=len(base.removed), dead_slots=dead)
            return made, probe
        except Exception as error:  # of Chroma too: the same base would be chosen again every night
            what = str(error) if isinstance(error, ReleaseError) else type(error).__name__  # others' may quote a document
            why_whole = f"the difference to {base.manifest.id} did not hold: {what}"
            log.warning("building whole: %s", why_whole)
            for part in (folder, staging / LEXICAL_FOLDER):
                shutil.rmtree(part, ignore_errors=True)
    fill_whole(home, folder, chunks, recipe.model.fingerprint, recipe.index)
    _fill_words(home.releases, staging, recipe, chunks, Base())
    return Origin(rebuilt_because=why_whole), _prove(staging, recipe, chunks, expect(home, chunks, recipe.model))


def _fill_words(releases: Path, staging: Path, recipe: Recipe, chunks: pl.LazyFrame, base: Base) -> None:
    """The lexical index: by the same difference where that of the base was made alike, whole otherwise."""
    folder, language = staging / LEXICAL_FOLDER, recipe.retrieval.language
    try:
        if base.manifest and base.manifest.lexical == lexical.entry_of(language):
            source = releases / base.manifest.id / LEXICAL_FOLDER
            brought(source.parent, LEXICAL_FOLDER)
            lexical.fill_by_difference(source, folder, chunks, language, removed=base.removed, added=base.added)
        else:
            lexical.fill_whole(folder, chunks, language)
    except ValueError as error:  # tantivy knows no other
        if says := storage_error(error, staging):
            raise ReleaseError(says) from error
        raise


def _prove(staging: Path, recipe: Recipe, chunks: pl.LazyFrame, expected: Expected) -> Probe:
    probe = prove(staging / CHROMA_FOLDER, expected)
    return prove_lexical(staging / LEXICAL_FOLDER, recipe.retrieval.language, chunks, expected, probe)


def _intact(releases: Path, wanted: str) -> Manifest | None:
    """A kept release of a fingerprint whose files are all what they were."""
    alike = (manifest for manifest in all_manifests(releases) if manifest.fingerprint == wanted)
    return next((manifest for manifest in alike if not damaged_files(releases / manifest.id, manifest)), None)


@contextmanager
def _staging(releases: Path, now: datetime, wanted: str) -> Iterator[Path]:
    """A directory to build in, named after the release it becomes; removed if the build fails."""
    for leftover in found(releases, HALF_RELEASE):
        if leftover.name.startswith(STAGING):
            log.warning("removing %s, left by a build that was stopped", leftover.name)
            remove(leftover, HALF_RELEASE)
    name = f"{now:%Y%m%d-%H%M%S}-{wanted[:8]}"
    twins = sum(path.name.startswith(name) for path in releases.iterdir())
    staging = releases / f"{STAGING}{name}{f'-{twins + 1}' if twins else ''}"
    staging.mkdir()
    try:
        yield staging
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise
    finally:
        release_memory()


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and not holds_nothing(path))


def _sealed(path: Path, staging: Path) -> FileEntry:
    """A file made durable and read-only, with its checksum; read by whom the umask lets, as it made the folder."""
    sync(path)
    path.chmod(staging.stat().st_mode & 0o444)
    return FileEntry(sha256=file_sha256(path), size_bytes=path.stat().st_size)
