"""Of ways that cannot be told apart the simplest is taken, and sets count alike."""

from rag_pipeline.evaluate.choose import best_way, ways
from rag_pipeline.index.manifest import RetrievalParameters


def test_of_equal_ways_the_simplest_is_taken() -> None:
    names = list(ways(RetrievalParameters()))
    assert names == ["dense", "lexical", "hybrid 0.5", "hybrid 0.3", "hybrid 0.7"]
    assert chosen({name: [0.7, 0.5] for name in names}) == "dense"
    assert chosen({"dense": [0.7], "lexical": [0.7 + 1e-9], "hybrid 0.5": [0.6]}) == "dense", "that is noise of floats"
    assert chosen({"dense": [0.6], "lexical": [0.7], "hybrid 0.5": [0.7]}) == "lexical"


def chosen(scores: dict[str, list[float]], more: dict[str, list[float]] | None = None) -> str:
    """The way that one golden set's scores choose, or two sets'."""
    sets = {name: [one, more[name]] if more else [one] for name, one in scores.items()}
    return best_way(sets, ways(RetrievalParameters()))


NOISE = [0.0, 0.2, -0.1, 0.05, -0.15] * 20


LEVEL = [0.5 + 0.3 * (place % 2) for place in range(100)]


def near(below: float) -> list[float]:
    """A hundred scores that are `below` the level on average, here more and there less."""
    return [level + noise - below for level, noise in zip(LEVEL, NOISE, strict=True)]


def test_of_weights_that_cannot_be_told_apart_the_one_that_gives_meaning_most_is_taken() -> None:
    """One standard error of NOISE's mean is .0123."""
    best = {"dense": near(0.2), "lexical": near(0.1), "hybrid 0.3": LEVEL}
    assert chosen({**best, "hybrid 0.5": near(0.005), "hybrid 0.7": near(0.012)}) == "hybrid 0.7"
    assert chosen({**best, "hybrid 0.5": near(0.012), "hybrid 0.7": near(0.013)}) == "hybrid 0.5"
    assert chosen({**best, "hybrid 0.5": near(0.013), "hybrid 0.7": near(0.02)}) == "hybrid 0.3"


def test_dense_and_lexical_are_not_preferred_within_the_noise() -> None:
    """Tried on the handbook: a preference for the simpler mode within a standard error loses three points."""
    scores = {"dense": near(0.001), "lexical": near(0.0), "hybrid 0.5": [value + 0.001 for value in LEVEL]}
    assert chosen({**scores, "hybrid 0.3": near(0.1), "hybrid 0.7": near(0.1)}) == "hybrid 0.5"
    assert chosen({**scores, "dense": [1.0] * 100, "hybrid 0.3": LEVEL, "hybrid 0.7": [0.999] * 100}) == "dense"


def test_sets_count_alike_whatever_their_size() -> None:
    """The second set, of two queries, weighs as much as the hundred of the first, in the means and in their error."""
    first = {"dense": near(0.2), "lexical": near(0.2), "hybrid 0.3": LEVEL, "hybrid 0.5": near(0.0), "hybrid 0.7": near(0.3)}
    second = {name: [1.0, 1.0] if name == "dense" else [0.5, 0.5] for name in first}
    assert chosen(first) == "hybrid 0.5"
    assert chosen(first, second) == "dense"
