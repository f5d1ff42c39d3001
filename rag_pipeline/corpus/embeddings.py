"""Keeping a vector for every chunk's text, embedding each text once: across sources, runs and releases."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
import pyarrow as pa

from rag_pipeline.corpus.canary import Canary, spread, trusted
from rag_pipeline.corpus.model import Encoder, Model, usable
from rag_pipeline.corpus.sound import unsound_vectors, vector_rows
from rag_pipeline.corpus.tables import chunks_table, vectors_table
from rag_pipeline.home import Home
from rag_pipeline.lake import Table, collected, fingerprint_rows
from rag_pipeline.process import release_memory
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


def update_embeddings(home: Home, model: Model, load: Callable[[], Encoder]) -> EmbeddingReport:
    """Embed the distinct chunk texts that have no vector of this model yet. The model is loaded only if there are any."""
    started = time.monotonic()
    with home.exclusive_table(home.vectors, wait_s=3600):
        table = vectors_table(home)
        table.heal()
        texts = _texts(home)
        stored = table.scan().filter(pl.col("model") == model.fingerprint).select("text_hash").pipe(collected)
        missing = texts.join(stored, on="text_hash", how="anti")
        report = EmbeddingReport(
            texts=texts.height,
            embedded=missing.height,
            reused=texts.height - missing.height,
            model=model.fingerprint,
            texts_fingerprint=fingerprint_rows(texts.select(pl.col("text_hash").sort())),
            seconds=0.0,
        )
        canary = _canary(table, home, model, texts.join(stored, on="text_hash", how="semi")) if missing.height else None
        del texts, stored
        if canary:
            release_memory()
            _embed(table, home, model, trusted(model, load, canary), missing)
            release_memory()
        return replace(report, seconds=time.monotonic() - started)


def _canary(table: Table, home: Home, model: Model, known: pl.DataFrame) -> Canary:
    """Some of the texts that have a vector of this model: what embeds the others must give the same. None at first."""
    chosen = known.sort("text_hash")[spread(known.height)]
    here = pl.col("chunk_id").is_in(chosen["chunk_id"].implode())
    texts = chunks_table(home).scan().filter(here).select("text_hash", "text").pipe(collected)
    stored = pl.col("text_hash").is_in(chosen["text_hash"].implode()) & (pl.col("model") == model.fingerprint)
    vectors = _sound(table.scan().filter(stored).pipe(collected)).unique("text_hash")
    rows = texts.join(vectors, on="text_hash", how="inner")
    return Canary("the texts embedded before", rows["text"].to_list(), np.array(rows["vector"].to_list(), dtype=np.float32))


def _sound(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows whose vectors are what was written. Others say nothing about the model; a build that meets them says so."""
    sound = [pl.Series(~unsound_vectors(batch)) for batch in rows.to_arrow().combine_chunks().to_batches()]
    return rows.filter(pl.concat(sound)) if sound else rows


def _texts(home: Home) -> pl.DataFrame:
    """Each distinct text by its hash, with one of the chunks that have it."""
    return chunks_table(home).scan().group_by("text_hash").agg(pl.col("chunk_id").min()).pipe(collected)


def _embed(table: Table, home: Home, model: Model, encoder: Encoder, missing: pl.DataFrame) -> None:
    """`missing`: a text hash a row, and the chunk to read its text from."""
    pending: list[pa.Table] = []
    last_commit = time.monotonic()

    def commit() -> None:
        if pending:
            table.append(pa.concat_tables(pending))
            pending.clear()

    wanted = missing.lazy().select("chunk_id")
    texts = chunks_table(home).scan().select("chunk_id", "text_hash", "text").join(wanted, on="chunk_id", how="semi")
    characters = texts.select(pl.col("text").str.len_chars().sum()).pipe(collected).item()  # long texts take longer
    with progress("embedding", missing.height, unit="texts", work=characters) as advance:
        try:
            for batch in table.batches(texts, _READ_CHUNKS):
                by_length = batch.sort(pl.col("text").str.len_chars(), maintain_order=True)
                for part in by_length.iter_slices(_ENCODE):
                    vectors = usable(encoder.documents(part["text"].to_list()), part.height)
                    pending.append(vector_rows(model.fingerprint, part["text_hash"].to_arrow(), vectors))
                    advance(part.height, sum(map(len, part["text"])))
                    if time.monotonic() - last_commit >= _COMMIT_EVERY_S:
                        commit()
                        release_memory()
                        last_commit = time.monotonic()
        finally:  # what was embedded before a failure is not embedded again
            commit()
