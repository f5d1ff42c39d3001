"""How often a canary is stopped: simulated trials of releases that do no harm, that fail, and that are slow.

    .venv/bin/python -m benchmarks.canary [--runs 5000]

Each trial is counts alone, as replicas sum them up: queries fall on both arms by the split, times are drawn from a heavy
tail, and every look is taken that is due. Prints JSON; one core, some minutes.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rag_pipeline.canary.arms import ArmCounts, Arms, bucket_of
from rag_pipeline.canary.looks import FIRST, look
from rag_pipeline.canary.split import PARTS, part_of

MEDIAN_MS = 15.0
_BUCKETS = 400


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of release. `errors`: chance that a query fails, in the stable and in the canary arm. `tail`: sigma of the
    lognormal times; `times`: by how much all of the canary's are longer; `slow_share`: or only so many of them, to 3 x p95.
    """

    errors: tuple[float, float] = (0.0, 0.0)
    tail: float = 0.6
    times: float = 1.0
    slow_share: float = 0.0


HARMLESS = {
    "no errors": Kind(),
    "0.1 % errors in both": Kind((0.001, 0.001)),
    "1 % errors in both": Kind((0.01, 0.01)),
    "5 % errors in both": Kind((0.05, 0.05)),
    "times with a very heavy tail": Kind((0.001, 0.001), tail=1.5),
    "all times a half longer": Kind(times=1.5),
}
HARMFUL = {
    "2 % errors, against none": Kind((0.0, 0.02)),
    "5 % errors, against 0.1 %": Kind((0.001, 0.05)),
    "all times three times as long": Kind(times=3.0),
    "p95 three times as high by one answer in twenty": Kind(slow_share=0.055),
}


def trial(kind: Kind, percent: float, until: int, chance: np.random.Generator) -> tuple[int, str]:
    """Where a trial was stopped, in queries of the canary arm, and why; 0 and nothing where it was not by `until`."""
    stable, canary, looked = _Arm(kind, slow=False), _Arm(kind, slow=True), 0
    for at in _looks(until):
        stable.ask(int(chance.negative_binomial(at - canary.queries, percent / 100)), chance)
        canary.ask(at - canary.queries, chance)
        found = look(Arms(stable=stable.counts, canary=canary.counts), looked)
        if found and found.stop:
            return at, found.stop
        looked = found.at if found else looked
    return 0, ""


def _looks(until: int) -> list[int]:
    looks = [at for at in FIRST if at <= until]
    while looks[-1] >= FIRST[-1] and 2 * looks[-1] <= until:
        looks.append(2 * looks[-1])
    return looks


class _Arm:
    def __init__(self, kind: Kind, *, slow: bool) -> None:
        self._kind, self._slow = kind, slow
        self._answered = np.zeros(_BUCKETS, dtype=np.int64)
        self._errors = 0

    @property
    def queries(self) -> int:
        return int(self._answered.sum()) + self._errors

    @property
    def counts(self) -> ArmCounts:
        there = np.flatnonzero(self._answered)
        return ArmCounts(answered={int(place): int(self._answered[place]) for place in there}, errors=self._errors)

    def ask(self, queries: int, chance: np.random.Generator) -> None:
        failed = int(chance.binomial(queries, self._kind.errors[self._slow]))
        self._errors += failed
        times = MEDIAN_MS * np.exp(self._kind.tail * chance.standard_normal(queries - failed))
        if self._slow:
            times *= self._kind.times
            slow = chance.random(len(times)) < self._kind.slow_share
            times[slow] = 3.05 * MEDIAN_MS * np.exp(1.6449 * self._kind.tail)
        places = np.ceil(np.log(np.maximum(times, 1.0)) / np.log(1.05)).astype(np.int64)
        self._answered += np.bincount(np.minimum(places, _BUCKETS - 1), minlength=_BUCKETS)


def stopped_percent(kind: Kind, runs: int, percent: float, until: int, seed: int = 1) -> float:
    """Of so many trials, how many were stopped by `until` queries of the canary arm, in percent."""
    chance = np.random.default_rng(seed)
    return 100 * sum(trial(kind, percent, until, chance)[0] > 0 for _ in range(runs)) / runs


def split_percent(percent: float, principals: int, salt: str = "salt") -> float:
    """The share of principals that the split of so many percent takes, in percent."""
    limit = percent * PARTS / 100
    return 100 * sum(part_of(salt, f"k_{number:08x}") < limit for number in range(principals)) / principals


def main(words: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5_000)
    asked = parser.parse_args(words)
    if bucket_of(100.0) != int(np.ceil(np.log(100) / np.log(1.05))):
        raise AssertionError("the buckets of this page are not those of the pipeline")
    told = {
        "runs": asked.runs,
        "harmless, stopped percent by 6,400 queries": {
            f"{name}, {percent:g} % split": round(stopped_percent(kind, asked.runs, percent, 6_400), 3)
            for name, kind in HARMLESS.items()
            for percent in (5.0, 50.0)
        },
        "harmful, stopped percent by 400 queries, 5 % split": {
            name: round(stopped_percent(kind, asked.runs, 5.0, FIRST[-1]), 3) for name, kind in HARMFUL.items()
        },
        "5 % split takes of 1,000,000 principals, percent": round(split_percent(5.0, 1_000_000), 4),
    }
    sys.stdout.write(json.dumps(told, indent=2) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
