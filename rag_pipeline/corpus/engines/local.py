"""Embedding in this process."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import polars as pl
import pyarrow as pa

from rag_pipeline.corpus.control import trusted
from rag_pipeline.corpus.engines import base
from rag_pipeline.corpus.model import Encoder, usable
from rag_pipeline.corpus.sound import vector_rows
from rag_pipeline.process import release_memory
from rag_pipeline.progress import progress

_READ_CHUNKS = 4_096
"""Texts looked at together and sorted by length, so that a batch holds texts of one length."""

_ENCODE = 256


@dataclass(frozen=True, slots=True)
class LocalEngine:
    """The default. `load`: the model."""

    load: Callable[[], Encoder]
    name: str = "local"

    def embed(self, task: base.Task) -> None:
        encoder, missing = trusted(task.model, self.load, task.control), task.missing
        pending: list[pa.Table] = []
        last_commit = time.monotonic()

        def commit() -> None:
            if pending:
                task.table.append(pa.concat_tables(pending))
                pending.clear()

        characters = missing.characters()  # long texts take longer
        with progress("embedding", missing.count, unit="texts", work=characters) as advance:
            try:
                for batch in missing.batches(_READ_CHUNKS):
                    by_length = batch.sort(pl.col("text").str.len_chars(), maintain_order=True)
                    for part in by_length.iter_slices(_ENCODE):
                        vectors = usable(encoder.documents(part["text"].to_list()), part.height)
                        pending.append(vector_rows(task.model.fingerprint, part["text_hash"].to_arrow(), vectors))
                        advance(part.height, sum(map(len, part["text"])))
                        if time.monotonic() - last_commit >= base.COMMIT_EVERY_S:
                            commit()
                            release_memory()
                            last_commit = time.monotonic()
            finally:  # what was embedded before a failure is not embedded again
                commit()
