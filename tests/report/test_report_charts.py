"""Charts, numbers and trends of the report."""

import math
import re
from collections.abc import Callable
from datetime import timedelta

import pyarrow as pa
import pytest

from rag_pipeline.evaluate.remembered import EVALUATIONS, evaluations_table
from rag_pipeline.home import Home
from rag_pipeline.report.charts import Mark, Point, Whisker, histogram, interval_chart, trend_chart
from rag_pipeline.report.gather import trends
from rag_pipeline.report.words import change, milliseconds, number, percent, signed, visible
from tests.support.report_pages import Page
from tests.support.small_releases import NOW

CHARTS: list[Callable[[list[float]], str]] = [
    lambda values: interval_chart([Whisker("m", one, one - 0.01, one + 0.01, 0.02, "fine") for one in values], title="t"),
    lambda values: trend_chart([Point(f"r{place}", NOW, one) for place, one in enumerate(values)], title="t", floor=0.2),
    lambda values: histogram(values, [Mark("p50", 1.0), Mark("limit", 5000.0, "limit")], title="t"),
]


@pytest.mark.parametrize("draw", CHARTS)
@pytest.mark.parametrize("values", [[], [0.0], [0.5], [0.5] * 30, [0.0, 1e-9], [0.1, 900.0]])
def test_a_chart_draws_whatever_is_finite_and_describes_it(draw: Callable[[list[float]], str], values: list[float]) -> None:
    drawn = draw(values)
    assert {"svg", "title", "desc"} <= Page(drawn).tags
    for place in re.findall(r'(?:x|x1|x2|cx|width)="(-?[\d.]+)"', drawn):
        assert 0 <= float(place) <= 400
    assert ("no values" in drawn) == (not values)


@pytest.mark.parametrize("draw", CHARTS)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_chart_refuses_what_is_not_finite(draw: Callable[[list[float]], str], value: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        draw([0.5, value])


def test_a_trend_breaks_where_the_golden_set_changed_and_rings_the_current_release() -> None:
    points = [Point(f"r{day}", NOW, 0.5, "a" if day < 3 else "b", current=day == 5) for day in range(6)]
    drawn = trend_chart(points, title="t")
    assert drawn.count("<polyline") == 2 and drawn.count(" current") == 1


def test_a_limit_far_off_is_an_arrow_and_does_not_squeeze_the_bars() -> None:
    drawn = histogram([10.0, 12.0], [Mark("limit", 500.0, "limit")], title="t")
    assert "limit 500 ms →" in drawn.replace("\xa0", " ") and drawn.count('<line class="limit"') == 0


def test_numbers_read_as_people_write_them() -> None:
    assert [number(None), number(0.12345), number(-0.5), number(math.nan)] == ["–", "0.123", "−0.500", "not a number"]
    assert [signed(0.0123), signed(-0.0123), signed(-0.0001)] == ["+0.012", "−0.012", "0.000"]
    assert [one.replace("\xa0", " ") for one in (percent(0.5), percent(0.999), percent(0))] == ["50 %", "99.9 %", "0 %"]
    assert [milliseconds(value).replace("\xa0", " ") for value in (8.44, 132.4, 2400)] == ["8.4 ms", "132 ms", "2.4 s"]
    assert [change(12, 10), change(9, 10), change(9, 9), change(None, 9)] == ["+2", "−1", "no change", ""]
    assert visible("a\u202eb\x00\r\nc") == "a[U+202E]b\u2400\nc"


def evaluated(home: Home, release: str, hours: float, values: dict[str, float], golden_fingerprint: str = "g") -> None:
    rows = [
        {"at": NOW + timedelta(hours=hours), "run_id": "r", "release": release, "release_fingerprint": release}
        | {"golden_set": "docs", "golden_fingerprint": golden_fingerprint, "query_id": query, "metric": "nDCG@10"}
        | {"value": value, "retrieved": []}
        for query, value in values.items()
    ]
    evaluations_table(home).append(pa.Table.from_pylist(rows, EVALUATIONS))


def test_a_trend_takes_the_newest_evaluation_and_keeps_releases_in_the_order_they_came(home: Home) -> None:
    evaluated(home, "first", 0, {"q1": 0.2, "q2": 0.4})
    evaluated(home, "second", 1, {"q1": 0.6, "q2": 0.8})
    evaluated(home, "first", 2, {"q1": 1.0, "q2": 0.8})
    [trend] = trends(home, {"docs": "nDCG@10"}, "second")
    assert [(one.release, round(one.value, 6), one.current) for one in trend.points] == [
        ("first", 0.9, False),
        ("second", 0.7, True),
    ]


def test_a_trend_shows_the_last_thirty_releases(home: Home) -> None:
    for place in range(33):
        evaluated(home, f"r{place:02}", place, {"q": place / 100})
    [trend] = trends(home, {"docs": "nDCG@10"}, "r32")
    assert [one.release for one in trend.points] == [f"r{place:02}" for place in range(3, 33)]
