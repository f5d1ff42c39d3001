"""The nearest chunks of the scopes that are open, by meaning: one ranking of several indexes.

A cosine does not depend on what else is in an index, so the rankings of several are merged as they are. Of a narrowed
release a few rows that are left are compared one by one; of many their sketches are, and then the best of these. Only of
very many is a graph asked first, and what was left out is dropped from its answer.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from rag_pipeline.corpus.model import Vectors
from rag_pipeline.index.fusion import Ranking
from rag_pipeline.index.narrow import Chosen, Picked
from rag_pipeline.index.sketch import Best, alone

_DIGITS = 6
_MOST_EXACT = 10_000
"""Rows that are compared one by one where there are no sketches, or no more rows at all: some milliseconds."""
_FEW = 1_500
"""Rows that are compared one by one for each question: a millisecond, about what finding out which to compare takes."""
_MOST_SKETCHED = 200_000
"""Rows whose sketches take about as long to compare as a graph takes to be asked."""
_DEEPER = 1.5
"""How much more is fetched than would be left on average, of rows that lie anywhere."""


def nearest(collections: Mapping[str, Any], vectors: Vectors, depth: int, chosen: Chosen | None) -> list[Ranking]:
    """For each question the best `depth` (chunk id, cosine), best first, equals by id.

    `vectors`: shape (questions, dimensions). `chosen`: the rows that are left; None: all. Of several scopes it is better to
    give all their rows: the small ones are then searched exactly, at a tenth of what it costs to ask a graph for each.
    """
    merged: list[Ranking] = [[] for _ in vectors]
    for name, collection in collections.items():
        rows = chosen.rows[name] if chosen else None
        if chosen is None or rows is None or len(rows.ids) == rows.of > _MOST_EXACT:
            found = _asked(collection, vectors, depth)
        else:
            found = _among(collection, vectors, depth, rows, chosen.among.ids)
        for ranking, more in zip(merged, found, strict=True):
            ranking += more
    return [sorted(ranking, key=lambda row: (-row[1], row[0]))[:depth] for ranking in merged]


def _among(collection: Any, vectors: Vectors, depth: int, rows: Picked, left: frozenset[str]) -> list[Ranking]:
    """`left`: the ids of all rows that are left, to be looked up."""
    count = len(rows.ids)
    if rows.of <= _MOST_EXACT or count <= min(_MOST_EXACT, _FEW * len(vectors)):
        return _exact(collection, vectors, depth, rows)
    best = rows.vectors.best() if rows.vectors else None
    if best and count <= _MOST_SKETCHED:
        return _sketched(best, vectors, depth, rows)
    if count <= _MOST_EXACT:
        return _exact(collection, vectors, depth, rows)
    return _dropped(collection, vectors, depth, rows, left, best)


def _asked(collection: Any, vectors: Vectors, depth: int) -> list[Ranking]:
    answer = collection.query(query_embeddings=vectors, n_results=depth, include=["distances"])
    return [
        [(name, round(1.0 - distance, _DIGITS)) for name, distance in zip(ids, distances, strict=True)]
        for ids, distances in zip(answer["ids"], answer["distances"], strict=True)
    ]


def _exact(collection: Any, vectors: Vectors, depth: int, rows: Picked) -> list[Ranking]:
    if not rows.ids:
        return [[] for _ in vectors]
    if rows.vectors is not None:
        stored, ids = rows.vectors.at(rows.places), rows.ids
    else:
        answer = collection.get(ids=rows.ids, include=["embeddings"])
        ids, stored = answer["ids"], np.asarray(answer["embeddings"], dtype=np.float32)
        stored = stored / np.linalg.norm(stored, axis=1, keepdims=True)
    asked = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    alike = asked @ stored.T if len(asked) > 1 else alone(stored, asked[0])[None]
    few = min(depth, len(ids))
    last = np.partition(alike, -few, axis=1)[:, -few] - 10**-_DIGITS  # and all that tie with it
    return [
        [(ids[place], round(float(row[place]), _DIGITS)) for place in np.flatnonzero(row >= least).tolist()]
        for row, least in zip(alike, last, strict=True)
    ]


def _sketched(best: Best, vectors: Vectors, depth: int, rows: Picked) -> list[Ranking]:
    found: list[Ranking] = []
    for vector in vectors:
        asked = vector / np.linalg.norm(vector)
        places, alike = best(asked, depth, rows.places)
        found.append(
            [(rows.ids[one], round(float(near), _DIGITS)) for one, near in zip(places.tolist(), alike, strict=True)]
        )
    return found


def _dropped(
    collection: Any, vectors: Vectors, depth: int, rows: Picked, left: frozenset[str], best: Best | None
) -> list[Ranking]:
    """Where too few of what a graph finds is left, sketches are compared, or the graph is asked again, deeper."""
    total, wanted = rows.of, min(depth, len(rows.ids))
    fetched = math.ceil(_DEEPER * depth * total / len(rows.ids)) + 10
    while True:
        found = [[row for row in ranking if row[0] in left] for ranking in _asked(collection, vectors, min(fetched, total))]
        short = [place for place, ranking in enumerate(found) if len(ranking) < wanted]
        if not short or fetched >= total:
            return found
        if best:
            for place, ranking in zip(short, _sketched(best, vectors[short], depth, rows), strict=True):
                found[place] = ranking
            return found
        fetched *= 4
