"""Requests are counted by the minute, for an hour, in bounded memory."""

from bisect import bisect_left

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag_pipeline.replicas.tally import BOUNDS_MS, MINUTES, Tally, quantile_ms

NOON = 1_790_000_040.0


def test_each_request_counts_as_what_it_came_to() -> None:
    tally = Tally()
    tally.count(NOON, 200, "", 12.0)
    tally.count(NOON, 200, "", 12.0, ["words"])
    tally.count(NOON, 503, "overloaded", 1.0)
    tally.count(NOON, 429, "too-many-requests", 1.0)
    tally.count(NOON, 503, "no-release", 1.0)
    tally.count(NOON, 500, "", 1.0)
    for callers_fault in (400, 401, 404, 413):
        tally.count(NOON, callers_fault, "invalid", 1.0)
    [minute] = tally.minutes(NOON)
    assert minute.start == int(NOON // 60)
    assert minute.answered[BOUNDS_MS.index(15)] == sum(minute.answered) == 2
    assert minute.degraded == {"words": 1}
    assert minute.refused == {"overloaded": 1, "too-many-requests": 1}
    assert minute.errors == {"no-release": 1, "500": 1}


def test_an_hour_is_remembered_and_no_more() -> None:
    tally = Tally()
    for minute in range(3 * MINUTES):
        tally.count(NOON + 60 * minute, 200, "", 1.0)
    last = NOON + 60 * (3 * MINUTES - 1)
    assert [one.start for one in tally.minutes(last)] == [int(last // 60) - MINUTES + 1 + step for step in range(MINUTES)]
    assert len(tally.minutes(last + 60 * 59)) == 1
    assert tally.minutes(last + 60 * 60) == ()


def test_a_clock_that_is_set_back_counts_on_where_it_was() -> None:
    tally = Tally()
    tally.count(NOON, 200, "", 1.0)
    tally.count(NOON - 7200, 200, "", 1.0)
    [minute] = tally.minutes(NOON)
    assert sum(minute.answered) == 2


def test_without_answers_there_is_no_quantile_and_beyond_the_last_bound_it_is_the_bound() -> None:
    assert quantile_ms([0] * (len(BOUNDS_MS) + 1), 0.95) is None
    assert quantile_ms([*[0] * len(BOUNDS_MS), 7], 0.95) == BOUNDS_MS[-1]


def test_a_quantile_is_linear_within_its_bucket() -> None:
    counts = [0] * (len(BOUNDS_MS) + 1)
    counts[BOUNDS_MS.index(10)], counts[BOUNDS_MS.index(20)] = 50, 50
    assert quantile_ms(counts, 0.5) == 10.0
    assert quantile_ms(counts, 0.25) == pytest.approx(8.75), "half of the way from 7.5 to 10"
    assert quantile_ms(counts, 0.95) == pytest.approx(19.5), "nine tenths of the way from 15 to 20"


@given(st.lists(st.floats(0.01, 9_000), min_size=1, max_size=200), st.sampled_from([0.5, 0.95]))
def test_a_quantile_lies_in_the_bucket_of_the_true_one(times: list[float], share: float) -> None:
    tally = Tally()
    for one in times:
        tally.count(NOON, 200, "", one)
    [minute] = tally.minutes(NOON)
    found = quantile_ms(minute.answered, share)
    true = sorted(times)[max(0, -int(-share * len(times) // 1) - 1)]
    place = bisect_left(BOUNDS_MS, true)
    assert found is not None and (BOUNDS_MS[place - 1] if place else 0) <= found <= BOUNDS_MS[place]
