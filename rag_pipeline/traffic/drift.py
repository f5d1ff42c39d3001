"""Whether people ask for other things than before: a classifier tries to tell new questions from earlier ones.

If it does so better than on shuffled labels, they differ. Values in, values out. The classifier is ridge regression, whose
leave-one-out predictions have a closed form, so that hundreds of shuffles cost seconds (Lopez-Paz and Oquab, "Revisiting
classifier two-sample tests", ICLR 2017; Allen 1974 for the predictions).
"""

from dataclasses import dataclass

import numpy as np

from rag_pipeline.corpus.model import Vectors

SHUFFLES = 200
LEVEL = 0.05
"""How often questions that did not change are told as changed."""
LEAST = 50
"""Questions on each side below which nothing is told."""
_SAME = 1e-6
"""Parts of unit vectors (float32) that differ by less are of the same text."""
NEAR = 0.6
"""Cosine from which a question is like another."""
UNLIKE = 0.75
"""AUC from which questions are called unlike each other, where chance does not explain it: of four pairs of one each, three
are told right. Questions that people make up for a golden set are always told from real ones a little."""


@dataclass(frozen=True, slots=True)
class Shift:
    """`auc`: how well new questions are told from earlier ones, .5 for not at all; `bound`: what shuffled labels reach in 95
    of 100; `p`: how likely so much or more is by chance."""

    new: int
    earlier: int
    auc: float
    bound: float
    p: float

    @property
    def differs(self) -> bool:
        return self.p <= LEVEL

    @property
    def unlike(self) -> bool:
        """Whether they do not only differ, but differ much."""
        return self.differs and self.auc >= UNLIKE


@dataclass(frozen=True, slots=True)
class Topic:
    """Questions that are like each other and like no golden question. `center`: the place of the most typical one."""

    center: int
    places: tuple[int, ...]


def shift(new: Vectors, earlier: Vectors, *, seed: int = 0, shuffles: int = SHUFFLES) -> Shift | None:
    """How new questions differ from earlier ones; None where there are too few to tell."""
    if min(len(new), len(earlier)) < LEAST:
        return None
    rows = np.concatenate([new, earlier]).astype(np.float64)
    rows -= rows.mean(axis=0)
    if np.abs(rows).max() < _SAME:  # one question, asked by a monitor, say: there is nothing to tell apart
        return Shift(len(new), len(earlier), 0.5, 0.5, 1.0)
    gram = rows.T @ rows
    gram[np.diag_indices_from(gram)] += np.trace(gram) / len(gram)  # shrunk by as much as a direction holds on average
    solved = np.linalg.solve(gram, rows.T)
    leverage = np.einsum("ij,ji->i", rows, solved) + 1 / len(rows)
    labels = np.zeros((len(rows), shuffles + 1))
    labels[: len(new), 0] = 1
    chance = np.random.default_rng(seed)
    for column in range(1, shuffles + 1):
        labels[chance.permutation(len(rows))[: len(new)], column] = 1
    fitted = rows @ (solved @ labels) + labels.mean(axis=0)
    held_out = (fitted - leverage[:, None] * labels) / (1 - leverage[:, None])
    found = [_auc(held_out[:, column], labels[:, column]) for column in range(shuffles + 1)]
    chances = np.array(found[1:])
    p = (1 + int((chances >= found[0]).sum())) / (shuffles + 1)
    return Shift(len(new), len(earlier), found[0], float(np.quantile(chances, 1 - LEVEL)), p)


def far(asked: Vectors, golden: Vectors) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    """Which questions are like no golden question; all of them where there is none."""
    if not len(golden):
        return np.ones(len(asked), dtype=np.bool_)
    return np.asarray((asked @ golden.T).max(axis=1) < NEAR)


def topics(asked: Vectors, most: int = 5) -> list[Topic]:
    """Groups of questions that are like each other, the largest first: greedily, each around its most typical question."""
    found: list[Topic] = []
    left = np.arange(len(asked))
    while len(left) and len(found) < most:
        like = asked[left] @ asked[left].T >= NEAR
        center = int(like.sum(axis=1).argmax())
        mine = like[center]
        found.append(Topic(int(left[center]), tuple(int(one) for one in left[mine])))
        left = left[~mine]
    return found


def _auc(
    scores: "np.ndarray[tuple[int], np.dtype[np.float64]]", labels: "np.ndarray[tuple[int], np.dtype[np.float64]]"
) -> float:
    """Area under the curve, by rank sums (Mann and Whitney); scores are all different but for equal rows."""
    ranks = np.empty(len(scores))
    ranks[np.argsort(scores, kind="stable")] = np.arange(1, len(scores) + 1)
    ones = labels.sum()
    return float((ranks[labels == 1].sum() - ones * (ones + 1) / 2) / (ones * (len(labels) - ones)))
