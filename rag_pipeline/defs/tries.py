"""`try_settings`: other settings built and measured beside the home, as a job of the UI."""

from datetime import UTC, datetime
from typing import Any

import dagster as dg
from pydantic import Field

from rag_pipeline.attempts.figures import Attempt, Tried
from rag_pipeline.attempts.page import lead
from rag_pipeline.attempts.plan import MOST, wanted
from rag_pipeline.attempts.run import try_settings
from rag_pipeline.defs.reports import report_links
from rag_pipeline.errors import PipelineError
from rag_pipeline.host.names import HOME, named
from rag_pipeline.host.ui_tables import plain, table
from rag_pipeline.settings import Settings

_FIRST = {"RAG_CHUNK_TOKENS": "128,256"}
"""What stands in the launchpad before anybody wrote into it."""

JOB, STEP, TAG = "try_settings", "compare", "rag/try"


class TryConfig(dg.Config):
    """What is tried."""

    values: dict[str, str] = Field(
        description='Setting -> its values, with commas between them: `RAG_CHUNK_TOKENS: "128,256,384"`. With several '
        f"settings every combination is tried, {MOST} at the most."
    )


def try_job(settings: Settings, executor: dg.ExecutorDefinition) -> dg.JobDefinition:
    """The job that compares settings. No schedule runs it."""

    @dg.op(
        name=named(settings, STEP),
        out=dg.Out(dg.Nothing),
        description="Cut, embed, index and measure the stored documents by other settings, and compare them with "
        "the settings as they are.",
    )
    def compare(context: dg.OpExecutionContext, config: TryConfig) -> None:
        try:
            asked = wanted([f"{name}={values}" for name, values in config.values.items()])
            tried = try_settings(settings, asked, run_id=context.run.run_id, now=datetime.now(UTC))
        except PipelineError as error:
            raise dg.Failure(str(error), allow_retries=False) from error
        for one in tried.failed:
            context.log.warning(f"{one.name}: {one.problem}")
        context.instance.add_run_tags(context.run.run_id, {TAG: tried.id})
        context.add_output_metadata(
            {
                "result": plain(lead(tried)),
                **report_links(settings, settings.home.try_report(tried.id)),
                "attempts": attempts_table(tried),
                "confidence": tried.confidence,
                "seconds": tried.seconds,
            }
        )

    @dg.job(
        name=named(settings, JOB),
        description="Compare settings: each is built beside what serves, asked the same questions, and thrown away. "
        "Nothing is promoted. In the launchpad, say which settings and values.",
        config=dg.RunConfig(ops={named(settings, STEP): TryConfig(values=_FIRST)}),
        run_tags={HOME: str(settings.home)},
        executor_def=executor,
    )
    def compare_settings() -> None:
        compare()

    return compare_settings


def attempts_table(tried: Tried) -> dg.TableMetadataValue:
    """A row for each attempt and golden set."""
    headers = (
        "settings",
        "golden set",
        "metric",
        "value",
        "difference",
        "bounds",
        "reads as",
        "recall",
        "chunks",
        "size in MB",
        "built in s",
        "texts embedded",
        "p50 in ms",
        "p95 in ms",
    )
    return table(headers, [row for one in tried.attempts for row in _rows(one)])


def _rows(attempt: Attempt) -> list[tuple[Any, ...]]:
    if attempt.problem:
        return [(attempt.name, "", "", None, "", "", f"could not be measured: {attempt.problem}", *[None] * 7)]
    built = (
        attempt.chunks,
        round(attempt.size_bytes / 1e6, 1),
        attempt.build_seconds,
        attempt.embedded,
        attempt.p50_ms,
        attempt.p95_ms,
    )
    rows = []
    for one in attempt.golden_sets:
        found = one.primary.difference
        said = (f"{found.mean:+.4f}", f"{found.lower:+.4f} to {found.upper:+.4f}", found.reads_as) if found else ("", "", "")
        rows.append((attempt.name, one.golden_set, one.primary.metric, one.primary.value, *said, one.recall.value, *built))
    return rows
