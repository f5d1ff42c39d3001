"""How far production drifts in twenty nights of small losses, with the channel's anchor and without, by simulation.

`.venv/bin/python -m benchmarks.anchor_drift --runs 150` (an hour on a core; no home, no data, no model). Scores are drawn by
where the right document stands in three real collections. Each night .005 nDCG@10 of all questions is lost: answers, or a
place. The golden set stays. A night must pass beside production (the gate's bounds, or 200 probes by expected loss and no
judged answer lost), and the anchor's rule. It says how often production ended more than .02 below the anchor, and how often
the anchor refuses harmless churn: so many questions a place up or down, whatever came before. Expected from 100 questions
on: about 5 % at most.
"""

import argparse
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rag_pipeline.evaluate import compare
from rag_pipeline.evaluate.compare import interval, seen_bounds, share_bounds
from rag_pipeline.gate.anchored import loses

Ranks = NDArray[np.int64]
Scores = NDArray[np.float64]

NIGHTS, STEP, MARGIN, PROBES, GONE = 20, 0.005, 0.02, 200, 99
DISCOUNT = 1 / np.log2(np.arange(2, 12))
WORTH = np.append(DISCOUNT, 0.0)


@dataclass(frozen=True)
class Collection:
    """Share of questions with an answer in the first ten, and at which place it stands."""

    answered: float
    places: tuple[float, ...]

    @property
    def shares(self) -> Scores:
        return np.array(self.places) / sum(self.places)


COLLECTIONS = {
    "abstracts": Collection(0.846, (0.62, 0.14, 0.07, 0.05, 0.03, 0.03, 0.02, 0.02, 0.01, 0.01)),
    "paragraphs": Collection(0.997, (0.93, 0.05, 0.01, 0.01, 0, 0, 0, 0, 0, 0)),
    "pages": Collection(0.93, (0.66, 0.14, 0.07, 0.04, 0.03, 0.02, 0.01, 0.01, 0.01, 0.01)),
}


class Lab:
    """One seeded generator, and the drawing done with it."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)

    def draw(self, one: Collection, queries: int) -> Ranks:
        """Where the right document of each question stands, from 0."""
        ranks = self.random.choice(10, size=queries, p=one.shares)
        return np.where(self.random.random(queries) > one.answered, GONE, ranks)

    def worse(self, ranks: Ranks, one: Collection, how: str) -> Ranks:
        """The next night: so many questions lose their answer, or a place, that all together lose STEP."""
        if how == "answers":
            share = STEP / (one.answered * float(DISCOUNT @ one.shares))
            hit = (self.random.random(len(ranks)) < share) & (ranks < 10)
            return np.where(hit, GONE, ranks)
        share = STEP / (one.answered * float((WORTH[:10] - WORTH[1:]) @ one.shares))
        hit = (self.random.random(len(ranks)) < share) & (ranks < 10)
        return _ended(np.where(hit, ranks + 1, ranks))

    def churned(self, ranks: Ranks, share: float) -> Ranks:
        """Half of the share a place down, half a place up."""
        dice = self.random.random(len(ranks))
        moved = np.where(dice < share / 2, ranks + 1, np.where(dice > 1 - share / 2, np.maximum(ranks - 1, 0), ranks))
        return _ended(np.where(ranks < 10, moved, ranks))


def _ended(ranks: Ranks) -> Ranks:
    return np.where(ranks >= 10, GONE, ranks)


def score(ranks: Ranks) -> Scores:
    return np.asarray(WORTH[np.minimum(ranks, 10)])


def expected_loss(before: Ranks, after: Ranks, one: Collection) -> Scores:
    """Of probes: the chance that the right document is the one that moved, times what that costs."""
    chance = one.answered * one.shares
    loss = np.zeros(len(before))
    for place in np.flatnonzero(before != after):
        was, now = before[place], after[place]
        if was < 10 and now >= 10:
            loss[place] = chance[was] * DISCOUNT[was] - chance[was + 1 :] @ (DISCOUNT[was:-1] - DISCOUNT[was + 1 :])
        elif was < 10:
            loss[place] = (chance[was] - chance[now]) * (DISCOUNT[was] - DISCOUNT[now])
    return loss


def passes_beside_production(mine: Ranks, theirs: Ranks, probes: Ranks, before: Ranks, one: Collection) -> bool:
    difference, typical = score(mine) - score(theirs), float(DISCOUNT @ one.shares)
    lost = int(((theirs < 10) & (mine >= 10)).sum())
    if interval(difference, typical=typical).lower >= -MARGIN and share_bounds(lost, len(mine))[1] <= 0.05:
        return True
    loss = expected_loss(before, probes, one)
    return not lost and difference.mean() >= -MARGIN and interval(-loss).lower >= -MARGIN


def refused(mine: Ranks, anchor: Ranks, rule: str) -> bool:
    difference = score(mine) - score(anchor)
    if rule == "the rule":
        hits = (mine < 10).astype(float) - (anchor < 10).astype(float)
        return loses(difference, hits, MARGIN, 0.95)
    if rule == "mean":
        return bool(difference.mean() < -MARGIN)
    if rule == "bound":
        return seen_bounds(difference)[0] < -MARGIN
    return False


def ends(lab: Lab, one: Collection, queries: int, how: str, rule: str) -> float:
    """What production has truly lost after all nights."""
    anchor, probes = lab.draw(one, queries), lab.draw(one, PROBES)
    content, asked, serves, served, truth = anchor, probes, anchor, probes, 0.0
    for night in range(1, NIGHTS + 1):
        content, asked = lab.worse(content, one, how), lab.worse(asked, one, how)
        if not refused(content, anchor, rule) and passes_beside_production(content, serves, asked, served, one):
            serves, served, truth = content, asked, -STEP * night
    return truth


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--runs", type=int, default=150)
    parser.add_argument("--queries", type=int, nargs="+", default=[10, 30, 60, 100, 180, 300])
    runs = parser.parse_args().runs
    compare.DRAWS = 1_000
    for name, one in COLLECTIONS.items():
        for queries in parser.parse_args().queries:
            lab = Lab(35)
            beyond = {
                (rule, how): np.mean([ends(lab, one, queries, how, rule) < -MARGIN - 1e-9 for _ in range(runs)])
                for rule in ("none", "mean", "bound", "the rule")
                for how in ("answers", "places")
            }
            starts = [lab.draw(one, queries) for _ in range(2 * runs)]
            churn = [np.mean([refused(lab.churned(at, share), at, "the rule") for at in starts]) for share in (0.01, 0.02)]
            told = ", ".join(f"{rule} {how} {100 * share:.0f} %" for (rule, how), share in beyond.items())
            says = f"refuses churn of 1 %: {100 * churn[0]:.1f} %, of 2 %: {100 * churn[1]:.1f} %"
            print(f"{name}, {queries} questions: beyond: {told}; {says}", flush=True)


if __name__ == "__main__":
    main()
