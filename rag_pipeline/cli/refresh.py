"""`refresh`, the nightly job in this process, and `evaluate`."""

import time
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from rag_pipeline.cli.show import REFUSED, AsJson, print_json, settings_of_home
from rag_pipeline.errors import PipelineError
from rag_pipeline.process import import_without_gc
from rag_pipeline.settings import load_settings
from rag_pipeline.terminal import Printer


def refresh(
    source: Annotated[str | None, typer.Option(help="Refresh this source only, and what follows from it.")] = None,
    promote: Annotated[bool, typer.Option("--promote/--no-promote", help="Stop before the gate.")] = True,
    as_json: AsJson = False,
) -> None:
    """Run the nightly job here: read, chunk, embed, build, evaluate and, if the gate agrees, promote.

    It runs in this process, against the instance that the UI shows.
    """
    with import_without_gc("rag_pipeline.defs.run"):
        from rag_pipeline.cli.summary import summarize
        from rag_pipeline.defs import run

    settings = load_settings()
    started = time.monotonic()
    ran = run.refresh(settings, source=source, promote=promote)
    summary = summarize(ran, settings) | {"seconds": round(time.monotonic() - started, 1)}
    if as_json:
        print_json(summary)
    else:
        _show_refresh(summary)
    if not ran.success:
        raise typer.Exit(REFUSED if ran.refused else 1)


def evaluate(
    release: Annotated[str | None, typer.Option(help="A release by id. Default: the candidate.")] = None,
    as_json: AsJson = False,
) -> None:
    """Measure a release on every golden set, and write the evidence down. Exits with 3 unless it passed."""
    from rag_pipeline.defs import run
    from rag_pipeline.host.status import evaluation_now
    from rag_pipeline.index.candidate import read_candidate
    from rag_pipeline.index.manifest import read_manifest

    settings = settings_of_home()
    release = release or read_candidate(settings.home).release
    read_manifest(settings.home.release(release))
    ran = run.evaluate(settings, release)
    if ran.errors and not ran.assets:
        raise PipelineError("; ".join(ran.errors))
    found = evaluation_now(settings, release, datetime.now(UTC))
    if as_json:
        print_json(found)
    else:
        rows = [
            (name, metric, f"{value:.4f}") for name, one in found["golden_sets"].items() for metric, value in one.items()
        ]
        printer = Printer()
        printer.table("golden set", "metric", "value", rows=rows)
        printer.say(f"latency p50 {found['latency_ms']['p50']} ms, p95 {found['latency_ms']['p95']} ms")
        printer.say(f"{release}: ", (found["verdict"], "bold"))
        for reason in [*found["reasons"], *found["notes"]]:
            printer.say(f"  • {reason}")
    if found["verdict"] != "passed":
        raise typer.Exit(REFUSED)


def _show_refresh(summary: dict[str, Any]) -> None:
    printer = Printer()
    rows = [
        (
            one["source"],
            "HELD" if one["outcome"] == "held" else one["outcome"],
            f"{one['documents']:,}",
            f"+{one['added']:,} ~{one['changed']:,} -{one['removed']:,}",
            f"{one['refused']:,}",
            one["held_because"] if one["outcome"] == "held" else "",
        )
        for one in summary["sources"]
    ]
    printer.table("source", "load", "documents", "changes", "refused", "why", rows=rows)
    if summary["chunks"] is not None:
        printer.say(
            f"chunks {summary['chunks']:,}; texts embedded {summary['texts_embedded'] or 0:,}, "
            f"reused {summary['texts_reused'] or 0:,}"
        )
    for name, value in summary["metrics"].items():
        printer.say(f"  {name} {value:.4f}")
    for told in (summary["notes"], summary["judged_queries"]):
        if told:
            printer.say(f"  {told}")
    for check in summary["failed_checks"]:
        style = "red" if check["severity"] == "ERROR" else "yellow"
        printer.say((check["severity"], style), f" {check['asset']} · {check['check']}: {check['description']}")
    for error in summary["errors"]:
        printer.say(("FAILED", "red"), f" {error}")
    if summary["stages"]:
        between = max(0.0, summary["seconds"] - sum(summary["stages"].values()))
        told = [*summary["stages"].items(), ("between", between)]
        printer.say(
            f"seconds: {', '.join(f'{stage} {spent:,.1f}' for stage, spent in told)}; {summary['seconds']:,.1f} in all"
        )
    printer.say(summary["says"], style="bold")
