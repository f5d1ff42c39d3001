"""Which documents are to be cut, and of which the chunks go, found and gone through without holding the ids of all.

A document is told by its place: the number of its row in the tables as they are scanned now. One bit a document says whether
it is to be cut; the ids of those whose chunks go wait in a file without a name.
"""

import json
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import IO

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rag_pipeline.home import Home
from rag_pipeline.ingest.tables import source_tables
from rag_pipeline.lake import Table, guarded, in_batches, in_buckets, spread

_FEW = 100_000
"""Up to so many documents are looked up by their ids; beyond, all are read."""
_READ_IDS = 262_144

_PLACE, _KEY = "place", "key"
_CUT = ("document_id", "document_hash", "chunker", "source")


@dataclass(slots=True)
class Outdated:
    """What is to be done to the chunks. `marked`: a bit a document, the lowest of each byte first."""

    frame: pl.LazyFrame
    """The documents of all sources, with their `source`."""
    marked: NDArray[np.uint8]
    removed_ids: IO[bytes]
    documents: int = 0
    to_cut: Counter[str] = field(default_factory=Counter)
    """Source -> documents of it that are to be cut."""
    stored: int = 0
    """Documents that have chunks."""
    removed: int = 0
    """Those of them whose chunks go."""

    def cut(self, rows: int) -> Iterator[pl.DataFrame]:
        """The documents that are to be cut, `rows` at once at most. Raises `LakeError`."""
        if not self.to_cut:
            return
        if self.to_cut.total() <= _FEW:
            ids = pl.concat(list(self._marked(self.frame.select("document_id"), _READ_IDS)))["document_id"]
            yield from in_batches(self.frame.filter(pl.col("document_id").is_in(ids.implode())), rows)
        else:
            yield from self._marked(self.frame, rows)

    def ids_removed(self, at_once: int) -> Iterator[list[str]]:
        """The documents whose chunks go, each once."""
        self.removed_ids.seek(0)
        ids = (str(json.loads(line)) for line in self.removed_ids)
        while some := list(islice(ids, at_once)):
            yield some

    def _marked(self, frame: pl.LazyFrame, rows: int) -> Iterator[pl.DataFrame]:
        start = 0
        for batch in in_batches(frame, rows):
            places = np.arange(start, start + batch.height)
            start += batch.height
            bits = ((self.marked[places >> 3] >> (places & 7).astype(np.uint8)) & 1).astype(bool)
            if bits.any():
                yield batch.filter(pl.Series(bits))


@contextmanager
def outdated(home: Home, sources: list[str], table: Table, chunkers: Mapping[str, str]) -> Iterator[Outdated]:
    """Compare the documents with the chunks that are stored, by buckets of ids. `chunkers`: source -> how it is to be cut.

    Raises `LakeError`.
    """
    tables = {source: source_tables(home, source).documents for source in sorted(sources)}
    frame = pl.concat([one.scan().with_columns(source=pl.lit(source)) for source, one in tables.items()])
    documents = sum(one.rows() for one in tables.values())
    with guarded(home.scratch, "written"):
        home.scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=home.scratch) as file:
        found = Outdated(frame, np.zeros(documents // 8 + 1, dtype=np.uint8), file)
        wanted = frame.select("document_id", "content_hash", "source").with_row_index(_PLACE)
        ways, key = _ways(table.scan()), spread("document_id").alias(_KEY)
        frames = (wanted.with_columns(key), ways.with_columns(key))
        for here, there in in_buckets(frames, _KEY, max(documents, table.rows()), home.scratch):
            _compare(here, there, chunkers, found)
        yield found


def _ways(chunks: pl.LazyFrame) -> pl.LazyFrame:
    """Every chunk: how its document was cut, into how many chunks, and that this one was found."""
    return chunks.select(*_CUT, "parts", found=pl.lit(1, dtype=pl.Int64))


def _compare(wanted: pl.DataFrame, chunks: pl.DataFrame, chunkers: Mapping[str, str], found: Outdated) -> None:
    # Every way each document is stored cut, with the chunks it was cut into and the chunks found.
    stored = chunks.group_by(*_CUT).agg(pl.col("parts").max(), pl.col("found").sum())
    cut_by = pl.col("source").replace_strict(dict(chunkers), default="", return_dtype=pl.String)
    whole = (pl.col("chunker") == cut_by) & (pl.col("parts") == pl.col("found"))
    current = stored.filter(whole & (pl.len().over("document_id") == 1))  # a lost commit can leave it cut in two ways
    left = wanted.join(
        current, left_on=["document_id", "content_hash"], right_on=["document_id", "document_hash"], how="anti"
    )
    places = left[_PLACE].to_numpy()
    np.bitwise_or.at(found.marked, places >> 3, np.uint8(1) << (places & 7).astype(np.uint8))
    gone = stored.join(wanted, on="document_id", how="anti")["document_id"]
    recut = stored.join(left, on="document_id", how="semi")["document_id"]
    removed = pl.concat([gone, recut]).unique()
    found.removed_ids.writelines(json.dumps(one).encode() + b"\n" for one in removed)
    found.documents += wanted.height
    found.to_cut.update(dict(left["source"].value_counts().iter_rows()))
    found.stored += stored["document_id"].n_unique()
    found.removed += removed.len()
