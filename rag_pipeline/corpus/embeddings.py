"""Keeping a vector for every chunk's text, embedding each text once: across sources, runs and releases."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa

from rag_pipeline.corpus.model import Encoder, Model, Vectors, usable
from rag_pipeline.corpus.tables import VECTORS, chunks_table, vectors_table
from rag_pipeline.files import exclusive, fingerprint_lines
from rag_pipeline.lake import Table
from rag_pipeline.memory import give_back
from rag_pipeline.progress import progress

log = logging.getLogger("rag_pipeline")

_READ_CHUNKS = 4_096
"""Texts looked at together and sorted by length, so that a batch holds texts of one length."""

_ENCODE = 256
_COMMIT_EVERY_S = 20.0
"""A killed run loses at most this much embedding."""


@dataclass(frozen=True, slots=True)
class EmbeddingReport:
    """What one update of the vectors table did."""

    texts: int
    embedded: int
    reused: int
    model: str
    texts_fingerprint: str
    seconds: float


def update_embeddings(home: Path, model: Model, load: Callable[[], Encoder]) -> EmbeddingReport:
    """Embed the distinct chunk texts that have no vector of this model yet. The model is loaded only if there are any."""
    started = time.monotonic()
    with exclusive(home / "lake", "vectors", wait_s=3600):
        table = vectors_table(home)
        texts = chunks_table(home).scan().select("text_hash").unique().collect()
        stored = table.scan().filter(pl.col("model") == model.fingerprint).select("text_hash").unique().collect()
        missing = set(texts.join(stored, on="text_hash", how="anti")["text_hash"])
        if missing:
            give_back()
            _embed(table, home, model, load(), set(missing))
            give_back()
        return EmbeddingReport(
            texts=texts.height,
            embedded=len(missing),
            reused=texts.height - len(missing),
            model=model.fingerprint,
            texts_fingerprint=fingerprint_lines(texts["text_hash"].sort()),
            seconds=time.monotonic() - started,
        )


def _embed(table: Table, home: Path, model: Model, encoder: Encoder, missing: set[str]) -> None:
    pending: list[pa.Table] = []
    last_commit = time.monotonic()

    def commit() -> None:
        if pending:
            table.append(pa.concat_tables(pending))
            pending.clear()

    chunks = chunks_table(home).scan().select("text_hash", "text")
    with progress("embedding", len(missing), unit="texts") as advance:
        for batch in table.batches(chunks, _READ_CHUNKS):
            todo = {text_hash: text for text_hash, text in batch.iter_rows() if text_hash in missing}
            missing.difference_update(todo)
            rows = sorted(todo.items(), key=lambda row: len(row[1]))
            for start in range(0, len(rows), _ENCODE):
                part = rows[start : start + _ENCODE]
                vectors = usable(encoder.documents([text for _, text in part]), len(part))
                pending.append(_rows(model.fingerprint, [text_hash for text_hash, _ in part], vectors))
                advance(len(part))
                if time.monotonic() - last_commit >= _COMMIT_EVERY_S:
                    commit()
                    give_back()
                    last_commit = time.monotonic()
        commit()


def _rows(model: str, hashes: list[str], vectors: Vectors) -> pa.Table:
    width = vectors.shape[1]
    offsets = pa.array(np.arange(0, (len(hashes) + 1) * width, width, dtype=np.int32))
    values = pa.ListArray.from_arrays(offsets, pa.array(vectors.reshape(-1)))
    return pa.Table.from_arrays([pa.array([model] * len(hashes)), pa.array(hashes), values], schema=VECTORS)
