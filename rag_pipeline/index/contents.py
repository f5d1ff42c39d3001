"""What a release holds, row by row: `chunks.parquet` in its directory, written before anything is built from it.

It makes a release self-sufficient: the next one is a difference to it, a damaged one is rebuilt from it, and its
fingerprint can be computed again from what lies in it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from rag_pipeline.corpus.tables import VECTORS, vectors_table
from rag_pipeline.errors import ReleaseError
from rag_pipeline.files import fingerprint_lines
from rag_pipeline.index.manifest import Manifest

FILE = "chunks.parquet"

_ID = ("chunk_id", "payload_hash")


def contents(release: Path, manifest: Manifest) -> pl.LazyFrame:
    """The chunks a kept release holds, one row each.

    Raises `ReleaseError` when they are not, to the byte, the ones it was built from: a torn Parquet file can be read as
    other values, and can take the process down that reads it.
    """
    entry = manifest.files.get(FILE)
    if entry is None or not (release / FILE).is_file():
        raise ReleaseError(f"{manifest.id} does not have {FILE}, so it can be neither built upon nor repaired")
    if not entry.is_of(release / FILE):
        raise ReleaseError(f"its {FILE} is not the one it was built from ({manifest.id})")
    return pl.scan_parquet(release / FILE)


@dataclass(frozen=True, slots=True)
class Chunk:
    """One chunk as it was put into a release. `start`, `end`: characters into its document."""

    document_id: str
    source: str
    title: str
    uri: str | None
    heading: str
    start: int
    end: int
    text: str


def look_up(chunks: pl.LazyFrame, chunk_ids: Iterable[str]) -> dict[str, Chunk]:
    """Chunk id -> chunk, of those among `chunk_ids` that are there, in one pass over the rows."""
    wanted = pl.col("chunk_id").is_in(pl.Series(sorted(set(chunk_ids)), dtype=pl.String).implode())
    rows = chunks.filter(wanted).select("chunk_id", *Chunk.__slots__).collect()
    return {row[0]: Chunk(*row[1:]) for row in rows.iter_rows()}


def content_fingerprint(chunks: pl.LazyFrame) -> str:
    """Hash of sorted (chunk id, payload hash): what is served, whatever order it was stored in."""
    rows = chunks.select(_ID).collect().sort("chunk_id")
    return fingerprint_lines(f"{chunk} {payload}" for chunk, payload in rows.iter_rows())


def difference(base: pl.LazyFrame, wanted: pl.LazyFrame) -> tuple[list[str], list[str]]:
    """Chunk ids to remove from `base` and to add to it so that it holds `wanted`; one whose payload changed is in both."""
    before, after = base.select(_ID).collect(), wanted.select(_ID).collect()
    removed = before.join(after, on=_ID, how="anti")["chunk_id"].to_list()
    added = after.join(before, on=_ID, how="anti")["chunk_id"].to_list()
    return removed, added


def with_vectors(home: Path, chunks: pl.LazyFrame, model: str, rows: int) -> Iterator[pl.DataFrame]:
    """Chunks with the `vector` of their text, `rows` at a time. Raises `ReleaseError` when one has none."""
    table = vectors_table(home)
    vectors = table.scan().filter(pl.col("model") == model).select("text_hash", "vector").unique("text_hash")
    for frame in table.batches(chunks.join(vectors, on="text_hash", how="left"), rows):
        yield _complete(frame)


def few_with_vectors(home: Path, chunks: pl.DataFrame, model: str) -> pl.DataFrame:
    """The same for a few chunks, reading only files that hold one: what is new lies in the newest."""
    wanted = pa.array(chunks["text_hash"].unique().to_list(), pa.string())
    found = []
    for file in _files(home, model):
        if pc.any(pc.is_in(file.to_table(columns=["text_hash"])["text_hash"], value_set=wanted)).as_py():
            batches = file.to_batches(columns=_VECTOR.names)
            found += [batch.filter(pc.is_in(batch["text_hash"], value_set=wanted)) for batch in batches]
    vectors = pl.DataFrame(pa.Table.from_batches(found, _VECTOR)).unique("text_hash")
    return _complete(chunks.join(vectors, on="text_hash", how="left", maintain_order="left"))


def vector_batches(home: Path, model: str) -> Iterator[pa.RecordBatch]:
    """Text hashes and vectors of a model, in no order, thousands at a time: Arrow reads lists thrice as fast as Polars."""
    for file in _files(home, model):
        yield from file.to_batches(columns=_VECTOR.names, batch_size=8_192)


def _files(home: Path, model: str) -> list[Any]:
    """The files of the vectors table that hold vectors of a model."""
    table = vectors_table(home)
    return list(table.delta().to_pyarrow_dataset().get_fragments(filter=pc.field("model") == model)) if table.exists else []


_VECTOR = pa.schema([VECTORS.field("text_hash"), VECTORS.field("vector")])


def _complete(frame: pl.DataFrame) -> pl.DataFrame:
    if missing := frame["vector"].null_count():
        raise ReleaseError(f"{missing} chunks have no vector; materialize corpus/embeddings first")
    return frame


def matrix(frame: pl.DataFrame) -> Any:
    """The vectors of a frame as one array, float32, shape (rows, dimensions).

    Raises `ReleaseError` when they are not all of one length.
    """
    if frame["vector"].list.len().n_unique() > 1:
        raise ReleaseError("the stored vectors are not all of one length; the vectors table is damaged")
    flat: Any = frame["vector"].explode().to_numpy()
    return np.ascontiguousarray(flat, dtype=np.float32).reshape(frame.height, -1)
