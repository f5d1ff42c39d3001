"""Keeping a vector for every chunk's text, embedding each text once: across sources, runs and releases."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from rag_pipeline.corpus.control import Control
from rag_pipeline.corpus.engines import Cluster, Task, engine_for
from rag_pipeline.corpus.missing import find_missing
from rag_pipeline.corpus.model import Encoder, Model
from rag_pipeline.corpus.sound import unsound_vectors
from rag_pipeline.corpus.tables import chunks_table, vectors_table
from rag_pipeline.home import Home
from rag_pipeline.lake import Table, collected
from rag_pipeline.process import release_memory

log = logging.getLogger("rag_pipeline")


@dataclass(frozen=True, slots=True)
class EmbeddingReport:
    """What one update of the vectors table did."""

    texts: int
    embedded: int
    reused: int
    model: str
    texts_fingerprint: str
    seconds: float


def update_embeddings(
    home: Home, model: Model, load: Callable[[], Encoder], cluster: Cluster | None = None
) -> EmbeddingReport:
    """Embed the distinct chunk texts that have no vector of this model yet. The model is loaded only if there are any.

    `cluster`: has its workers embed them, unless they are few.
    """
    started = time.monotonic()
    with home.exclusive_table(home.vectors, wait_s=3600):
        table = vectors_table(home)
        table.heal()
        missing = find_missing(chunks_table(home), table, model.fingerprint, home.scratch)
        report = EmbeddingReport(
            texts=missing.texts,
            embedded=missing.count,
            reused=missing.texts - missing.count,
            model=model.fingerprint,
            texts_fingerprint=missing.fingerprint,
            seconds=0.0,
        )
        if missing.count:
            engine = engine_for(missing.count, load, cluster)
            control = _control(table, home, model, missing.known)
            release_memory()
            engine.embed(Task(home, table, model, missing, control))
            release_memory()
        return replace(report, seconds=time.monotonic() - started)


def _control(table: Table, home: Home, model: Model, known: Sequence[str]) -> Control:
    """Some of the texts that have a vector of this model: what embeds the others must give the same. None at first."""
    chosen = pl.col("text_hash").is_in(list(known))
    texts = chunks_table(home).scan().filter(chosen).select("text_hash", "text").pipe(collected).unique("text_hash")
    vectors = _sound(table.scan().filter(chosen & (pl.col("model") == model.fingerprint)).pipe(collected)).unique(
        "text_hash"
    )
    rows = texts.join(vectors, on="text_hash", how="inner")
    return Control("the texts embedded before", rows["text"].to_list(), np.array(rows["vector"].to_list(), dtype=np.float32))


def _sound(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows whose vectors are what was written. Others say nothing about the model; a build that meets them says so."""
    sound = [pl.Series(~unsound_vectors(batch)) for batch in rows.to_arrow().combine_chunks().to_batches()]
    return rows.filter(pl.concat(sound)) if sound else rows
