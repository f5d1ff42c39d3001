"""The page of trends: one HTML file among the reports, complete in itself. It shows what was counted and decides nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from rag_pipeline.files import write_text
from rag_pipeline.home import Home
from rag_pipeline.report import template
from rag_pipeline.report.time_charts import Axis, Limit, Moment, Series, time_chart
from rag_pipeline.report.trends import Over, Trends
from rag_pipeline.report.view import Tile
from rag_pipeline.report.words import milliseconds, number
from rag_pipeline.traffic.changes import MANY_FAR_PERCENT
from rag_pipeline.traffic.drift import UNLIKE
from rag_pipeline.traffic.hourly import FEW

_MOST_RELEASES = 40


@dataclass(frozen=True, slots=True)
class Pair:
    """One thing over the four weeks, and over the last days. `note`: what it does not say by itself."""

    name: str
    by_day: Markup
    by_hour: Markup | None
    note: str = ""


def page_of(home: Home) -> Path:
    """Where the page lies."""
    return home.reports / f"{home.traffic.name}.html"


def write_page(home: Home, trends: Trends) -> Path:
    """Write it for this account alone, in place of an earlier one; returns where it lies."""
    path = page_of(home)
    write_text(path, render(trends), mode=0o600)
    return path


def render(trends: Trends) -> str:
    """The page. Pure. Names and questions are other people's text, and are escaped."""
    newest = trends.drift[-1] if trends.drift else None
    return template("traffic.html.j2").render(
        trends=trends,
        few=FEW,
        tiles=_tiles(trends),
        pairs=_pairs(trends),
        drift=_drift(trends),
        newest=newest,
        held=[*(newest["golden_sets"] or ())] if newest else [],
        unlike=UNLIKE,
        many_far=MANY_FAR_PERCENT,
        releases=trends.by_release[:_MOST_RELEASES],
        last_hours=_last_hours(trends.hours),
    )


def _moments(trends: Trends) -> list[Moment]:
    return [
        Moment(one.at, place, f"{one.at:%d %b %Y, %H:%M} UTC: {one.release} serves {one.channel}")
        for place, one in enumerate(trends.moves, 1)
    ]


def _tiles(trends: Trends) -> list[Tile]:
    """The last 24 hours at a glance; levels are judged by checks, not here."""
    over = trends.hours
    last = [
        over.parts[at]
        for at in (over.axis.at(place) for place in range(over.axis.steps - 24, over.axis.steps))
        if at in over.parts
    ]
    asked = [one for one in last if one.get("questions")]
    sums = {
        name: sum(one.get(name) or 0 for one in last)
        for name in ("questions", "errors", "empty", "usd", "not_useful", "useful")
    }
    slow = max((one["p95_ms"] for one in asked if one["p95_ms"] is not None), default=None)
    verdicts = sums["useful"] + sums["not_useful"]
    return [
        Tile("Questions", f"{sums['questions']:,}", "in the last 24 hours", "even"),
        Tile(
            "Slowest hour, p95", "–" if slow is None else milliseconds(slow), "until an answer's chunks were found", "even"
        ),
        Tile("Errors", _share(sums["errors"], sums["questions"]), f"{sums['errors']:,} questions", "even"),
        Tile("Empty answers", _share(sums["empty"], sums["questions"]), f"{sums['empty']:,} questions", "even"),
        Tile("Not useful", f"{sums['not_useful']:,}", f"of {verdicts:,} verdicts", "even"),
        Tile("Cost", f"${number(sums['usd'], 2)}", "what language models cost", "even"),
    ]


def _share(part: float, of: float) -> str:
    return f"{100 * part / of:.2f} %" if of else "–"


def _pairs(trends: Trends) -> list[Pair]:
    moments = _moments(trends)

    def both(
        name: str, made: "Mapping[str, tuple[str, str]]", note: str = "", *, bars: bool = False, limit: Limit | None = None
    ) -> Pair:
        charts = []
        for over, since in ((trends.days, "by day"), (trends.hours, "by hour")):
            series = [
                Series(says, over.percent(of, whole) if whole else over.values(of)) for says, (of, whole) in made.items()
            ]
            mine = limit if over is trends.days else None
            charts.append(time_chart(over.axis, series, moments, title=f"{name} {since}", bars=bars, limit=mine))
        return Pair(name, charts[0], charts[1], note)

    budget = Limit(trends.usd_per_day, "budget of a day") if trends.usd_per_day is not None else None
    return [
        both("Questions", {"questions": ("questions", "")}, bars=True),
        both(
            "Milliseconds until an answer's chunks were found",
            {"p50": ("p50_ms", ""), "p95": ("p95_ms", "")},
        ),
        both(
            "Errors and refusals, percent of questions",
            {"errors": ("errors", "questions"), "too many": ("refused", "questions")},
            "Errors are what a replica failed. Too many: over the limit of a principal, or of the replica.",
        ),
        both(
            "Empty and degraded answers, percent of answers",
            {
                "empty": ("empty", "answered"),
                "degraded": ("degraded", "answered"),
                "no sentence": ("unsupported", "in_sentences"),
            },
            "No sentence: of answers in sentences, those that no passage supports.",
        ),
        both(
            "Feedback",
            {"not useful": ("not_useful", ""), "useful": ("useful", "")},
            "Verdicts say where to look. They measure who clicks.",
            bars=True,
        ),
        both("Cost of language models, dollars", {"dollars": ("usd", "")}, bars=True, limit=budget),
    ]


def _drift(trends: Trends) -> list[Pair]:
    axis: Axis = trends.days.axis
    by_day = {one["day"]: one for one in trends.drift}
    days = [by_day.get(f"{axis.at(place):%Y-%m-%d}") for place in range(axis.steps)]

    def line(name: str, key: str) -> Series:
        return Series(name, [one[key] if one else None for one in days], joined=True)

    moments = _moments(trends)
    auc = time_chart(
        axis, [line("AUC", "auc"), line("by chance", "bound")], moments, title="This week against the weeks before"
    )
    limit = Limit(MANY_FAR_PERCENT, f"{MANY_FAR_PERCENT} %")
    lonely = time_chart(
        axis, [line("percent", "far_percent")], moments, title="Questions like no golden question", limit=limit
    )
    return [Pair("", auc, lonely)]


def _last_hours(over: Over) -> Sequence[Mapping[str, Any]]:
    """The hours of the last day in which anybody asked, the newest first."""
    places = reversed(range(over.axis.steps - 24, over.axis.steps))
    found = ((over.axis.at(place), over.parts.get(over.axis.at(place))) for place in places)
    return [{**one, "at": at} for at, one in found if one and one.get("questions")]
