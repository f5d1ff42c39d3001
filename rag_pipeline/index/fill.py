"""Filling a Chroma directory: whole, from stored vectors, or by copying a base and applying the difference."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from rag_pipeline.corpus.read_vectors import few_with_vectors, matrix, with_vectors
from rag_pipeline.errors import ReleaseError
from rag_pipeline.home import CHROMA_FOLDER, Home
from rag_pipeline.index import chroma
from rag_pipeline.index.base import Base
from rag_pipeline.index.manifest import IndexParameters
from rag_pipeline.index.views import copy_part
from rag_pipeline.lake import collected
from rag_pipeline.progress import progress

if TYPE_CHECKING:
    from chromadb.api.models.Collection import Collection

_DELETE_IDS = 1_000


def fill_whole(home: Home, folder: Path, chunks: pl.LazyFrame, model: str, parameters: IndexParameters) -> None:
    """A new collection at `folder` that holds the chunks."""
    total = int(chunks.select(pl.len()).pipe(collected).item())
    with chroma.writer(folder, parameters, total) as collection:
        add_to(collection, with_vectors(home, chunks, model, chroma.batch_rows(total)), total)
    chroma.compact(folder)
    chroma.clear_unused_slots(folder)


def fill_by_difference(home: Home, releases: Path, folder: Path, chunks: pl.LazyFrame, base: Base) -> None:
    """A copy of the base's collection at `folder`, less what left, with what came; a changed payload is both.

    No text of what left stays in it. Its vectors do, in the dead slots of the graph.
    """
    if base.manifest is None:
        raise ReleaseError(f"there is no release to build upon: {base.why_not}")
    copy_part(releases / base.manifest.id, base.manifest, CHROMA_FOLDER, folder)
    if not base.removed and not base.added:  # other ways to retrieve from the same records
        if not base.manifest.origin.compacted:
            chroma.compact(folder)
        return
    with chroma.editor(folder, len(base.removed) + len(base.added)) as collection:
        for start in range(0, len(base.removed), _DELETE_IDS):
            collection.delete(ids=base.removed[start : start + _DELETE_IDS])
        new = chunks.filter(pl.col("chunk_id").is_in(base.added)).pipe(collected)
        rows = few_with_vectors(home, new, base.manifest.model.fingerprint)
        slices = rows.iter_slices(chroma.batch_rows(rows.height))
        add_to(collection, ((part, matrix(part)) for part in slices), rows.height)
    if base.removed or not base.manifest.origin.compacted:
        chroma.compact(folder)
    chroma.clear_unused_slots(folder)


def add_to(collection: "Collection", frames: Iterable[tuple[pl.DataFrame, Any]], total: int) -> None:
    """Add chunks to a collection. `frames`: chunks and their vectors, float32, shape (rows, dimensions)."""
    if not total:
        return
    with progress("building", total, unit="chunks") as advance:
        for frame, vectors in frames:
            collection.add(
                ids=frame["chunk_id"].to_list(),
                embeddings=vectors,
                documents=frame["text"].to_list(),
                metadatas=[_metadata(row) for row in frame.iter_rows(named=True)],
            )
            advance(frame.height)


def _metadata(row: dict[str, Any]) -> dict[str, Any]:
    """A chunk's payload as Chroma metadata, which knows scalars only and no null."""
    own = {name: value for name, value in json.loads(row["metadata"]).items() if isinstance(value, str | int | float)}
    fixed = {
        name: row[name] for name in ("document_id", "source", "title", "uri", "heading", "start", "end", "payload_hash")
    }
    return own | {name: value for name, value in fixed.items() if value is not None}
