"""The proof after a build: on the closed files, opened again. Counting proves nothing.

(We saw 6,000 records counted with 5,000 reachable.) What to expect is read from the chunks and the vectors table,
never from what was written. The two halves touch different files, so the first can run while the index is built.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from rag_pipeline.corpus.model import Vectors, usable
from rag_pipeline.corpus.read_vectors import Spool, matrix, require_vectors, spooled
from rag_pipeline.errors import PipelineError, ReleaseError
from rag_pipeline.files import fingerprint
from rag_pipeline.home import Home
from rag_pipeline.index import chroma
from rag_pipeline.index.manifest import ModelEntry, Probe, ScopeEntry
from rag_pipeline.index.scopes import parts
from rag_pipeline.lake import collected

if TYPE_CHECKING:
    from chromadb.api.models.Collection import Collection

SAMPLE = 200
"""Records asked for by their own vector, and compared with what was put in."""

_NEAREST = 10
_SAME = 1e-4
"""Cosine distance below which two vectors are taken for the same; float32 and Chroma's own normalising cost 1e-6."""


_LENGTH = 0.01
"""How far from 1 the length of a stored vector may be: models give them normalised, in 16 bits to one part in a thousand."""

_MENDS = "`rag verify --repair` deletes such vectors, the next refresh embeds their texts again"

_NEARLY = 0.1
"""Cosine distance below which records are alike: pages from one template, that differ by a number or a name.

Among hundreds of such records HNSW cannot reach each one, because it keeps edges to what lies apart and drops the others.
What is asked for is then answered by its likes. That is told, and `approximate_recall_min` of the gate limits it; what is
lost otherwise lies among strangers.
"""


_UNREACHED = 0.01
"""Share of the sample that HNSW may not reach: of 28,000 chunks of a dozen words it lost 1 record in 200, built whole.

An index whose tail was lost misses a sixth and more.
"""


@dataclass(frozen=True, slots=True)
class Expected:
    """What an index must hold and find."""

    ids: pl.Series
    """The ids, in ascending order."""
    sample: pl.DataFrame
    """Records to look up, with their `vector`."""
    tenth: Vectors
    """Similarity of the tenth nearest record to each record of the sample, by exact search."""
    gone: pl.DataFrame
    """Records that left the base, with their `vector`."""
    vectors: int
    """How many vectors were looked at: one a record."""


def expect(
    home: Home,
    chunks: pl.LazyFrame,
    model: ModelEntry,
    *,
    added: list[str] | None = None,
    gone: pl.LazyFrame | None = None,
    size: int = SAMPLE,
) -> Expected:
    """What an index of `chunks` must hold: read from the tables alone, one pass over every vector.

    `added`: ids new against a base, half the sample is taken from them. `gone`: chunks of the base that left. Raises
    `ReleaseError` when a vector is missing, not finite, zero, or not of the model's length.
    """
    ids = chunks.select("chunk_id").pipe(collected)["chunk_id"].sort()
    new = _spread(pl.Series(added or [], dtype=pl.String).sort(), size // 2)
    columns = ["chunk_id", "text_hash", "payload_hash"]
    wanted = pl.concat([new, _spread(ids, size - len(new))])
    sample = chunks.filter(pl.col("chunk_id").is_in(wanted.implode())).select(columns).pipe(collected)
    left = sample.clear() if gone is None else gone.select(columns).pipe(collected).sort("chunk_id")
    left = left.filter(pl.col("chunk_id").is_in(_spread(left["chunk_id"], size // 4).implode()))
    texts = chunks.group_by("text_hash").len().pipe(collected).sort("text_hash")
    with spooled(home, model.fingerprint, pl.concat([texts["text_hash"], left["text_hash"]]), model.dimensions) as spool:
        sample, left = _with_vectors(spool, sample), _with_vectors(spool, left)
        tenth, looked_at = _exact(spool, texts, sample)
    return Expected(ids, sample, tenth, left, looked_at)


def expect_scopes(
    home: Home, chunks: pl.LazyFrame, scopes: Mapping[str, ScopeEntry], model: ModelEntry, *, size: int = SAMPLE
) -> dict[str, Expected]:
    """Scope -> what its index must hold: each is held against the rows of its own, as if there was no other."""
    rows = chunks.select("chunk_id", "text_hash", "payload_hash").pipe(collected)
    found = {}
    with spooled(home, model.fingerprint, rows["text_hash"], model.dimensions) as spool:
        for name, lazy in parts(rows.lazy(), scopes):
            part = lazy.pipe(collected)
            ids, texts = part["chunk_id"].sort(), part.group_by("text_hash").len().sort("text_hash")
            wanted = _spread(ids, max(_NEAREST, size * part.height // rows.height))
            sample = _with_vectors(spool, part.filter(pl.col("chunk_id").is_in(wanted.implode())))
            tenth, looked_at = _exact(spool.only(texts["text_hash"]), texts, sample)
            found[name] = Expected(ids, sample, tenth, sample.clear(), looked_at)
    return found


def prove(folder: Path, expected: Expected) -> Probe:
    """Prove that the closed Chroma directory `folder` holds exactly what is expected. Raises `ReleaseError`.

    Opens `folder` itself, and Chroma writes to what it opens: give it a directory that is not sealed yet, or a view.
    """
    return prove_scopes(folder, {chroma.COLLECTION: expected})[chroma.COLLECTION]


def prove_scopes(folder: Path, expected: Mapping[str, Expected]) -> dict[str, Probe]:
    """The same of a directory with a collection for each scope, and no other."""
    with chroma.client(folder) as opened:
        if {one.name for one in opened.list_collections()} != expected.keys():
            raise ReleaseError(f"the built index does not have the {len(expected)} collections that were made")
        return {name: _proved(opened.get_collection(name, embedding_function=None), one) for name, one in expected.items()}


def together(probes: Iterable[Probe]) -> Probe:
    """What was proved of each scope, as one."""
    every = list(probes)
    counted = [name for name, field in Probe.model_fields.items() if field.annotation is int]
    asked = sum(one.self_retrieval_asked for one in every)
    recall = sum((one.recall_at_10 or 0) * one.self_retrieval_asked for one in every) / asked
    return Probe(**{name: sum(getattr(one, name) for one in every) for name in counted}, recall_at_10=round(recall, 4))


def _proved(collection: "Collection", expected: Expected) -> Probe:
    stored = pl.Series(collection.get(include=[])["ids"], dtype=pl.String).sort()
    _same_ids(expected.ids, stored)
    _same_records(collection, expected.sample)
    itself, missed, recall = _finds(collection, expected)
    _stays_away(collection, expected)
    return Probe(
        ids_expected=len(expected.ids),
        ids_stored=len(stored),
        self_retrieval_asked=expected.sample.height,
        self_retrieval_found=itself,
        self_retrieval_alike=expected.sample.height - itself - missed,
        self_retrieval_missed=missed,
        vectors_checked=expected.vectors,
        records_compared=expected.sample.height,
        deleted_asked=expected.gone.height,
        recall_at_10=round(recall, 4),
    )


def _spread(ids: pl.Series, size: int) -> pl.Series:
    return ids if len(ids) <= size else ids.gather([place * len(ids) // size for place in range(size)])


def _with_vectors(spool: Spool, rows: pl.DataFrame) -> pl.DataFrame:
    require_vectors(int(spool.missing[spool.places(rows["text_hash"])].sum()))
    vectors = pl.Series("vector", spool.of(rows["text_hash"]).tolist(), dtype=pl.List(pl.Float32))
    return rows.with_columns(vectors)


def _exact(spool: Spool, texts: pl.DataFrame, sample: pl.DataFrame) -> tuple[Vectors, int]:
    """Similarity of the tenth nearest chunk to each of the sample, and for how many chunks a vector was looked at.

    `texts`: how many chunks (`len`) have a text (`text_hash`).
    """
    chunks = np.zeros(len(spool.hashes), dtype=np.int64)
    chunks[spool.places(texts["text_hash"])] = texts["len"].to_numpy()
    require_vectors(int(chunks[spool.missing].sum()))
    queries, best, looked_at = _unit(matrix(sample)), np.empty((sample.height, 0), dtype=np.float32), 0
    for places, vectors in spool.blocks():
        times = chunks[places]
        used = vectors[times > 0]  # the others left with the base
        try:
            units = _unit(usable(used, len(used)))
        except PipelineError as error:
            raise ReleaseError(f"the vectors table is damaged: {error}; {_MENDS}") from error
        if far := int((np.abs(np.linalg.norm(used, axis=1) - 1) > _LENGTH).sum()):
            raise ReleaseError(f"the vectors table is damaged: {far} vectors do not have the length 1; {_MENDS}")
        nearness = queries @ units.T
        best = np.hstack([best, np.repeat(nearness, times[times > 0], axis=1)])
        if best.shape[1] > _NEAREST:
            best = np.partition(best, -_NEAREST, axis=1)[:, -_NEAREST:]
        looked_at += int(times.sum())
    return best.min(axis=1), looked_at


def _unit(vectors: Vectors) -> Vectors:
    length: Vectors = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, length, dtype=np.float32)


def _same_ids(expected: pl.Series, stored: pl.Series) -> None:
    """Both in ascending order, so that one that is stored twice is noticed."""
    if not stored.equals(expected):
        lost, extra = (~expected.is_in(stored.implode())).sum(), (~stored.is_in(expected.implode())).sum()
        raise ReleaseError(f"the built index does not hold what was put in: {lost} ids lost, {extra} not expected")


def _same_records(collection: "Collection", rows: pl.DataFrame) -> None:
    """Text, payload hash and vector of every row, read back."""
    found: Any = collection.get(ids=rows["chunk_id"].to_list(), include=["documents", "metadatas", "embeddings"])
    place = {chunk: index for index, chunk in enumerate(found["ids"])}
    order = [place[chunk] for chunk in rows["chunk_id"]]
    texts = [fingerprint(found["documents"][index]) for index in order]
    payloads = [found["metadatas"][index].get("payload_hash") for index in order]
    stored = np.asarray(found["embeddings"], dtype=np.float32)[order]
    away = 1 - np.sum(_unit(stored) * _unit(matrix(rows)), axis=1)
    for what, wrong in (
        ("text", sum(a != b for a, b in zip(texts, rows["text_hash"], strict=True))),
        ("payload", sum(a != b for a, b in zip(payloads, rows["payload_hash"], strict=True))),
        ("vector", int(np.sum(~(away < _SAME)))),
    ):
        if wrong:
            raise ReleaseError(f"{wrong} of {rows.height} records compared have another {what} than was put in")


def _finds(collection: "Collection", expected: Expected) -> tuple[int, int, float]:
    """Every record is found by its own vector, or its likes are; returns found, missed, and recall@10 (a tie is a hit)."""
    sample = expected.sample
    found: Any = collection.query(query_embeddings=matrix(sample), n_results=_NEAREST, include=["distances"])
    itself, missed, hits = 0, 0, 0
    for chunk, ids, distances, tenth in zip(
        sample["chunk_id"], found["ids"], found["distances"], expected.tenth, strict=True
    ):
        among_equals = len(ids) == _NEAREST and distances[-1] < _SAME  # ten or more records with this very vector
        among_likes = len(ids) == _NEAREST and distances[-1] < _NEARLY
        found_it = (chunk in ids and distances[ids.index(chunk)] < _SAME) or among_equals
        itself += found_it
        missed += not (found_it or among_likes)
        hits += sum(1 - distance >= tenth - _SAME for distance in distances)
    if missed > _UNREACHED * sample.height:
        raise ReleaseError(f"{missed} of {sample.height} records cannot be found by their own vector")
    return itself, missed, float(hits / (sample.height * min(_NEAREST, len(expected.ids))))


def _stays_away(collection: "Collection", expected: Expected) -> None:
    """Asked for by its own vector, nothing that was deleted may come back."""
    if expected.gone.is_empty():
        return
    found: Any = collection.query(query_embeddings=matrix(expected.gone), n_results=_NEAREST, include=[])["ids"]
    came = pl.Series(sorted({chunk for ids in found for chunk in ids}), dtype=pl.String)
    if back := came.filter(~came.is_in(expected.ids.implode())).to_list():
        raise ReleaseError(f"{len(back)} deleted records still come back from queries")
