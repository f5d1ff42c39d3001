"""How alike two judge the same things: Cohen's kappa, and in which interval the true one lies. Values in, values out."""

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

_DRAWS = 20_000
_SEED = 20_240_229
_PRIOR = 0.5
"""Imagined pairs of each kind (Jeffreys): so that three pairs that agree are no proof of anything."""


@dataclass(frozen=True, slots=True)
class Kappa:
    """`value`: 1 for full agreement, 0 for what chance gives; None where it cannot be told (nothing, or one answer alone).

    `lower` and `upper` hold the true one with 95 % together, each with 97.5 %.
    """

    pairs: int
    agreed: int
    value: float | None
    lower: float
    upper: float

    @property
    def says(self) -> str:
        if not self.pairs:
            return "was never compared"
        told = "cannot be told: one answer was given only" if self.value is None else f"{self.value:.2f}"
        return f"agreed on {self.agreed} of {self.pairs}, Cohen's kappa {told} ({self.lower:.2f} to {self.upper:.2f})"


def kappa(pairs: Sequence[tuple[Hashable, Hashable]]) -> float | None:
    """J. Cohen, "A coefficient of agreement for nominal scales", 1960; None where it cannot be told."""
    if not pairs:
        return None
    ours, theirs = Counter(one for one, _ in pairs), Counter(other for _, other in pairs)
    by_chance = sum(ours[grade] * theirs[grade] for grade in ours) / len(pairs) ** 2
    agreed = sum(one == other for one, other in pairs) / len(pairs)
    return None if by_chance == 1 else (agreed - by_chance) / (1 - by_chance)


def yes_or_no(pairs: Sequence[tuple[bool, bool]]) -> Kappa:
    """Kappa of judgments of two kinds, with its interval.

    The shares of the four kinds of pairs are drawn from what is plausible after these were seen (Dirichlet, half a pair of
    each kind imagined), and each draw has a kappa. The usual formula by the standard error has no width where all agree.
    """
    counts = Counter(pairs)
    table = np.array([counts[True, True], counts[True, False], counts[False, True], counts[False, False]]) + _PRIOR
    draws = np.random.default_rng(_SEED).dirichlet(table, _DRAWS)
    agreed, ours, theirs = draws[:, 0] + draws[:, 3], draws[:, 0] + draws[:, 1], draws[:, 0] + draws[:, 2]
    by_chance = ours * theirs + (1 - ours) * (1 - theirs)
    lower, upper = np.percentile((agreed - by_chance) / np.maximum(1 - by_chance, 1e-12), [2.5, 97.5])
    same = counts[True, True] + counts[False, False]
    return Kappa(len(pairs), same, kappa(pairs), round(float(lower), 4), round(float(upper), 4))
