"""What is watched of traffic: hours against what is promised and budgeted, questions against earlier and golden ones."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg

from rag_pipeline.channels.pointer import PRODUCTION
from rag_pipeline.corpus.model import model_of
from rag_pipeline.gate.figures import Figure, numbers
from rag_pipeline.gate.policy import read_policy
from rag_pipeline.host.standard import ROWS
from rag_pipeline.host.ui_tables import check, table
from rag_pipeline.report.traffic_page import write_page
from rag_pipeline.report.trends import budget_of, gather
from rag_pipeline.settings import Settings
from rag_pipeline.traffic import changes, hourly
from rag_pipeline.traffic.drift import UNLIKE

_LEAST = 100
"""Questions of a day below which nothing is told of it."""
_UNUSUAL = 0.001
_LONG = timedelta(days=28)
"""Golden sets that are unlike traffic for so long are an error."""

_LEVELS, _EMPTY, _COST = (
    "the_last_day_was_served_as_promised",
    "empty_answers_are_as_frequent_as_usual",
    "cost_within_budget",
)
_BEFORE, _LIKE = "traffic_is_as_before", "golden_sets_look_like_traffic"

HOURS_CHECKS = {
    _LEVELS: "Latency, errors and degraded answers of the last day are as `serving` in gate.yaml promises.",
    _EMPTY: "Answers of the last day are not empty more often than in the four weeks before.",
    _COST: "Language models cost no more on a day (UTC) than `usd_per_day` in the file that RAG_SERVE_ANSWERS names.",
}
CHANGES_CHECKS = {
    _BEFORE: "A classifier tells the last week's questions from earlier ones no better than by chance.",
    _LIKE: f"At most {changes.MANY_FAR_PERCENT} % of the last week's questions are like no golden one, and a classifier "
    "does not tell them from golden ones well. It warns; after four weeks it is an error.",
}

Checked = tuple[dict[str, Any], list[dg.AssetCheckResult]]
"""Metadata, and the result of each check."""


def hours(settings: Settings, key: list[str]) -> Checked:
    """Count the hours, hold the last day against what is promised, and write the page of trends."""
    now = datetime.now(UTC)
    rows, (day, before) = hourly.count_hours(settings.home), hourly.last_day(settings.home, now)
    promised = read_policy(settings.evals).channel(PRODUCTION).serving
    enough = day.questions >= _LEAST
    figures = [
        Figure(name, value, limit if enough else None, at_most=True)
        for name, value, limit in (
            ("p50_ms", day.p50_ms, promised.p50_ms),
            ("p95_ms", day.p95_ms, promised.p95_ms),
            ("errors percent", day.percent(day.errors), promised.errors_max_percent),
            ("degraded percent", day.percent(day.degraded), promised.degraded_max_percent),
        )
        if value is not None
    ]
    beyond = [str(one) for one in figures if not one.holds]
    chance = hourly.unusual_share(day.empty, day.answered, before.empty, before.answered)
    usual = not enough or chance >= _UNUSUAL
    says = f"{day.empty:,} of {day.answered:,} answers of the last day were empty, "
    says += f"{before.empty:,} of {before.answered:,} in the weeks before"
    few = "" if enough else f"; fewer than {_LEAST} questions tell nothing"
    budget, unread = budget_of(settings)
    results = [
        check(key, _LEVELS, not beyond, says="; ".join(beyond or map(str, figures)) + few, metadata=numbers(figures)),
        check(
            key, _EMPTY, usual, says=says + few, severity=dg.AssetCheckSeverity.WARN, metadata={"chance": round(chance, 6)}
        ),
        _cost(settings, key, budget, unread, now),
    ]
    page = write_page(settings.home, gather(settings, now))
    shown = {
        "questions of the last day": day.questions,
        "refused percent": round(day.percent(day.refused), 3),
        "empty percent": round(day.percent(day.empty), 3),
        "answers in sentences": day.in_sentences,
        "of them without a sentence": day.unsupported,
        "usd of the last day": round(day.usd, 6),
    }
    return {ROWS: rows, **_page(settings, page), **shown, **numbers(figures)}, results


def _page(settings: Settings, path: Path) -> dict[str, Any]:
    """A link where the settings say how browsers get there, and the page's path."""
    link = {"trends": dg.MetadataValue.url(f"{settings.reports_url}/{path.name}")} if settings.reports_url else {}
    return {**link, "trends_path": dg.MetadataValue.path(path)}


def _cost(settings: Settings, key: list[str], budget: float | None, unread: str, now: datetime) -> dg.AssetCheckResult:
    """Replicas keep to their budget by themselves; this adds up what they logged, whatever they kept to."""
    days = hourly.cost_of_days(settings.home, now)
    worst = max(days.values())
    told = "Language models cost " + ", ".join(f"${usd:.4f} on {day}" for day, usd in days.items())
    beyond = budget is not None and worst > budget + 1e-9
    says = told if budget is None else f"{told}; the budget of a day is ${budget:g}"
    severity = dg.AssetCheckSeverity.ERROR
    if unread:
        says, severity = f"{told}, and the budget cannot be read: {unread}", dg.AssetCheckSeverity.WARN
    elif beyond:
        says += (
            ". Replicas keep to the file that they were started with: start them again. Was RAG_HOME/spent.sqlite removed?"
        )
    elif budget is None:
        says += "; RAG_SERVE_ANSWERS names no file of models here, so there is no budget"
    metadata = {"usd": round(worst, 6)} | ({"usd limit": budget} if budget is not None else {})
    return check(key, _COST, not beyond and not unread, says=says, severity=severity, metadata=metadata)


def found_changes(settings: Settings, key: list[str]) -> Checked:
    """Compare the last week's questions with earlier and with golden ones."""
    model, now = model_of(settings), datetime.now(UTC)
    found = changes.look_for_changes(settings, model, model.load, now)
    shifted = found.shift
    says = f"{found.new:,} questions of the last week, and too few of the weeks before, to tell"
    if shifted:
        says = f"{shifted.new:,} questions of the last week are told from {shifted.earlier:,} earlier ones with an AUC of "
        says += f"{shifted.auc:.3f}; by chance it is at most {shifted.bound:.3f} in 95 of 100 (p {shifted.p:.3f})"
    plotted = {"auc": round(shifted.auc, 4), "auc limit": round(shifted.bound, 4)} if shifted else {}
    groups = [(one.questions, "few" if one.principals is None else one.principals) for one in found.topics]
    sets = [
        (
            one.name or "all together",
            one.questions,
            round(one.far_percent, 1),
            round(one.shift.auc, 3) if one.shift else "too few questions",
            round(one.shift.bound, 3) if one.shift else None,
        )
        for one in found.held
    ]
    headers = ("golden set", "questions", "far percent", "AUC", "by chance at most")
    page = write_page(settings.home, gather(settings, now))
    results = [
        check(
            key,
            _BEFORE,
            not (shifted and shifted.differs),
            says=says,
            severity=dg.AssetCheckSeverity.WARN,
            metadata=plotted,
        ),
        _like(found, key, now),
    ]
    metadata = {
        "questions": found.new,
        "far_percent": round(found.far_percent, 2),
        **_page(settings, page),
        "golden_sets": table(headers, sets, empty="there is no golden question"),
        "topics_nobody_judged": table(
            ("questions", "principals"), groups, empty="no questions that are like each other are like no golden one"
        ),
        **plotted,
    }
    return metadata, results


def _like(found: changes.Changes, key: list[str], now: datetime) -> dg.AssetCheckResult:
    told = f"{found.far_percent:.0f} % of the last week's questions are like no golden question; at most "
    told += f"{changes.MANY_FAR_PERCENT} % is expected"
    shifted = found.held[0].shift if found.held else None
    if shifted:
        told += (
            f". A classifier tells them from {shifted.earlier:,} golden ones with an AUC of {shifted.auc:.3f}, by chance "
        )
        told += f"{shifted.bound:.3f} at most; from {UNLIKE:g} on they are unlike"
    severity = dg.AssetCheckSeverity.WARN
    if found.unlike is None:
        told += f". Fewer than {changes.LEAST_NEW} questions tell nothing"
    elif found.unlike:
        told += ". Judge some: `rag golden judge NAME --queue`"
        if found.since and now.date() - found.since >= _LONG:
            told += f". It has been so since {found.since}, whenever it was measured"
            severity = dg.AssetCheckSeverity.ERROR
    numbers_of = {"far_percent": round(found.far_percent, 2), "far_percent limit": changes.MANY_FAR_PERCENT}
    auc = {"auc": round(shifted.auc, 4), "auc limit": UNLIKE} if shifted else {}
    return check(key, _LIKE, not found.unlike, says=told, severity=severity, metadata={**numbers_of, **auc})
