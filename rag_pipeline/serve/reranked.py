"""The best hits in the order of the release's re-ranker, or without it where it is gone or would be too late."""

import logging

from rag_pipeline.door.limits import Deadline
from rag_pipeline.index.manifest import Mode
from rag_pipeline.index.retrieve import Hit, OpenRelease, Query
from rag_pipeline.release.leased import Leased
from rag_pipeline.serve.asked import Degraded

log = logging.getLogger("rag_pipeline")

_GONE = "the re-ranker is not on this replica"
_SLOW = "the re-ranker would have taken longer than this request allows"

_FORGET = 0.95
"""Each question that is answered without it makes the re-ranker count as a little faster, so that it is tried again."""

_ROOM = 1.5
"""How many times what it took of late the re-ranker must have left: what is begun cannot be stopped."""


def best(
    leased: Leased, reader: OpenRelease, query: Query, k: int, mode: Mode, deadline: Deadline
) -> tuple[list[Hit], list[Degraded]]:
    """The `k` best of what a reader may read, and what has to be said of their order. Raises as `OpenRelease.search`."""
    said = leased.manifest.retrieval
    if not said.reranker:
        return reader.search(query, k, mode), []
    found = reader.search(query, max(k, said.rerank_depth), mode, rerank=False)
    why = _GONE if leased.no_reranker else _SLOW if deadline.left_s < _ROOM * leased.rerank_s else ""
    if not why:
        try:
            return leased.rerank(reader, query.text, found, k), []
        except Exception as error:  # whatever a model raises: its folder went, its device did, it gives no number
            leased.no_reranker = type(error).__name__  # its text may quote the question; `find_reranker` learns more
            log.warning("hits cannot be ordered again: %s", leased.no_reranker)
            why = _GONE
    if why == _SLOW:
        leased.rerank_s *= _FORGET
    return found[:k], [Degraded(kind="not-reranked", instead_of="re-ranked", by=mode, why=why)]
