"""Building a release: an immutable, complete, queryable directory, proved before it gets its name.

Everything happens in a staging directory beside the releases; the last step is one rename. A killed build leaves
a staging directory, which the next build removes.
"""

import importlib.metadata
import json
import logging
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from rag_pipeline.corpus.tables import chunks_table, vectors_table
from rag_pipeline.errors import ReleaseError
from rag_pipeline.files import exclusive, file_sha256, fingerprint, fingerprint_lines, sync, write_json
from rag_pipeline.index import chroma
from rag_pipeline.index.manifest import (
    FILE,
    FileEntry,
    IndexParameters,
    Manifest,
    ModelEntry,
    Probe,
    RetrievalParameters,
    SourceEntry,
    all_manifests,
)
from rag_pipeline.memory import give_back
from rag_pipeline.progress import progress

log = logging.getLogger("rag_pipeline")

_PROBE = 200
"""Records looked up by their own vector after a build."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a release is made of, apart from chunks and vectors, which lie in the lake."""

    model: ModelEntry
    chunker: str
    sources: dict[str, SourceEntry]
    index: IndexParameters = IndexParameters()
    retrieval: RetrievalParameters = RetrievalParameters()


@dataclass(frozen=True, slots=True)
class Built:
    """A release, and whether this call built it (`False`: one with the same fingerprint was there)."""

    manifest: Manifest
    new: bool


def release_fingerprint(home: Path, recipe: Recipe) -> str:
    """Hash of (sorted chunk ids with payload hashes, model, index and retrieval parameters)."""
    rows = chunks_table(home).scan().select("chunk_id", "payload_hash").collect().sort("chunk_id")
    content = fingerprint_lines(f"{chunk} {payload}" for chunk, payload in rows.iter_rows())
    parameters = [recipe.index.model_dump(), recipe.retrieval.model_dump()]
    return fingerprint(content, recipe.model.fingerprint, parameters)


def build_release(home: Path, recipe: Recipe, *, run_id: str, now: datetime) -> Built:
    """The release of the chunks and vectors stored now; built only if no kept release has its fingerprint.

    Raises `ReleaseError` when a chunk has no vector, there is no chunk at all, or the proof fails.
    """
    releases = home / "releases"
    with exclusive(releases, "build", wait_s=3600), exclusive(home / "lake", "chunks", wait_s=600):
        wanted = release_fingerprint(home, recipe)
        for manifest in all_manifests(releases):
            if manifest.fingerprint == wanted:
                return Built(manifest, new=False)
        for leftover in releases.glob(".staging-*"):
            log.warning("removing %s, left by a build that was stopped", leftover.name)
            shutil.rmtree(leftover)
        release_id = f"{now:%Y%m%d-%H%M%S}-{wanted[:8]}"
        staging = releases / f".staging-{release_id}"
        try:
            manifest = _build(home, staging, recipe, release_id, wanted, run_id, now)
            staging.rename(releases / release_id)
            sync(releases)
        except BaseException:
            shutil.rmtree(staging, ignore_errors=True)
            raise
        finally:
            give_back()
        return Built(manifest, new=True)


def _build(home: Path, staging: Path, recipe: Recipe, release_id: str, wanted: str, run_id: str, now: datetime) -> Manifest:
    started = time.monotonic()
    folder = staging / chroma.FOLDER
    folder.mkdir(parents=True)
    total = chunks_table(home).scan().select(pl.len()).collect().item()
    if not total:
        raise ReleaseError("there is no chunk to build a release from; every source is empty or held")
    ids: list[str] = []
    with chroma.writer(folder, recipe.index, total) as collection, progress("building", total, unit="chunks") as advance:
        for frame in _chunks_with_vectors(home, recipe.model.fingerprint, chroma.batch_rows(total)):
            collection.add(
                ids=frame["chunk_id"].to_list(),
                embeddings=_matrix(frame),
                documents=frame["text"].to_list(),
                metadatas=[_metadata(row) for row in frame.iter_rows(named=True)],
            )
            ids += frame["chunk_id"].to_list()
            advance(frame.height)
    probe = prove(home, folder, ids, recipe.model.fingerprint)
    documents = chunks_table(home).scan().select(pl.col("document_id").n_unique()).collect().item()
    manifest = Manifest(
        id=release_id,
        fingerprint=wanted,
        created_at=now,
        run_id=run_id,
        documents=documents,
        chunks=len(ids),
        model=recipe.model,
        chunker=recipe.chunker,
        index=recipe.index,
        retrieval=recipe.retrieval,
        sources=recipe.sources,
        chroma_version=importlib.metadata.version("chromadb"),
        build_seconds=round(time.monotonic() - started, 3),
        probe=probe,
        files={path.relative_to(staging).as_posix(): _sealed(path) for path in _files(staging)},
    )
    write_json(staging / FILE, manifest.model_dump(mode="json"))
    for path in [staging, *staging.rglob("*")]:
        if path.is_dir():
            sync(path)
    return manifest


def prove(home: Path, folder: Path, expected: list[str], model: str) -> Probe:
    """Open the closed files as a reader does and look: the ids both ways, and a sample found by its own vector.

    Counting proves nothing (6,000 counted with 5,000 reachable was seen). Raises `ReleaseError`.
    """
    with chroma.view(folder, home / "views") as view, chroma.client(view) as opened:
        collection = opened.get_collection(chroma.COLLECTION, embedding_function=None)
        stored = set(collection.get(include=[])["ids"])
        if stored != set(expected) or len(expected) != len(stored):
            lost, extra = len(set(expected) - stored), len(stored - set(expected))
            raise ReleaseError(f"the built index does not hold what was put in: {lost} ids lost, {extra} not expected")
        sample = sorted(expected)[:: max(1, len(expected) // _PROBE)][:_PROBE]
        rows = (
            chunks_table(home)
            .scan()
            .filter(pl.col("chunk_id").is_in(sample))
            .select("chunk_id", "text_hash")
            .join(vectors_table(home).scan().filter(pl.col("model") == model), on="text_hash")
            .unique("chunk_id")
            .collect()
        )
        nearest = collection.query(query_embeddings=_matrix(rows), n_results=1, include=["distances"])["distances"]
        found = sum(bool(distances) and distances[0] < 1e-4 for distances in nearest)
    if found < len(sample):
        raise ReleaseError(f"{len(sample) - found} of {len(sample)} records cannot be found by their own vector")
    return Probe(
        ids_expected=len(expected),
        ids_stored=len(stored),
        self_retrieval_asked=len(sample),
        self_retrieval_found=found,
    )


def _chunks_with_vectors(home: Path, model: str, rows: int) -> Iterator[pl.DataFrame]:
    """Chunks with their vector, `rows` at a time."""
    vectors = vectors_table(home).scan().filter(pl.col("model") == model).select("text_hash", "vector").unique("text_hash")
    chunks = chunks_table(home)
    joined = chunks.scan().join(vectors, on="text_hash", how="left")
    for frame in chunks.batches(joined, rows):
        if missing := frame["vector"].null_count():
            raise ReleaseError(f"{missing} chunks have no vector; materialize corpus/embeddings first")
        yield frame


def _matrix(frame: pl.DataFrame) -> Any:
    flat: Any = frame["vector"].explode().to_numpy()
    return np.ascontiguousarray(flat, dtype=np.float32).reshape(frame.height, -1)


def _metadata(row: dict[str, Any]) -> dict[str, Any]:
    """A chunk's payload as Chroma metadata, which knows scalars only and no null."""
    own = {name: value for name, value in json.loads(row["metadata"]).items() if isinstance(value, str | int | float)}
    fixed = {
        name: row[name] for name in ("document_id", "source", "title", "uri", "heading", "start", "end", "payload_hash")
    }
    return own | {name: value for name, value in fixed.items() if value is not None}


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _sealed(path: Path) -> FileEntry:
    """A file made durable and read-only, with its checksum."""
    sync(path)
    path.chmod(0o444)
    return FileEntry(sha256=file_sha256(path), size_bytes=path.stat().st_size)
