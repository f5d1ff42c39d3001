"""Vectors of queries, kept for each model: a question that did not change is never embedded twice."""

from collections.abc import Callable, Mapping

import numpy as np
import polars as pl
import pyarrow as pa

from rag_pipeline.corpus.control import LEAST_COSINE, nearness
from rag_pipeline.corpus.model import Encoder, Vectors, usable
from rag_pipeline.corpus.sound import vector_rows
from rag_pipeline.corpus.tables import VECTORS
from rag_pipeline.errors import PipelineError
from rag_pipeline.files import fingerprint
from rag_pipeline.home import Home
from rag_pipeline.lake import Table, collected
from rag_pipeline.progress import progress

_AT_ONCE = 1_024
_AFRESH = 16
"""Questions of a golden set that are embedded beside their stored vectors, each time a release is measured."""


def query_vectors_table(home: Home) -> Table:
    """One row a (model fingerprint, hash of a query's text); prompts are part of the model's fingerprint."""
    return Table(home.query_vectors, VECTORS, partition_by=("model",))


def query_vectors(home: Home, model: str, load: Callable[[], Encoder], texts: list[str]) -> Vectors:
    """Shape (texts, dimensions), in the order of `texts`. The model is loaded only if a text has no vector yet."""
    hashes = [fingerprint(text) for text in texts]
    with home.exclusive_table(home.query_vectors, wait_s=600):
        table = query_vectors_table(home)
        table.heal()
        known = _stored(table, model, hashes)
        missing = {text_hash: text for text_hash, text in zip(hashes, texts, strict=True) if text_hash not in known}
        if missing:
            new = _embedded(load(), list(missing.values()))
            known |= dict(zip(missing, new, strict=True))
            table.append(vector_rows(model, pa.array(list(missing), pa.string()), new))
    return np.stack([known[text_hash] for text_hash in hashes]) if texts else np.empty((0, 0), dtype=np.float32)


def refuse_stale_vectors(
    home: Home, load: Callable[[], Encoder], named: Mapping[str, str], vectors: Vectors, release_fingerprint: str
) -> None:
    """Embed some questions afresh, others for each release. Raises `PipelineError` when one has another stored vector.

    `named`: a question in words -> its text, in the order of `vectors`.
    """
    texts = list(named.values())
    order = sorted(range(len(texts)), key=lambda place: fingerprint(release_fingerprint, texts[place]))[:_AFRESH]
    if not order:
        return
    cosine = nearness(load().queries([texts[place] for place in order]), vectors[order])
    worst = int(cosine.argmin())
    if cosine[worst] < LEAST_COSINE:
        raise PipelineError(
            f"the stored vector of {list(named)[order[worst]]} is not what the model gives now (cosine {cosine[worst]:.4f} "
            f"at the worst of {len(order)} embedded afresh, {LEAST_COSINE} is wanted), so figures would not be about what "
            f"users get. The stored vectors are wrong: remove {query_vectors_table(home).path}, they are made again"
        )


def _stored(table: Table, model: str, hashes: list[str]) -> dict[str, Vectors]:
    wanted = pl.col("text_hash").is_in(sorted(set(hashes)))
    rows = table.scan().filter((pl.col("model") == model) & wanted).select("text_hash", "vector").pipe(collected)
    if rows.is_empty():
        return {}
    vectors: Vectors = rows["vector"].explode().to_numpy().reshape(rows.height, -1).astype(np.float32)
    return dict(zip(rows["text_hash"].to_list(), usable(vectors, rows.height), strict=True))


def _embedded(encoder: Encoder, texts: list[str]) -> Vectors:
    """Sorted by length, so that a batch holds queries of one length."""
    order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
    parts: list[Vectors] = []
    with progress("embedding queries", len(texts), unit="queries") as advance:
        for start in range(0, len(order), _AT_ONCE):
            part = [texts[place] for place in order[start : start + _AT_ONCE]]
            parts.append(usable(encoder.queries(part), len(part)))
            advance(len(part))
    vectors = np.concatenate(parts)
    result = np.empty_like(vectors)
    result[order] = vectors
    return result
