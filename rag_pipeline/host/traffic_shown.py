"""What the UI shows of traffic: its tables, what a run found, their checks. `defs/traffic.py` makes assets of `STEPS`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Literal

import dagster as dg

from rag_pipeline.channels.pointer import PRODUCTION
from rag_pipeline.corpus.model import model_of
from rag_pipeline.gate.figures import Figure, numbers
from rag_pipeline.gate.policy import read_policy
from rag_pipeline.host.standard import ROWS, of_table
from rag_pipeline.host.ui_tables import Materialized, check, table
from rag_pipeline.settings import Settings, load_secrets
from rag_pipeline.traffic import changes, hourly
from rag_pipeline.traffic.ingest import Ingested, ingest
from rag_pipeline.traffic.look import private_found, strange_feedback, unknown_releases
from rag_pipeline.traffic.rows import COLUMNS, Kind
from rag_pipeline.traffic.rows import table as table_of
from rag_pipeline.traffic.words import words_of

WAITED_S = 3_600
_LEAST = 100
"""Questions of a day, or of a week, below which nothing is told of it."""
_UNUSUAL = 0.001
_MANY_FAR_PERCENT = 25

_SOON, _PRIVATE = "no_segment_waits_longer_than_an_hour", "no_private_value_is_stored"
_KNOWN, _SERVED = "every_query_names_a_known_release", "feedback_names_served_queries"
_LEVELS, _EMPTY = "the_last_day_was_served_as_promised", "empty_answers_are_as_frequent_as_usual"
_BEFORE, _LIKE = "traffic_is_as_before", "golden_sets_look_like_traffic"

Checked = tuple[dict[str, Any], list[dg.AssetCheckResult]]
"""Metadata, and the result of each check."""


@dataclass(frozen=True, slots=True)
class Step:
    """One asset of traffic. `often`: it runs whenever segments are put in, and else with the watch."""

    says: str
    after: tuple[str, ...]
    checks: Mapping[str, str]
    """Check -> what it holds."""
    about: Callable[[Settings], dict[str, Any]]
    run: Callable[[Settings, list[str]], Checked]
    often: bool = True


def wanted(settings: Settings) -> bool:
    """Whether there is traffic to be shown: a setting asks for a log, or a replica wrote one."""
    return settings.query_text != "off" or settings.home.traffic.is_dir()


def made(settings: Settings, step: Step, key: list[str]) -> Materialized:
    """Run a step, and say what came of it."""
    metadata, results = step.run(settings, key)
    return dg.MaterializeResult(metadata=metadata, check_results=results)


def _ingested(kind: Kind, settings: Settings, key: list[str]) -> Checked:
    done = ingest(settings.home, kind, datetime.now(UTC), days=settings.query_days)
    metadata = {
        "rows_added": done.rows,
        "segments": done.segments,
        "rows_lost": done.lost,
        "rows_known_before": done.known,
        "texts_emptied": done.emptied,
        "longest_wait_minutes": round(done.longest_wait_s / 60, 1),
        "damaged_segments": table(("file",), [[name] for name in done.damaged]),
    }
    if kind == "queries":
        return metadata, _queries(settings, done, key)
    return metadata, _feedback(settings, key) if kind == "feedback" else [_private(settings, kind, key)]


def _queries(settings: Settings, done: Ingested, key: list[str]) -> list[dg.AssetCheckResult]:
    home, warn = settings.home, dg.AssetCheckSeverity.WARN
    unknown = unknown_releases(home, done.releases)
    soon = done.longest_wait_s <= WAITED_S and not done.damaged
    says = f"No segment waited longer than {done.longest_wait_s / 60:.0f} minutes; {done.lost:,} rows were lost before"
    if done.damaged:
        says += f"; {len(done.damaged)} segments are damaged and were set aside in {home.traffic}: {done.damaged[0]}"
    elif not soon:
        says += ". Switch the schedule of `ingest_traffic` on, or call `rag traffic ingest`"
    told = f"not known: {', '.join(unknown)}" if unknown else f"{len(done.releases)} releases answered, all of them known"
    return [
        check(key, _SOON, soon, says=says, severity=warn, metadata={"minutes": round(done.longest_wait_s / 60, 1)}),
        _private(settings, "queries", key),
        check(key, _KNOWN, not unknown, says=told, severity=warn, metadata={"unknown": len(unknown)}),
    ]


def _feedback(settings: Settings, key: list[str]) -> list[dg.AssetCheckResult]:
    verdicts, strange = strange_feedback(settings.home)
    says = f"{verdicts - strange:,} of {verdicts:,} verdicts are on answers in `traffic/queries`"
    found = {"verdicts": verdicts, "strange": strange}
    named = check(key, _SERVED, not strange, says=says, severity=dg.AssetCheckSeverity.WARN, metadata=found)
    return [named, _private(settings, "feedback", key)]


def _private(settings: Settings, kind: Kind, key: list[str]) -> dg.AssetCheckResult:
    looked, holding = private_found(settings.home, kind, words_of(settings, load_secrets().salt))
    says = f"Nothing private was found in the {looked:,} newest texts"
    if holding:
        says = f"{len(holding)} of {looked:,} texts hold something private, such as that of {holding[0]}; set "
        says += "RAG_QUERY_TEXT=hmac, and RAG_QUERY_DAYS=1 for one run, which empties all that is older than a day"
    return check(key, _PRIVATE, not holding, says=says, metadata={"looked_through": looked, "holding": len(holding)})


def _hours(settings: Settings, key: list[str]) -> Checked:
    rows, (day, before) = hourly.count_hours(settings.home), hourly.last_day(settings.home, datetime.now(UTC))
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
    results = [
        check(key, _LEVELS, not beyond, says="; ".join(beyond or map(str, figures)) + few, metadata=numbers(figures)),
        check(
            key, _EMPTY, usual, says=says + few, severity=dg.AssetCheckSeverity.WARN, metadata={"chance": round(chance, 6)}
        ),
    ]
    shown = {"questions of the last day": day.questions, "empty percent": round(day.percent(day.empty), 3)}
    return {ROWS: rows, **shown, **numbers(figures)}, results


def _changes(settings: Settings, key: list[str]) -> Checked:
    model, warn = model_of(settings), dg.AssetCheckSeverity.WARN
    found = changes.look_for_changes(settings, model, model.load, datetime.now(UTC))
    shifted = found.shift
    says = f"{found.new:,} questions of the last week, and too few of the weeks before, to tell"
    if shifted:
        says = f"{shifted.new:,} questions of the last week are told from {shifted.earlier:,} earlier ones with an AUC of "
        says += f"{shifted.auc:.3f}; by chance it is at most {shifted.bound:.3f} in 95 of 100 (p {shifted.p:.3f})"
    far, enough = found.far_percent or 0.0, found.new >= _LEAST
    told = f"{far:.0f} % of the last week's questions are like no golden question; at most {_MANY_FAR_PERCENT} % is expected"
    if not enough:
        told += f"; fewer than {_LEAST} questions tell nothing"
    elif far > _MANY_FAR_PERCENT:
        told += ". Judge some: `rag golden judge NAME --queue`"
    plotted = {"auc": round(shifted.auc, 4), "auc limit": round(shifted.bound, 4)} if shifted else {}
    rows = [(count, "few" if principals is None else principals) for count, principals in found.topics]
    results = [
        check(key, _BEFORE, not (shifted and shifted.differs), says=says, severity=warn, metadata=plotted),
        check(
            key,
            _LIKE,
            not enough or far <= _MANY_FAR_PERCENT,
            says=told,
            severity=warn,
            metadata={"far_percent": round(far, 2)},
        ),
    ]
    groups = table(("questions", "principals"), rows, empty="every question is like a golden one")
    return {"questions": found.new, "far_percent": round(far, 2), "topics_nobody_judged": groups, **plotted}, results


STEPS: Mapping[Literal["queries", "feedback", "pairs", "hourly", "drift"], Step] = {
    "queries": Step(
        "The questions that `rag serve` answered, with what became of them.\n\n- Grain: a question.\n- Origin: segments "
        "that replicas write below RAG_HOME.\n- Re-run: puts each row in once; empties texts past RAG_QUERY_DAYS.",
        (),
        {
            _SOON: "What replicas wrote was put into the table within an hour, and none of it was damaged.",
            _PRIVATE: "The finders of contracts find nothing private in the newest questions.",
            _KNOWN: "The releases that answered are kept, or in the history of a channel.",
        },
        lambda settings: of_table(settings.home, table_of(settings.home, "queries"), COLUMNS["queries"]),
        partial(_ingested, "queries"),
    ),
    "feedback": Step(
        "What askers say of answers. It changes no judgment.\n\n- Grain: the newest verdict of a principal on a chunk of an "
        "answer.\n- Origin: segments that replicas write below RAG_HOME.\n- Re-run: puts in what is newer.",
        ("queries",),
        {
            _SERVED: "Verdicts are on answers that were given, and on chunks that were in them.",
            _PRIVATE: "The finders of contracts find nothing private in the newest comments.",
        },
        lambda settings: of_table(settings.home, table_of(settings.home, "feedback"), COLUMNS["feedback"]),
        partial(_ingested, "feedback"),
    ),
    "pairs": Step(
        "Questions that another channel's release was asked too, for nobody, with what both found.\n\n- Grain: a question."
        "\n- Origin: segments that replicas write below RAG_HOME.\n- Re-run: puts each row in once; empties texts past "
        "RAG_QUERY_DAYS.",
        ("queries",),
        {_PRIVATE: "The finders of contracts find nothing private in the newest questions."},
        lambda settings: of_table(settings.home, table_of(settings.home, "pairs"), COLUMNS["pairs"]),
        partial(_ingested, "pairs"),
    ),
    "hourly": Step(
        "What was served hour by hour: how many, how quick, what failed, found nothing or was degraded.\n\n- Grain: an "
        "hour, channel and release.\n- Origin: `traffic/queries`.\n- Re-run: counts again.",
        ("queries",),
        {
            _LEVELS: "Latency, errors and degraded answers of the last day are as `serving` in gate.yaml promises.",
            _EMPTY: "Answers of the last day are not empty more often than in the four weeks before.",
        },
        lambda settings: of_table(settings.home, hourly.hourly_table(settings.home), hourly.COLUMNS),
        _hours,
    ),
    "drift": Step(
        "Whether people ask for other things than before, and for what nobody judged.\n\n- Grain: a day on which it was "
        "measured.\n- Origin: texts in `traffic/queries`, golden sets.\n- Re-run: measures again.",
        ("queries",),
        {
            _BEFORE: "A classifier tells the last week's questions from earlier ones no better than by chance.",
            _LIKE: f"At most {_MANY_FAR_PERCENT} % of the last week's questions are like no golden question.",
        },
        lambda settings: of_table(settings.home, changes.drift_table(settings.home), changes.COLUMNS),
        _changes,
        often=False,
    ),
}
"""Table -> its asset."""
