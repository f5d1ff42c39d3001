"""What the bound does by itself: how many questions a scatter needs, and how often a loss at the margin passes.

`.venv/bin/python -m benchmarks.gate.scatter` (five minutes). First golden sets whose differences are normal around no change
at all, and how often the product's bound reaches the margin. Then, exactly, golden sets of which a question loses its answer
with such a chance that .02 are lost in all.
"""

from math import comb

import numpy as np

from benchmarks.gate.batch import quantiles

_SETS = 2_000


def passes(sd: float, answered: float, questions: int, margin: float, seed: int = 7) -> float:
    """Share of golden sets whose lower bound reaches -margin where nothing changes on the whole."""
    drawn = np.random.default_rng(seed).normal(scale=sd, size=(_SETS, questions))
    worst = -np.maximum(answered, -drawn.min(axis=1))
    return float(np.mean(quantiles(np.column_stack([drawn, worst]), 0.05) >= -margin))


def needed(sd: float, answered: float, margin: float) -> int:
    """The fewest questions, in tens, with which four of five such sets pass."""
    low, high = 1, 80
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if passes(sd, answered, 10 * middle, margin) >= 0.8 else (middle + 1, high)
    return 10 * low


def at_the_margin(loses: float, answered: float, questions: int, margin: float = 0.02) -> float:
    """Chance that a golden set passes where questions that lose lose `loses`, and that is the margin over all."""
    chance, most = margin / loses, 40
    sets = np.zeros((most, questions + 1))
    for lost in range(most):
        sets[lost, :lost] = -loses
        sets[lost, -1] = -max(answered, loses if lost else 0.0)
    lower = quantiles(sets, 0.05)
    return float(
        sum(
            comb(questions, lost) * chance**lost * (1 - chance) ** (questions - lost)
            for lost in range(min(most, questions + 1))
            if lower[lost] >= -margin
        )
    )


def _exactly() -> None:
    sizes = [60, 75, 90, 100, 120, 150, 180, 240, 300, 400, 500, 600]
    print("\nA loss of .02 over all, chance to pass by size: " + " ".join(f"{size:5}" for size in sizes))
    for answered in (0.5, 0.6, 0.7, 0.8, 0.9, 1.0):
        for loses in sorted({0.13, 0.37, answered, 1.0}):
            passed = [at_the_margin(loses, answered, size) for size in sizes]
            says = f"answered score {answered}, those that lose lose {loses}"
            print(f"{says:47} " + " ".join(f"{share:5.1%}" for share in passed), flush=True)


if __name__ == "__main__":
    print(f"{'scatter':>8} {'answered':>9} {'margin':>7} {'needed':>7} {'by 2.49 sd alone':>17}, of those sets pass")
    for margin in (0.02, 0.05):
        for answered in (0.6, 0.8):
            for sd in (0.05, 0.1, 0.15, 0.2) if margin < 0.05 else (0.1, 0.2, 0.3):
                plain = max(10, round((2.49 * sd / margin) ** 2))
                share = passes(sd, answered, plain, margin)
                print(f"{sd:8} {answered:9} {margin:7} {needed(sd, answered, margin):7} {plain:17} {share:.0%}", flush=True)
    _exactly()
