"""What people judge: the first results of every way to retrieve, without a sign of which way found them, or how early.

Pooling: Spärck Jones and van Rijsbergen, "Report on the need for and provision of an 'ideal' information retrieval test
collection", 1975. Judging only one way's results would make every other way look worse than it is.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from rag_pipeline.golden.quotes import Folded, find
from rag_pipeline.golden.read import Reference
from rag_pipeline.index.fusion import Ranking, fuse
from rag_pipeline.index.release_chunks import Chunk
from rag_pipeline.index.retrieve import OpenRelease, Query

_CHUNKS_A_DOCUMENT = 10
"""Chunks fetched for each result wanted, since many of one document, or of other sources, may come first."""


@dataclass(frozen=True, slots=True)
class Pooled:
    """One thing to judge: a chunk, or a document with the passages it was found by, in the order they stand in it."""

    query: str
    document: str
    passages: tuple[Chunk, ...]

    @property
    def text(self) -> str:
        return "\n\n[…]\n\n".join(one.text for one in self.passages)


def pools(
    release: OpenRelease, queries: Mapping[str, Query], k: int, judges: Literal["passages", "documents"], source: str | None
) -> dict[str, list[Pooled]]:
    """Query id -> the `k` first chunks or documents of every way the release can retrieve, each once, shuffled.

    The order hangs on the query id and on what was found alone. `source`: only documents of this source. Raises
    `ReleaseError` when the release cannot be read.
    """
    depth = k if judges == "passages" and source is None else k * _CHUNKS_A_DOCUMENT
    rankings = _rankings(release, list(queries.values()), depth)
    found = release.look_up({chunk_id for lists in rankings for ranking in lists for chunk_id, _ in ranking[:depth]})
    return {
        query: _pool(query, [[one for one, _ in ranking[:depth]] for ranking in lists], found, k, judges, source)
        for query, lists in zip(queries, rankings, strict=True)
    }


def _rankings(release: OpenRelease, queries: Sequence[Query], depth: int) -> list[list[Ranking]]:
    """The rankings of dense, lexical and hybrid retrieval for each query, and the served one where it is re-ranked."""
    said = release.manifest.retrieval
    deep = max(depth, said.depth)
    dense = release.ranked(queries, deep, "dense")
    found = []
    for query, by_meaning, by_words in zip(queries, dense, release.ranked(queries, deep, "lexical"), strict=True):
        lists = {"dense": by_meaning, "lexical": by_words, "hybrid": fuse(by_meaning, by_words, said, deep)}
        reranked = [release.rerank(query.text, lists[said.mode])] if said.reranker else []
        found.append([*lists.values(), *reranked])
    return found


def _pool(
    query: str, lists: list[list[str]], found: dict[str, Chunk], k: int, judges: str, source: str | None
) -> list[Pooled]:
    chosen: dict[str, dict[str, Chunk]] = {}
    for ids in lists:
        mine: dict[str, tuple[str, Chunk]] = {}
        for chunk_id in ids:
            chunk = found[chunk_id]
            if source in (None, chunk.source) and len(mine) < k:
                mine.setdefault(chunk_id if judges == "passages" else chunk.document_id, (chunk_id, chunk))
        for name, (chunk_id, chunk) in mine.items():
            chosen.setdefault(name, {})[chunk_id] = chunk
    pooled = []
    for name in sorted(chosen):
        passages = sorted(chosen[name].values(), key=lambda one: (one.start, one.end))
        pooled.append(Pooled(query, passages[0].document_id, tuple(passages)))
    random.Random(query).shuffle(pooled)
    return pooled


def is_judged(one: Pooled, references: Sequence[Reference]) -> bool:
    """Whether a chunk was judged as a passage before: it holds a relevant quote, or lies within a judged one."""
    chunk = one.passages[0]
    held = Folded(chunk.text)
    return any(
        (reference.grade > 0 and find(held, reference.quote) is not None)
        or find(Folded(reference.quote), chunk.text) is not None
        for reference in references
        if reference.document == one.document
    )
