"""What the UI shows of traffic: its tables, what a run found, their checks. `defs/traffic.py` makes assets of `STEPS`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Literal

import dagster as dg

from rag_pipeline.host.standard import of_table
from rag_pipeline.host.traffic_watch import CHANGES_CHECKS, HOURS_CHECKS, Checked, found_changes, hours
from rag_pipeline.host.ui_tables import Materialized, check, table
from rag_pipeline.settings import Settings, load_secrets
from rag_pipeline.traffic import changes, hourly
from rag_pipeline.traffic.ingest import Ingested, ingest
from rag_pipeline.traffic.look import private_found, strange_feedback, unknown_releases
from rag_pipeline.traffic.rows import COLUMNS, Kind
from rag_pipeline.traffic.rows import table as table_of
from rag_pipeline.traffic.words import words_of

WAITED_S = 3_600
_SOON, _PRIVATE = "no_segment_waits_longer_than_an_hour", "no_private_value_is_stored"
_KNOWN, _SERVED = "every_query_names_a_known_release", "feedback_names_served_queries"


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
        says += (
            f"; {len(done.damaged)} segments are damaged and were set aside in {home}/{home.traffic.name}: {done.damaged[0]}"
        )
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
        "What was served hour by hour: how many, how quick, what failed, found nothing or was degraded, and what "
        "language models cost. `trends` is a page of four weeks of it.\n\n- Grain: an hour, channel, arm and release.\n- "
        "Origin: `traffic/queries`; for the page also `traffic/feedback`, `traffic/drift`, moves of channels.\n- Re-run: "
        "counts again.",
        ("queries", "feedback"),
        HOURS_CHECKS,
        lambda settings: of_table(settings.home, hourly.hourly_table(settings.home), hourly.COLUMNS),
        hours,
    ),
    "drift": Step(
        "Whether people ask for other things than before, whether golden sets look like it, and what nobody judged; "
        "`trends` is a page of it.\n\n- Grain: a day on which it was measured.\n- Origin: texts in `traffic/queries`, the "
        "golden sets.\n- Re-run: measures again.",
        ("queries",),
        CHANGES_CHECKS,
        lambda settings: of_table(settings.home, changes.drift_table(settings.home), changes.COLUMNS),
        found_changes,
        often=False,
    ),
}
"""Table -> its asset."""
