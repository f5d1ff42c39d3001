"""The statistics of the gate, against other implementations, hand calculations and simulation."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, norm

from rag_pipeline.evaluate import compare
from rag_pipeline.evaluate.compare import (
    Interval,
    holm,
    interval,
    lost_by_chance,
    more_for_margin,
    more_for_share,
    quantile,
    share_bounds,
)

MARGIN = 0.02
STEPS = [-1.0, -0.5, -0.1, 0.0, 0.0, 0.1, 0.37, 1.0]

SHAPES = {
    "sparse heavy losses": [-1.0] * 4 + [0.0] * 176,
    "dense small ones": list(np.random.default_rng(1).normal(-0.02, 0.1, 180).round(2)),
    "few queries": [-0.5, 0.0, 0.25, 0.0, 0.1, -0.1, 0.0, 0.0],
    "gains alone": [0.3, 0.0, 0.1, 0.0, 0.2, 0.0] * 10,
    "more distinct values than are counted": list(np.random.default_rng(2).normal(0, 0.2, 700)),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_the_interval_is_the_same_every_time_and_in_any_order(shape: str) -> None:
    values = np.array(SHAPES[shape])
    found = interval(values, typical=0.5)
    assert interval(list(values), typical=0.5) == found
    other = interval(values[::-1], typical=0.5)
    width = found.upper - found.lower
    assert (other.lower, other.upper) == pytest.approx((found.lower, found.upper), abs=0.05 * width)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(STEPS), min_size=1, max_size=40), st.floats(0, 1))
def test_the_interval_contains_the_mean_and_lies_within_what_can_be(values: list[float], typical: float) -> None:
    found = interval(values, typical=typical)
    assert found.queries == len(values)
    assert found.mean == pytest.approx(math.fsum(values) / len(values))
    assert found.lower <= found.mean + 1e-12 <= found.upper + 2e-12
    assert min(*values, -typical) - 1e-12 <= found.lower and found.upper <= max(*values, typical) + 1e-12
    assert found.imagined == max(typical, -min(values))


@pytest.mark.parametrize("shape", SHAPES)
def test_what_is_gained_and_what_is_lost_are_treated_alike(shape: str) -> None:
    values = np.array(SHAPES[shape])
    found, mirrored = interval(values, typical=0.5), interval(-values, typical=0.5)
    by_chance = 0.05 * (found.upper - found.lower)
    assert (mirrored.lower, mirrored.upper) == pytest.approx((-found.upper, -found.lower), abs=by_chance)


@pytest.mark.parametrize("shape", SHAPES)
def test_more_confidence_makes_it_wider_and_a_worse_imagined_query_lowers_the_lower_bound(shape: str) -> None:
    values = SHAPES[shape]
    usual, sure = interval(values), interval(values, confidence=0.999)
    assert sure.lower < usual.lower < usual.upper < sure.upper
    assert sure.detectable > usual.detectable
    imagined = interval(values, typical=1.0)
    assert imagined.lower <= usual.lower and imagined.upper >= usual.upper
    assert interval(values, typical=0.0) == usual


@pytest.mark.parametrize("shape", SHAPES)
def test_the_lower_bound_is_never_above_that_of_a_plain_percentile_bootstrap(shape: str) -> None:
    values = np.array(SHAPES[shape])
    generator = np.random.default_rng(4)
    means = np.concatenate([generator.choice(values, (1_000, len(values))).mean(axis=1) for _ in range(20)])
    by_chance = 0.1 * values.std() / math.sqrt(len(values))  # five standard errors of a quantile of 10,000 draws
    assert interval(values).lower <= float(np.quantile(means, 0.05)) + by_chance


def test_the_interval_is_about_as_wide_as_theory_says_where_one_query_weighs_little() -> None:
    values = np.random.default_rng(5).normal(0.01, 0.2, size=500)
    found = interval(values)
    expected = norm.ppf(0.95) * values.std() / math.sqrt(500) + (values.max() - values.min()) / 2 / 501  # the imagined ones
    assert (found.upper - found.lower) / 2 == pytest.approx(expected, rel=0.05)
    assert found.sd == pytest.approx(values.std(ddof=1))
    assert found.detectable == pytest.approx((norm.ppf(0.95) + norm.ppf(0.8)) * found.sd / math.sqrt(500), rel=1e-3)


def test_no_query_tells_nothing() -> None:
    found = interval([])
    assert (found.queries, found.mean, found.lower, found.upper) == (0, 0.0, -math.inf, math.inf)
    assert (found.sd, found.imagined) == (math.inf, 1.0), "the most a metric can lose"
    assert found.detectable == math.inf


def test_one_query_can_show_neither_a_gain_nor_that_nothing_was_lost() -> None:
    found = interval([0.3], typical=0.8)
    assert (found.lower, found.upper) == (-0.8, 0.8)
    assert found.detectable == math.inf
    assert interval([-0.3]).lower == -0.3


def test_equal_differences_leave_what_was_never_seen_to_the_imagined_query() -> None:
    flat = interval([0.0] * 60)
    assert (flat.mean, flat.lower, flat.upper, flat.sd) == (0.0, 0.0, 0.0, 0.0)
    found = interval([0.0] * 60, typical=0.7)
    assert found.lower == pytest.approx(-3 * 0.7 / 61), "a resample holds it three times or less 95 % of the time"
    assert found.upper == pytest.approx(3 * 0.7 / 61)
    assert found.detectable > 0.2 / math.sqrt(60)


AT_THE_MARGIN = {
    "sparse heavy losses": ([-1.0, 0.0], [0.02, 0.98], 0.7),
    "sparse heavy losses and a few gains": ([-1.0, 0.0, 0.5], [0.03, 0.95, 0.02], 0.7),
    "dense small ones": ([-0.08, -0.04, 0.0, 0.04], [0.2, 0.25, 0.4, 0.15], 0.7),
    "dense small ones, nothing imagined": ([-0.08, -0.04, 0.0, 0.04], [0.2, 0.25, 0.4, 0.15], 0.0),
}


@pytest.mark.parametrize("what", AT_THE_MARGIN)
def test_what_truly_is_at_the_margin_passes_one_time_in_twenty_or_less(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each night with a fifth of the draws, to afford three hundred."""
    monkeypatch.setattr(compare, "DRAWS", 2_000)
    values, shares, typical = AT_THE_MARGIN[what]
    assert np.dot(values, shares) == pytest.approx(-MARGIN)
    generator = np.random.default_rng(11)
    nights = [interval(generator.choice(values, 180, p=shares), typical=typical) for _ in range(300)]
    passed = sum(night.lower >= -MARGIN for night in nights)
    assert passed <= 0.08 * 300
    assert sum(night.upper < -MARGIN for night in nights) <= 0.08 * 300


@pytest.mark.parametrize(
    ("cases", "queries"), [(0, 1), (1, 1), (0, 59), (3, 60), (7, 300), (299, 300), (300, 300), (50, 100)]
)
@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_bounds_of_a_share_are_those_of_clopper_and_pearson(cases: int, queries: int, confidence: float) -> None:
    lower, upper = share_bounds(cases, queries, confidence=confidence)
    above = binomtest(cases, queries, alternative="less").proportion_ci(confidence, method="exact")
    below = binomtest(cases, queries, alternative="greater").proportion_ci(confidence, method="exact")
    assert (lower, upper) == pytest.approx((below.low, above.high), abs=1e-9)


def test_bounds_of_a_share_of_no_queries_are_all_there_is() -> None:
    assert share_bounds(0, 0) == (0.0, 1.0)


def test_59_queries_without_a_case_show_that_it_is_less_than_one_in_twenty() -> None:
    assert share_bounds(0, 58)[1] > 0.05 >= share_bounds(0, 59)[1]
    assert more_for_share(0, 58, 0.05) == 1
    assert more_for_share(0, 10, 0.05) == 49
    assert more_for_share(0, 0, 0.05) == 59


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 6), st.integers(1, 200), st.sampled_from([0.02, 0.05, 0.2]), st.sampled_from([0.9, 0.95]))
def test_so_many_more_queries_bring_a_share_below_its_limit_and_one_less_does_not(
    cases: int, queries: int, limit: float, confidence: float
) -> None:
    cases = min(cases, queries)
    more = more_for_share(cases, queries, limit, confidence=confidence)
    if cases / queries >= limit:
        assert more is None
        return
    assert more is not None
    assert share_bounds(cases, queries + more, confidence=confidence)[1] <= limit
    if more > 1:
        assert share_bounds(cases, queries + more - 1, confidence=confidence)[1] > limit


def an_interval(mean: float, sd: float, *, queries: int = 100, imagined: float = 0.0) -> Interval:
    return Interval(queries, mean, -1.0, 1.0, sd, imagined, 0.1)


def test_how_many_more_queries_would_decide_follows_from_spread_and_distance() -> None:
    by_hand = math.ceil(((norm.ppf(0.95) + norm.ppf(0.8)) * 0.2 / 0.02) ** 2)
    assert more_for_margin(an_interval(0.0, 0.2), MARGIN) == pytest.approx(by_hand - 100, abs=1)
    assert more_for_margin(an_interval(-0.04, 0.2), MARGIN) == more_for_margin(an_interval(0.0, 0.2), MARGIN)
    assert more_for_margin(an_interval(0.0, 0.01), MARGIN) == 1
    assert more_for_margin(an_interval(0.0, 0.01, imagined=0.8), MARGIN) == pytest.approx(3 * 40 - 100, abs=1)
    assert more_for_margin(an_interval(-0.04, 0.01, imagined=0.8), MARGIN) == 1, "that is a loss, whatever one imagines"


def test_what_lies_at_the_margin_is_not_decided_by_ten_thousand_queries() -> None:
    assert more_for_margin(an_interval(-MARGIN, 0.2), MARGIN) is None
    assert more_for_margin(an_interval(-MARGIN + 1e-4, 0.2), MARGIN) is None
    assert more_for_margin(interval([]), MARGIN) is None


def test_so_many_more_queries_do_decide_four_times_out_of_five(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare, "DRAWS", 2_000)
    values, shares = [-0.5, 0.0, 0.5], [0.06, 0.88, 0.06]
    found = interval(np.repeat(values, [6, 88, 6]), typical=0.5)
    more = more_for_margin(found, MARGIN)
    assert more is not None and more > 200
    generator = np.random.default_rng(3)
    drawn = (generator.choice(values, found.queries + more, p=shares) for _ in range(200))
    decided = sum(interval(night, typical=0.5).lower >= -MARGIN for night in drawn)
    assert 0.7 <= decided / 200 <= 0.92


def test_holm_by_hand() -> None:
    """Four names at 5 %: limits .0125, .0167, .025, .05 for the p-values in ascending order; the first above ends it."""
    p_values = {"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005}
    assert holm(p_values) == ["d", "a"]
    assert holm(p_values, alpha=0.1) == ["d", "a", "c", "b"]
    assert holm({"a": 0.02, "b": 0.02}) == holm({"b": 0.02, "a": 0.02}) == ["a", "b"]
    assert holm({"a": 0.05}) == ["a"]
    assert holm({"a": 0.0501}) == holm({}) == []
    assert holm({"a": 0.03, "b": 0.04}) == [], "not even the smaller one is below .025"


@pytest.mark.parametrize(
    "values",
    [
        [-0.5],
        [0.5],
        [-0.5, -0.25, -1.0],
        [-0.5, 0.5, 0.0, 0.0],
        [-0.1, -0.2, 0.3, -0.4, 0.05, -0.6],
        [0.1, 0.2, -0.05, 0.4, 0.3],
        [-1.0] * 6 + [1.0] * 3 + [0.0] * 50,
    ],
)
def test_lost_by_chance_agrees_with_every_choice_of_signs(values: list[float]) -> None:
    changed = [value for value in values if value]
    signs = np.array(list(product([-1, 1], repeat=len(changed))))
    exact = float(np.mean(signs @ np.abs(changed) <= sum(changed) + 1e-12))
    assert lost_by_chance(values) == pytest.approx(exact, abs=0.02)
    assert lost_by_chance(values) == lost_by_chance(np.array(values))


def test_nothing_changed_is_no_loss() -> None:
    assert lost_by_chance([]) == lost_by_chance([0.0] * 30) == 1.0


def test_a_quantile_of_the_normal_distribution() -> None:
    assert quantile(0.95) == pytest.approx(norm.ppf(0.95))


def test_figures_of_two_comparisons_are_what_they_were() -> None:
    """Other draws, another seed or another way to take a quantile would change verdicts on evidence that is kept."""
    mixed = interval([-0.5, 0.0, 0.25, 0.0, 0.1, -0.1, 0.0, 0.0], typical=0.4)
    assert (mixed.lower, mixed.upper) == pytest.approx((-0.2222222222222222, 0.1388888888888889), abs=1e-12)
    sparse = interval([-1.0] * 4 + [0.0] * 176, confidence=0.9)
    assert (sparse.lower, sparse.upper) == pytest.approx((-0.04419889502762431, -0.011049723756906077), abs=1e-12)
    assert lost_by_chance([-0.1, -0.2, 0.3, -0.4, 0.05, -0.6]) == pytest.approx(0.15578442155784422, abs=1e-12)
    assert lost_by_chance([-1.0] * 6 + [1.0] * 3 + [0.0] * 50) == pytest.approx(0.25547445255474455, abs=1e-12)


def test_two_queries_have_a_scatter_and_one_has_none() -> None:
    pair = interval([0.2, -0.2], typical=0.0)
    assert pair.sd == pytest.approx(math.sqrt(0.08))
    assert pair.detectable == pytest.approx((norm.ppf(0.95) + norm.ppf(0.8)) * pair.sd / math.sqrt(2), rel=1e-3)
    assert interval([0.2]).sd == math.inf
    by_hand = math.ceil(((norm.ppf(0.95) + norm.ppf(0.8)) * pair.sd / MARGIN) ** 2)
    assert more_for_margin(pair, MARGIN) == pytest.approx(by_hand - 2, rel=0.02), "what two show of the scatter counts"
