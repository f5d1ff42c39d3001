"""Stored vectors of a release's chunks, without holding them: read once from the table, then in any order from a file.

A release of a million chunks has 1.5 GB of vectors beside the graph that is made of them, so no stage keeps them all.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from rag_pipeline.corpus.model import Vectors
from rag_pipeline.corpus.sound import other_vectors
from rag_pipeline.corpus.tables import VECTORS, vectors_table
from rag_pipeline.errors import ReleaseError
from rag_pipeline.home import Home
from rag_pipeline.lake import collected, guarded, plain

_READ_ROWS = 8_192
_VECTOR = pa.schema([VECTORS.field("text_hash"), VECTORS.field("vector")])
_NUMBER_BYTES = 4


@dataclass(frozen=True, slots=True)
class Spool:
    """The vectors of some texts, each once, in a file that has no name and goes with its process."""

    hashes: pl.Series
    """Hashes of the texts, distinct, in ascending order; a text is known by its place in here."""
    rows: NDArray[np.int64]
    """Place of a text -> row of the file; -1 where the table has no vector of it."""
    width: int
    _file: int

    @property
    def missing(self) -> NDArray[np.bool_]:
        """Place of a text -> whether the table has no vector of it."""
        return self.rows < 0

    def places(self, hashes: pl.Series) -> NDArray[np.int64]:
        """Text hash -> place of the text; -1 where it is none of these."""
        return _places(self.hashes, hashes)

    def of(self, hashes: pl.Series) -> Vectors:
        """The vectors of texts that all have one, in the order of `hashes`."""
        found = np.empty((len(hashes), self.width), dtype=np.float32)
        for vector, row in zip(found, self.rows[self.places(hashes)].tolist(), strict=True):
            self._read(vector, row)
        return found

    def blocks(self) -> Iterator[tuple[NDArray[np.int64], Vectors]]:
        """Every vector once, thousands at a time, with the places of their texts."""
        order = np.flatnonzero(~self.missing)
        order = order[np.argsort(self.rows[order])]
        for start in range(0, len(order), _READ_ROWS):
            places = order[start : start + _READ_ROWS]
            vectors = np.empty((len(places), self.width), dtype=np.float32)
            rows = self.rows[places]
            if rows[-1] - rows[0] == len(rows) - 1:
                self._read(vectors, int(rows[0]))
            else:
                for vector, row in zip(vectors, rows.tolist(), strict=True):
                    self._read(vector, row)
            yield places, vectors

    def only(self, hashes: pl.Series) -> "Spool":
        """The same file, for some of its texts: `hashes`, distinct and in ascending order."""
        return replace(self, hashes=hashes, rows=self.rows[self.places(hashes)])

    def _read(self, into: Vectors, row: int) -> None:
        if os.preadv(self._file, [into.data], row * self.width * _NUMBER_BYTES) != into.nbytes:
            raise ReleaseError(
                "vectors set aside in RAG_HOME cannot be read back whole; look at its disk, then run it again"
            )


@contextmanager
def spooled(home: Home, model: str, hashes: pl.Series, width: int | None = None) -> Iterator[Spool]:
    """The vectors of the texts with these hashes, in one pass over the table.

    Raises `ReleaseError` when those of the model are not all of one length, or not `width` numbers long.
    """
    import pyarrow.compute as pc  # here and below: whoever loads the definitions need not wait for it

    wanted = hashes.unique().sort()
    rows, count = np.full(len(wanted), -1, dtype=np.int64), 0
    with tempfile.TemporaryFile(dir=home.root) as file:
        for batch in vector_batches(home, model):
            lengths = pc.unique(pc.list_value_length(batch["vector"])).to_pylist()
            width = lengths[0] if width is None and lengths else width
            if set(lengths) - {width}:
                raise ReleaseError(f"a stored vector is not {width} numbers long; the vectors table is damaged")
            places = _places(wanted, _series(batch["text_hash"]))
            first = np.zeros(len(places), dtype=bool)
            first[np.unique(places, return_index=True)[1]] = True  # a vector that is stored twice counts once
            new = first & (places >= 0)
            new[new] = rows[places[new]] < 0
            used = batch["vector"].flatten().to_numpy().reshape(len(places), -1)[new]
            file.write(np.ascontiguousarray(used, dtype=np.float32).data)
            rows[places[new]] = np.arange(count, count + len(used))
            count += len(used)
        file.flush()
        yield Spool(wanted, rows, width or 0, file.fileno())


def with_vectors(home: Home, chunks: pl.LazyFrame, model: str, rows: int) -> Iterator[tuple[pl.DataFrame, Vectors]]:
    """Chunks and the vectors of their texts, `rows` at a time. Raises `ReleaseError` when one has none."""
    hashes = chunks.select("text_hash").pipe(collected).to_series()
    with spooled(home, model, hashes) as spool:
        all_there(spool, hashes)
        del hashes
        for frame in vectors_table(home).batches(chunks, rows):
            yield frame, spool.of(frame["text_hash"])


def few_with_vectors(home: Home, chunks: pl.DataFrame, model: str) -> pl.DataFrame:
    """A few chunks with the `vector` of their text, reading only files that hold one: what is new lies in the newest."""
    import pyarrow.compute as pc

    wanted = pa.array(chunks["text_hash"].unique().to_list(), pa.string())
    found = []
    for file in _files(home, model):
        held = file.to_table(columns=["text_hash"])["text_hash"].cast(pa.string())  # joined files hold views
        if pc.any(pc.is_in(held, value_set=wanted)).as_py():
            for batch in _batches(home, file):
                rows = pa.Table.from_batches([batch]).select(_VECTOR.names).cast(_VECTOR)
                found.append(rows.filter(pc.is_in(rows["text_hash"], value_set=wanted)))
    vectors = pl.DataFrame(pa.concat_tables([_VECTOR.empty_table(), *found])).unique("text_hash")
    frame = chunks.join(vectors, on="text_hash", how="left", maintain_order="left")
    require_vectors(frame["vector"].null_count())
    return frame


def vector_batches(home: Home, model: str) -> Iterator[pa.RecordBatch]:
    """Text hashes and vectors of a model, in no order, thousands at a time: Arrow reads lists thrice as fast as Polars."""
    for file in _files(home, model):
        yield from _batches(home, file)


def matrix(frame: pl.DataFrame) -> Any:
    """The vectors of a frame as one array, float32, shape (rows, dimensions).

    Raises `ReleaseError` when they are not all of one length.
    """
    if frame["vector"].list.len().n_unique() > 1:
        raise ReleaseError("the stored vectors are not all of one length; the vectors table is damaged")
    flat: Any = frame["vector"].explode().to_numpy()
    return np.ascontiguousarray(flat, dtype=np.float32).reshape(frame.height, -1)


def _files(home: Home, model: str) -> list[Any]:
    """The files of the vectors table that hold vectors of a model."""
    import pyarrow.dataset as ds
    from pyarrow.fs import LocalFileSystem

    parquet, disk = ds.ParquetFileFormat(), LocalFileSystem()
    return [parquet.make_fragment(str(path), disk) for path in vectors_table(home).files(model=model)]


def _batches(home: Home, file: Any) -> Iterator[pa.RecordBatch]:
    """Text hashes and vectors of a file. Raises `ReleaseError` when one is not what was written."""
    table = vectors_table(home)
    with guarded(table.path, "read"):
        columns = [name for name in (*_VECTOR.names, "crc32") if name in file.physical_schema.names]
        batches = file.to_batches(columns=columns, batch_size=_READ_ROWS, batch_readahead=2, fragment_readahead=1)
    while True:
        with guarded(table.path, "read"):
            batch = next(batches, None)
        if batch is None:
            return
        if wrong := int(other_vectors(batch).sum()):
            raise ReleaseError(
                f"{wrong} stored vectors are not what was written: the vectors table is damaged ({Path(file.path).name}); "
                "`rag verify --repair` deletes them, the next refresh embeds their texts again"
            )
        yield plain(batch.select(_VECTOR.names))


def _places(ordered: pl.Series, hashes: pl.Series) -> NDArray[np.int64]:
    """Where each hash stands among distinct ones in ascending order; -1 where it does not."""
    if ordered.is_empty():
        return np.full(len(hashes), -1, dtype=np.int64)
    near = ordered.search_sorted(hashes).cast(pl.Int64).clip(upper_bound=len(ordered) - 1)
    found: NDArray[np.int64] = np.where(ordered.gather(near) == hashes, near, -1)
    return found


def _series(column: pa.Array) -> pl.Series:
    return pl.Series(values=column)


def all_there(spool: Spool, hashes: pl.Series) -> None:
    """Raises `ReleaseError` when one of these texts has no vector."""
    require_vectors(int(spool.missing[spool.places(hashes)].sum()))


def require_vectors(missing: int) -> None:
    """Raises `ReleaseError` when chunks have no vector. `missing`: how many."""
    if missing:
        raise ReleaseError(f"{missing} chunks have no vector; materialize corpus/embeddings first")
