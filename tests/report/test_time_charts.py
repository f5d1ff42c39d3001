"""Charts over time: every value at its place, gaps left open, what happened marked, and words for who cannot see them."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from rag_pipeline.report.time_charts import Axis, Limit, Moment, Series, time_chart

DAYS = Axis(datetime(2026, 11, 3, tzinfo=UTC), timedelta(days=1), 5)


def lines(chart: str) -> list[int]:
    """How many points each line joins."""
    return [len(points.split()) for points in re.findall(r'<polyline class="over \w+" points="([^"]+)"', chart)]


def test_a_line_breaks_where_there_is_nothing_to_tell_unless_it_is_joined() -> None:
    values = [1.0, 2.0, None, 4.0, 5.0]
    assert lines(time_chart(DAYS, [Series("p50", values)], title="t")) == [2, 2]
    assert lines(time_chart(DAYS, [Series("p50", values, joined=True)], title="t")) == [4]
    assert lines(time_chart(DAYS, [Series("p50", [None, 2.0, None, 4.0, None], joined=True)], title="t")) == [2]
    alone = time_chart(DAYS, [Series("p50", [None, 2.0, None, None, None])], title="t")
    assert lines(alone) == [] and alone.count("<circle") == 1, "a value alone is a dot"


def test_bars_stand_on_each_other_and_are_as_high_as_they_are_many() -> None:
    chart = time_chart(DAYS, [Series("bad", [1, 0, None, 2, 0]), Series("good", [3, 0, 0, 2, 1])], title="t", bars=True)
    bars = re.findall(r'class="column (\w+)" x="([\d.]+)" y="([\d.]+)" width="[\d.]+" height="([\d.]+)"><title>', chart)
    assert [name for name, *_ in bars] == ["first", "second", "first", "second", "second"]
    first, second = bars[0], bars[1]
    assert first[1] == second[1] and float(second[2]) + float(second[3]) == pytest.approx(float(first[2]), abs=0.2)
    assert float(second[3]) == pytest.approx(3 * float(first[3]), abs=0.2)


def test_moments_are_lines_with_numbers_that_do_not_lie_on_each_other() -> None:
    at = [DAYS.start + timedelta(hours=hours) for hours in (1, 2, 60, -5, 500)]
    moments = [Moment(each, number, f"<release {number}>") for number, each in enumerate(at, 1)]
    chart = time_chart(DAYS, [Series("p50", [1.0] * 5)], moments, title="t")
    assert chart.count('class="moment"') == 3, "what was before or after is left out"
    assert re.findall(r'class="moment-label middle"[^>]*>(\d+)<', chart) == ["1", "3"]
    assert "&lt;release 2&gt;" in chart and "<release" not in chart


def test_a_chart_says_what_it_shows_and_draws_no_value_that_is_none() -> None:
    chart = time_chart(DAYS, [Series("usd", [0.5, None, 2.0, None, 1.0])], title="Cost", limit=Limit(5.0, "budget"))
    assert "<title>Cost</title>" in chart and "budget" in chart
    assert "From 03 Nov 2026 to 07 Nov 2026. usd: 0.50 to 2, last 1." in chart
    assert "no values" in time_chart(DAYS, [Series("usd", [None] * 5)], title="Cost")
    assert "no values" not in time_chart(DAYS, [Series("usd", [0.0] * 5)], title="Cost")
    with pytest.raises(ValueError, match="finite"):
        time_chart(DAYS, [Series("usd", [float("nan")] * 5)], title="Cost")
