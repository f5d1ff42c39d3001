"""Sketches find what exact search finds, read little of what they stand for, and read more where they tell too little."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rag_pipeline.corpus.model import Vectors
from rag_pipeline.index.sketch import Sketch

DIMENSIONS, ROWS = 256, 6_000


def of_length_1(numbers: NDArray[np.float64]) -> Vectors:
    return np.asarray(numbers / np.linalg.norm(numbers, axis=1, keepdims=True), dtype=np.float32)


def in_clusters(generator: np.random.Generator) -> Vectors:
    """As embeddings are: a few dozen directions matter much, all of them a little."""
    reach = 1 / np.sqrt(1 + np.arange(DIMENSIONS))
    middles = generator.normal(size=(60, DIMENSIONS))[generator.integers(60, size=ROWS)]
    return of_length_1((middles + 0.6 * generator.normal(size=(ROWS, DIMENSIONS))) * reach)


def anywhere(generator: np.random.Generator) -> Vectors:
    """The worst there is: no direction matters more than another, so axes tell next to nothing."""
    return of_length_1(generator.normal(size=(ROWS, DIMENSIONS)))


class Stored:
    """Vectors, and how many of them were read."""

    def __init__(self, vectors: Vectors) -> None:
        self.vectors, self.read = vectors, 0
        self.sketch = Sketch.of(len(vectors), self.at)

    def at(self, places: NDArray[np.int64]) -> Vectors:
        self.read += len(places)
        return self.vectors[places]


def recalled(stored: Stored, asked: Vectors, places: NDArray[np.int64], depth: int) -> float:
    """Share of the truly nearest `depth` among some places that were found, over all questions; a tie is a hit."""
    hits = 0
    for vector in asked:
        found, alike = stored.sketch.best(vector, depth, places, stored.at)
        truly = stored.vectors[places] @ vector
        np.testing.assert_allclose(alike, truly[found], atol=1e-5)
        hits += min(depth, int((alike >= np.sort(truly)[-depth] - 1e-5).sum()))
    return hits / depth / len(asked)


@pytest.mark.parametrize("depth", [10, 100])
@pytest.mark.parametrize("share", [0.5, 0.1])
@pytest.mark.parametrize(("kind", "least"), [(in_clusters, 0.995), (anywhere, 0.98)])
def test_of_the_truly_nearest_nearly_all_are_found(
    kind: Callable[[np.random.Generator], Vectors], least: float, share: float, depth: int
) -> None:
    generator = np.random.default_rng(4)
    stored, asked = Stored(kind(generator)), kind(generator)[:40]
    one = kind(generator)[0]
    across = np.argsort(stored.vectors @ one)[: int(share * ROWS)]  # what is left lies away from a part of the questions
    for places in (np.sort(generator.permutation(ROWS)[: int(share * ROWS)]), np.sort(across)):
        assert recalled(stored, asked, places, depth) >= least


def test_little_is_read_where_the_axes_tell_enough_and_more_where_they_do_not() -> None:
    read = {}
    for kind in (in_clusters, anywhere):
        generator = np.random.default_rng(4)
        stored, asked = Stored(kind(generator)), kind(generator)[:20]
        stored.read = 0
        recalled(stored, asked, np.arange(ROWS), 10)
        read[kind] = stored.read / len(asked)
    assert read[in_clusters] < ROWS / 10 and read[anywhere] > ROWS / 2


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_where_the_axes_tell_all_the_answer_is_that_of_exact_search_with_all_that_tie(data: st.DataObject) -> None:
    generator = np.random.default_rng(data.draw(st.integers(0, 99)))
    dimensions, count = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 900))
    few = of_length_1(generator.normal(size=(data.draw(st.integers(1, count)), dimensions)))
    stored = Stored(few[generator.integers(len(few), size=count)])  # many are the same
    places = np.flatnonzero(generator.random(count) < 0.8)
    if not len(places):
        return
    asked, depth = of_length_1(generator.normal(size=(1, dimensions)))[0], data.draw(st.integers(1, 50))
    found, alike = stored.sketch.best(asked, depth, places, stored.at)
    truly = stored.vectors[places] @ asked
    last = np.sort(truly)[-min(depth, len(places))]
    assert set(np.flatnonzero(truly > last + 2e-6)) <= set(found) and (truly[found] > last - 4e-6).all()
    assert set(np.flatnonzero(truly == last)) <= set(found)
    np.testing.assert_allclose(alike, truly[found], atol=2e-6)
