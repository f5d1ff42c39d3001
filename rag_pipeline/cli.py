"""`rag`: the command line, thin. It calls the library or runs the Dagster jobs; the UI can do all of it too."""

import json
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from rag_pipeline.errors import PipelineError
from rag_pipeline.settings import Settings, load_settings

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="The release pipeline for retrieval indexes: refresh, query, look at what serves and why.",
)

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout; logs stay on stderr.")]


def main() -> None:
    """Entry point: every error a person can mend is one paragraph on stderr and exit code 1."""
    try:
        app()
    except ValidationError as error:
        problem = error.errors()[0]
        setting = "RAG_" + "_".join(str(step) for step in problem["loc"]).upper()
        _fail(f"{setting}={problem.get('input')!r}: {problem['msg']}")
    except PipelineError as error:
        _fail(str(error))


@app.command()
def refresh(
    source: Annotated[str | None, typer.Option(help="Refresh this source only, and what follows from it.")] = None,
    promote: Annotated[bool, typer.Option("--promote/--no-promote", help="Stop before the gate.")] = True,
    as_json: AsJson = False,
) -> None:
    """Run the nightly job here: read, chunk, embed, build, evaluate and, if the gate says yes, promote."""
    from rag_pipeline.defs import run
    from rag_pipeline.summary import summarize

    settings = load_settings()
    promote = promote and settings.promotion == "automatic"
    started = time.monotonic()
    ran = run.refresh(settings, source=source, promote=promote)
    summary = summarize(ran, settings) | {"seconds": round(time.monotonic() - started, 1)}
    if as_json:
        _print_json(summary)
    else:
        _show_refresh(summary)
    if not ran.success:
        raise typer.Exit(1)


@app.command()
def query(
    text: Annotated[str, typer.Argument(help="What to look for.")],
    k: Annotated[int, typer.Option("--k", min=1, max=1000, help="Chunks to retrieve.")] = 10,
    mode: Annotated[str, typer.Option(help="How to retrieve; releases serve dense retrieval so far.")] = "dense",
    release: Annotated[str | None, typer.Option(help="A release by id.")] = None,
    channel: Annotated[str, typer.Option(help="The release a channel points at.")] = "production",
    as_json: AsJson = False,
) -> None:
    """Retrieve chunks from what serves, or from any kept release."""
    from rag_pipeline.corpus.model import model_of
    from rag_pipeline.index.retrieve import encoder_for, open_release

    settings = load_settings()
    if not text.strip():
        raise PipelineError("the query is blank; say what to look for")
    release = release or _channel_release(settings, channel)
    with open_release(settings.home, release) as opened:
        if mode != opened.manifest.retrieval.mode:
            raise PipelineError(f"release {release} serves {opened.manifest.retrieval.mode} retrieval, not {mode}")
        encoder = encoder_for(opened.manifest, model_of(settings))
        started = time.perf_counter()
        hits = opened.search(encoder.queries([text])[0], k)
        took_ms = round(1000 * (time.perf_counter() - started), 1)
    found = [{name: getattr(hit, name) for name in hit.__slots__} for hit in hits]
    if as_json:
        _print_json({"release": release, "mode": mode, "took_ms": took_ms, "hits": found})
        return
    console = Console(highlight=False)
    console.print(f"[dim]{release}, {took_ms} ms[/dim]")
    for hit in hits:
        name, uri = escape(hit.document_id), escape(hit.uri or "")
        console.print(f"\n[bold]{hit.rank}. {name}[/bold]  {hit.score:.3f}  [dim]{uri}[/dim]")
        console.print(" ".join(hit.text.split())[:300], markup=False)


@app.command()
def status(as_json: AsJson = False) -> None:
    """What serves, how old each source is against its promise, and the last verdict with its reasons."""
    from rag_pipeline.summary import status_now

    found = status_now(load_settings(), datetime.now(UTC))
    if as_json:
        _print_json(found)
        return
    console = Console(highlight=False)
    for name, channel in found["channels"].items():
        console.print(
            f"[bold]{name}[/bold] → {channel['release']} since {channel['at']} ({channel['by']}: {channel['why']})"
        )
    if not found["channels"]:
        console.print("nothing serves yet; run [bold]rag refresh[/bold]")
    rows = [
        (
            one["source"],
            one["outcome"],
            f"{one['documents']:,}",
            f"{one['refused']:,}",
            f"{one['age_hours']} h" if one["age_hours"] is not None else "–",
            f"{one['max_age_hours']:g} h" if one["max_age_hours"] else "–",
            "yes" if one["within_sla"] else "NO",
            one["reason"],
        )
        for one in found["sources"]
    ]
    console.print(_table("source", "last load", "documents", "refused", "age", "SLA", "within", "why", rows=rows))
    if found["candidate"]:
        verdict = found["candidate"]
        console.print(f"candidate {verdict['release']}: [bold]{verdict['verdict']}[/bold]")
        for reason in verdict["reasons"]:
            console.print(f"  • {reason}", markup=False)


@app.command()
def releases(as_json: AsJson = False) -> None:
    """Every kept release, newest first."""
    from rag_pipeline.summary import releases_now

    found = releases_now(load_settings())
    if as_json:
        _print_json({"releases": found})
        return
    rows = [
        (
            one["release"],
            one["created_at"],
            f"{one['documents']:,}",
            f"{one['chunks']:,}",
            f"{one['bytes'] / 1e6:.1f} MB",
            ", ".join(one["channels"]),
            one["verdict"],
        )
        for one in found
    ]
    Console(highlight=False).print(
        _table("release", "created", "documents", "chunks", "size", "channels", "verdict", rows=rows)
    )


@app.command()
def evaluate(
    release: Annotated[str | None, typer.Option(help="A release by id; the candidate when left out.")] = None,
    as_json: AsJson = False,
) -> None:
    """Measure a release on every golden set, and write the evidence down."""
    from rag_pipeline.defs import run
    from rag_pipeline.index.candidate import read_candidate
    from rag_pipeline.index.manifest import read_manifest
    from rag_pipeline.summary import evaluation_now

    settings = load_settings()
    release = release or read_candidate(settings.home).release
    read_manifest(settings.home / "releases" / release)
    ran = run.evaluate(settings, release)
    if ran.errors and not ran.assets:
        raise PipelineError("; ".join(ran.errors))
    found = evaluation_now(settings, release, datetime.now(UTC))
    if as_json:
        _print_json(found)
    else:
        rows = [
            (name, metric, f"{value:.4f}") for name, one in found["golden_sets"].items() for metric, value in one.items()
        ]
        console = Console(highlight=False)
        console.print(_table("golden set", "metric", "value", rows=rows))
        console.print(f"latency p50 {found['latency_ms']['p50']} ms, p95 {found['latency_ms']['p95']} ms")
        console.print(f"{release}: [bold]{found['verdict']}[/bold]")
        for reason in found["reasons"]:
            console.print(f"  • {reason}", markup=False)
    if found["verdict"] != "passed":
        raise typer.Exit(1)


Reason = Annotated[str, typer.Option(help="Why; written to the audit table.")]
By = Annotated[str, typer.Option(help="Who; written to the audit table.")]
Override = Annotated[bool, typer.Option("--override", help="Promote although the gate says no; needs --by and --reason.")]


@app.command()
def promote(
    release: Annotated[str, typer.Argument(help="The release to promote, by id.")],
    by: By = "",
    reason: Reason = "",
    override: Override = False,
    as_json: AsJson = False,
) -> None:
    """Point production at a release, through the gate."""
    _move(load_settings(), release, by=by, why=reason, override=override, withdraw=False, as_json=as_json)


@app.command()
def rollback(
    to: Annotated[str | None, typer.Option(help="The release to go back to; the previous one when left out.")] = None,
    by: By = "",
    reason: Reason = "",
    override: Override = False,
    as_json: AsJson = False,
) -> None:
    """Point production at the release that served before, through the same gate.

    What is rolled back is not promoted again by a refresh until its content changes, or a person names it.
    """
    from rag_pipeline.release.channels import read_channel

    settings = load_settings()
    current = read_channel(settings.home, "production")
    target = to or (current.previous if current else None)
    if target is None:
        raise PipelineError("there is nothing to go back to: production has never served another release")
    why = reason or ("" if override else "rollback")
    _move(settings, target, by=by, why=why, override=override, withdraw=True, as_json=as_json)


def _move(settings: Settings, release: str, *, by: str, why: str, override: bool, withdraw: bool, as_json: bool) -> None:
    from rag_pipeline.defs import run
    from rag_pipeline.index.manifest import read_manifest
    from rag_pipeline.release.channels import serving

    read_manifest(settings.home / "releases" / release)
    before = serving(settings.home)
    ran = run.promote(settings, release, by=by, why=why, override=override, withdraw=withdraw)
    if not ran.success:
        raise PipelineError("; ".join(ran.errors) or f"{release} was not promoted; the failed run is {ran.run_id}")
    moved = {"channel": "production", "release": release, "previous": before, "moved": before != release}
    if as_json:
        _print_json(moved | {"override": override, "run_id": ran.run_id})
    else:
        Console(highlight=False).print(f"production → {release} (before: {before or 'nothing'})", markup=False)


def _channel_release(settings: Settings, name: str) -> str:
    from rag_pipeline.release.channels import all_channels, read_channel

    channel = read_channel(settings.home, name)
    if channel is None:
        known = ", ".join(all_channels(settings.home)) or "none yet; run `rag refresh`"
        raise PipelineError(f"no channel {name!r} in {settings.home}; known: {known}")
    return channel.release


def _show_refresh(summary: dict[str, Any]) -> None:
    console = Console(highlight=False)
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
    console.print(_table("source", "load", "documents", "changes", "refused", "why", rows=rows))
    if summary["chunks"] is not None:
        console.print(
            f"chunks {summary['chunks']:,}; texts embedded {summary['texts_embedded'] or 0:,}, "
            f"reused {summary['texts_reused'] or 0:,}"
        )
    for name, value in summary["metrics"].items():
        console.print(f"  {name} {value:.4f}")
    for check in summary["failed_checks"]:
        style = "red" if check["severity"] == "ERROR" else "yellow"
        says = escape(f"{check['asset']} · {check['check']}: {check['description']}")
        console.print(f"[{style}]{check['severity']}[/{style}] {says}")
    for error in summary["errors"]:
        console.print(f"[red]FAILED[/red] {escape(error)}")
    console.print(summary["says"], style="bold", markup=False)


def _table(*headers: str, rows: Sequence[tuple[Any, ...]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for header in headers:
        table.add_column(header, overflow="fold")
    for row in rows:
        table.add_row(*(escape(str(cell)) for cell in row))
    return table


def _print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=False, default=str) + "\n")


def _fail(message: str) -> None:
    sys.stderr.write(f"rag: {message}\n")
    raise SystemExit(1)
