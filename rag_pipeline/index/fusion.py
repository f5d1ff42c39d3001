"""Making one ranking of two: reciprocal rank fusion."""

from collections.abc import Sequence

from rag_pipeline.index.manifest import RetrievalParameters

Ranking = list[tuple[str, float]]
"""(chunk id, score), best first, equal scores by id."""


def fuse(
    dense: Sequence[tuple[str, float]], lexical: Sequence[tuple[str, float]], parameters: RetrievalParameters, depth: int
) -> Ranking:
    """The best `depth` ids of two rankings by weight / (rrf_k + place), summed; scores of the rankings play no part.

    Only the first `parameters.depth` places of each list count; a list without weight adds nobody. Cormack, Clarke and
    Büttcher, "Reciprocal rank fusion outperforms Condorcet and individual rank learning methods", SIGIR 2009.
    """
    scores: dict[str, float] = {}
    for ranking, weight in ((dense, parameters.dense_weight), (lexical, 1 - parameters.dense_weight)):
        for place, (chunk_id, _) in enumerate(ranking[: parameters.depth] if weight else (), start=1):
            scores[chunk_id] = scores.get(chunk_id, 0.0) + weight / (parameters.rrf_k + place)
    return sorted(scores.items(), key=lambda row: (-row[1], row[0]))[:depth]
