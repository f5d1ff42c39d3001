"""How many judged queries are enough, and bounds of what was seen alone, against hand calculations."""

import math
from itertools import product

import numpy as np
import pytest
from scipy.stats import norm

from rag_pipeline.evaluate.compare import (
    Interval,
    answered_score,
    enough_for_margin,
    enough_for_share,
    half_the_error,
    interval,
    more_for_margin,
    more_for_share,
    seen_bounds,
)

MARGIN = 0.02


@pytest.mark.parametrize("values", [[], [0.0], [0.0] * 60])
def test_what_did_not_change_has_no_bounds_but_0_where_nothing_is_imagined(values: list[float]) -> None:
    assert seen_bounds(values) == (0.0, 0.0)


def test_bounds_of_what_was_seen_are_those_of_every_resample_there_is() -> None:
    values = [-0.5, 0.0, 0.25, 0.1]
    means = np.array([np.mean(drawn) for drawn in product(values, repeat=4)])
    for confidence in (0.8, 0.95):
        lower, upper = seen_bounds(values, confidence=confidence)
        assert lower == pytest.approx(np.quantile(means, 1 - confidence), abs=0.02)
        assert upper == pytest.approx(np.quantile(means, confidence), abs=0.02)
    assert seen_bounds(values) == seen_bounds(values, confidence=0.95)
    assert seen_bounds([-0.5] * 9) == (-0.5, -0.5), "all that was seen is the same"


def test_a_second_try_has_half_the_error() -> None:
    assert half_the_error(0.95) == pytest.approx(0.975)
    assert half_the_error(0.9) == pytest.approx(0.95)


def test_where_the_share_seen_is_at_the_limit_no_more_queries_help() -> None:
    assert more_for_share(1, 1, 0.6) is None
    assert more_for_share(1, 2, 0.5) is None
    assert more_for_share(1, 2, 0.51) is not None
    assert more_for_share(0, 0, 0.0) is None
    assert enough_for_share(0.0) is None
    assert enough_for_share(0.05) == 59
    assert enough_for_share(0.05, confidence=0.9) == 45, "0.95 ** 45 is less than a tenth, 0.95 ** 44 is not"
    assert enough_for_share(0.05, confidence=0.99) == 90, "0.95 ** 90 is less than a hundredth, 0.95 ** 89 is not"


def test_an_answered_query_scores_the_mean_of_those_above_0() -> None:
    assert answered_score([0.0, 0.5, 1.0, 0.0]) == pytest.approx(0.75)
    assert answered_score([0.0, 0.5]) == 0.5
    assert answered_score([0.0, 0.0]) == answered_score([]) == 0.0


def test_how_many_queries_could_show_that_nothing_was_lost() -> None:
    """A resample holds one given query at most three times in 95 of 100: so many times its share must fit the margin."""
    assert enough_for_margin(0.7, 0.02) == 105 == round(3 * 0.7 / 0.02)
    assert enough_for_margin(0.7, 0.02, confidence=0.9) == 70, "at most twice in 90 of 100"
    assert enough_for_margin(0.0, 0.02) == 1
    assert enough_for_margin(0.7, 0.0) is None
    by_hand = math.ceil(((norm.ppf(0.95) + norm.ppf(0.8)) * 0.3 / 0.02) ** 2)
    assert enough_for_margin(0.0, 0.02, sd=0.3) == pytest.approx(by_hand, rel=1e-3)
    wanted = enough_for_margin(0.7, 0.02, sd=0.3)
    assert wanted is not None and wanted > by_hand
    for queries, fits in ((wanted, True), (wanted - 1, False)):
        around = norm.ppf(0.95) * math.sqrt(0.3**2 + 0.7**2 / queries) + 0.8416 * 0.3
        assert bool(0.7 / queries + around / math.sqrt(queries) <= 0.02) == fits


def test_one_query_has_no_scatter_so_that_the_imagined_one_says_how_many_more_would_decide() -> None:
    alone = interval([0.3], typical=0.8)
    assert more_for_margin(alone, MARGIN) == math.ceil(3 * 0.8 / (0.3 + MARGIN)) - 1


def test_ten_thousand_queries_are_said_and_one_more_is_not() -> None:
    """Without scatter only the imagined query counts, three times over."""
    for queries, more in ((10_000, 9_900), (10_001, None)):
        found = Interval(100, 2.4 / queries, -1.0, 1.0, 0.0, 0.8, 0.1)
        assert more_for_margin(found, 0.0) == more
