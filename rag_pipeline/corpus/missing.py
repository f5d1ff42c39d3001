"""Which distinct texts have no vector yet, found and gone through without holding the corpus.

A chunk is told by its place: the number of its row in the table as it is scanned now. One bit a chunk says whether its text
is to be embedded, so a hundred million chunks take 12 MB.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rag_pipeline.corpus.control import spread
from rag_pipeline.lake import RowsFingerprint, Table, in_batches, in_buckets

_PLACE = "place"
_READ = 16_384


@dataclass(frozen=True, slots=True)
class Missing:
    """The texts that have no vector of a model, one chunk for each.

    `texts`: distinct texts there are; `count`: of them without a vector. `fingerprint`: of all hashes of texts, in order.
    `known`: hashes of some texts that have a vector. `marked`: a bit a chunk, the lowest of each byte first.
    """

    texts: int
    count: int
    fingerprint: str
    known: tuple[str, ...]
    chunks: pl.LazyFrame
    marked: NDArray[np.uint8]

    def batches(self, rows: int) -> Iterator[pl.DataFrame]:
        """The texts with their hashes (`text_hash`, `text`), `rows` at once, fewer at the end. Raises `LakeError`."""
        start, held, waiting = 0, 0, list[pl.DataFrame]()
        for batch in in_batches(self.chunks.select("text_hash", "text"), _READ):
            wanted = self.are_marked(np.arange(start, start + batch.height))
            start += batch.height
            if not wanted.any():
                continue
            waiting.append(batch.filter(pl.Series(wanted)))
            held += waiting[-1].height
            while held >= rows:
                joined = pl.concat(waiting)
                yield joined[:rows]
                waiting, held = [joined[rows:]], held - rows
        if held:
            yield pl.concat(waiting)

    def are_marked(self, places: NDArray[np.integer]) -> NDArray[np.bool_]:
        """Whether the texts of these chunks are to be embedded."""
        bits: NDArray[np.bool_] = ((self.marked[places >> 3] >> (places & 7).astype(np.uint8)) & 1).astype(bool)
        return bits

    def characters(self) -> int:
        """Characters of the texts. Reads them."""
        return sum(int(batch["text"].str.len_chars().sum()) for batch in self.batches(_READ))


def find_missing(chunks: Table, vectors: Table, model: str, folder: Path) -> Missing:
    """Compare the chunks with the vectors of a model, by buckets of texts' hashes. `folder`: for rows that are many."""
    scanned, rows = chunks.scan(), chunks.rows()
    placed = scanned.select("text_hash").with_row_index(_PLACE)
    stored = vectors.scan().filter(pl.col("model") == model).select("text_hash")
    marked, digest = np.zeros(rows // 8 + 1, dtype=np.uint8), RowsFingerprint()
    texts, count, known = 0, 0, list[str]()
    for here, there in in_buckets((placed, stored), "text_hash", max(rows, vectors.rows()), folder):
        first = here.group_by("text_hash").agg(pl.col(_PLACE).min()).sort("text_hash")
        left = first.join(there, on="text_hash", how="anti")[_PLACE].to_numpy()
        np.bitwise_or.at(marked, left >> 3, np.uint8(1) << (left & 7).astype(np.uint8))
        having = first.join(there, on="text_hash", how="semi")["text_hash"].sort()
        known += having[spread(having.len())].to_list()
        digest.add(first.select("text_hash"))
        texts, count = texts + first.height, count + len(left)
    return Missing(texts, count, digest.hex(), tuple(known[place] for place in spread(len(known))), scanned, marked)


def wrongly_stored(vectors: Table, missing: Missing, model: str, folder: Path) -> tuple[int, int]:
    """How many of the texts that were missing have no vector still, and how many have more than one."""
    stored = vectors.scan().filter(pl.col("model") == model).select("text_hash")
    places = missing.chunks.select("text_hash").with_row_index(_PLACE)
    none = several = 0
    for here, there in in_buckets((places, stored), "text_hash", max(8 * len(missing.marked), vectors.rows()), folder):
        wanted = here.filter(pl.Series(missing.are_marked(here[_PLACE].to_numpy())))
        counts = wanted.join(there.group_by("text_hash").len(), on="text_hash", how="left")["len"]
        none, several = none + counts.null_count(), several + int((counts > 1).sum())
    return none, several
