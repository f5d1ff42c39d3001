"""Cohen's kappa, and an interval that holds the true one as often as it says, also where all agree."""

import numpy as np
import pytest

from rag_pipeline.metrics.agreement import kappa, yes_or_no

Pairs = list[tuple[bool, bool]]


def pairs(both: int, first: int, second: int, neither: int) -> Pairs:
    return [(True, True)] * both + [(True, False)] * first + [(False, True)] * second + [(False, False)] * neither


def test_kappa_is_that_of_the_textbook() -> None:
    assert kappa(pairs(20, 5, 10, 15)) == pytest.approx(0.4), "50 pairs, 35 alike, 25 by chance"
    assert kappa(pairs(5, 0, 0, 5)) == 1.0 and kappa(pairs(0, 5, 5, 0)) == -1.0
    assert kappa([]) is None and kappa(pairs(9, 0, 0, 0)) is None


def test_few_pairs_that_agree_prove_nothing() -> None:
    few, many = yes_or_no(pairs(2, 0, 0, 1)), yes_or_no(pairs(100, 0, 0, 60))
    assert few.value == many.value == 1.0
    assert few.lower < 0.2 and many.lower > 0.9
    alone = yes_or_no(pairs(200, 0, 0, 0))
    assert alone.value is None and alone.lower < 0.3, "who always says yes is not known to see anything"
    assert "cannot be told" in alone.says and yes_or_no([]).says == "was never compared"


@pytest.mark.parametrize("shares", [(0.45, 0.05, 0.05, 0.45), (0.8, 0.05, 0.05, 0.1), (0.6, 0.02, 0.08, 0.3)])
def test_the_lower_bound_is_too_high_about_as_rarely_as_it_says(shares: tuple[float, ...]) -> None:
    by_chance = (shares[0] + shares[1]) * (shares[0] + shares[2]) + (shares[2] + shares[3]) * (shares[1] + shares[3])
    true = (shares[0] + shares[3] - by_chance) / (1 - by_chance)
    dice = np.random.default_rng(7)
    found = [yes_or_no(pairs(*map(int, dice.multinomial(60, shares)))) for _ in range(400)]
    assert sum(one.lower > true for one in found) / 400 <= 0.05
    assert sum(one.lower <= true <= one.upper for one in found) / 400 >= 0.92
