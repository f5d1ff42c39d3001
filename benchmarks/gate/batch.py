"""Deciding thousands of golden sets with the product's own rule, in minutes.

The rule asks for quantiles of a bootstrap, which take nearly all of its time. The numbers of its draws are the same for as
many questions, so they are drawn once, and thousands of sets are resampled in one product of matrices. The rule itself runs
as it stands: it is asked again with the quantiles it wanted, until it wants no more.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from rag_pipeline.evaluate import compare

_AT_ONCE = 500
Asked = TypeVar("Asked")
Said = TypeVar("Said")


class Quantiles:
    """Stands for the product's bootstrap while it is asked: knows, or takes down what it is asked for."""

    def __init__(self) -> None:
        self.known: dict[tuple[bytes, float], float] = {}
        self.wanted: set[tuple[bytes, float]] = set()
        self.missed = False
        """Whether one was wanted since this was last set to False."""

    def __call__(self, differences: bytes, share: float) -> float:
        found = self.known.get((differences, share))
        if found is None:
            self.wanted.add((differences, share))
            self.missed = True
        return found or 0.0

    def find(self) -> None:
        """Compute what was wanted, all that are of one length together."""
        grouped: dict[tuple[int, float], list[bytes]] = defaultdict(list)
        for differences, share in sorted(self.wanted):
            grouped[len(differences), share].append(differences)
        for (_, share), asked in grouped.items():
            for start in range(0, len(asked), _AT_ONCE):
                part = asked[start : start + _AT_ONCE]
                values = quantiles(np.stack([np.frombuffer(one) for one in part]), share)
                self.known |= {(one, share): float(value) for one, value in zip(part, values, strict=True)}
        self.wanted.clear()


def quantiles(sets: NDArray[np.float64], share: float) -> NDArray[np.float64]:
    """Of the bootstrapped mean of each row."""
    means = np.sort(sets, axis=1) @ _times(sets.shape[1]).T / sets.shape[1]
    return np.asarray(np.quantile(means, share, axis=1))


@lru_cache(maxsize=8)
def _times(n: int) -> NDArray[np.float64]:
    """How often each draw of the product's bootstrap takes each rank, shape (draws, n)."""
    assert n * compare.DRAWS <= 8_000_000, f"{n} values are drawn in more parts than one; make the golden sets smaller"
    ranks = np.random.default_rng(compare._SEED).integers(0, n, size=(compare.DRAWS, n), dtype=np.int32)
    flat = ranks + n * np.arange(compare.DRAWS, dtype=np.int64)[:, None]
    return np.bincount(flat.ravel(), minlength=n * compare.DRAWS).reshape(compare.DRAWS, n).astype(np.float64)


@contextmanager
def _asking(quantile: Callable[[bytes, float], float]) -> Iterator[None]:
    own = compare._quantile
    compare._quantile = quantile  # type: ignore[assignment]
    try:
        yield
    finally:
        compare._quantile = own


def decided(questions: Sequence[Asked], decide: Callable[[Asked], Said], quantiles: Quantiles | None = None) -> list[Said]:
    """What `decide` says to each of many questions. `quantiles`: those that are known from other questions."""
    said: dict[int, Said] = {}
    quantiles = quantiles or Quantiles()
    while open_ones := [place for place in range(len(questions)) if place not in said]:
        with _asking(quantiles):
            for place in open_ones:
                quantiles.missed = False
                answer = decide(questions[place])
                if not quantiles.missed:
                    said[place] = answer
        quantiles.find()
    return [said[place] for place in range(len(questions))]
