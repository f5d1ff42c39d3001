"""`try`: other settings built and measured beside the home, in one table with how it is now."""

import logging
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rag_pipeline.cli.show import AsJson, print_json, settings_of_home
from rag_pipeline.errors import PipelineError
from rag_pipeline.home import Home
from rag_pipeline.terminal import Printer, log_handler

if TYPE_CHECKING:
    from rag_pipeline.attempts.figures import Attempt, Figure, Tried

_WIDTH = 160
"""Characters of the table; a narrower terminal wraps its lines, not its cells."""


def try_settings(
    values: Annotated[
        list[str] | None,
        typer.Option("--set", help="A setting and the values to try, such as RAG_CHUNK_TOKENS=128,256; repeat for several."),
    ] = None,
    earlier: Annotated[bool, typer.Option("--list", help="List earlier tries, newest first.")] = False,
    show: Annotated[str | None, typer.Option(help="Show the result of an earlier try, by its id.")] = None,
    as_json: AsJson = False,
) -> None:
    """Build and measure an index for each combination of values, beside what serves, and compare it with the index now.

    It promotes nothing. Only figures, a page, and vectors for the next try stay.
    """
    from rag_pipeline.attempts import figures, run
    from rag_pipeline.attempts.plan import wanted

    settings = settings_of_home()
    if sum((bool(values), earlier, show is not None)) != 1:
        raise PipelineError("give one of --set NAME=VALUE,VALUE (to try them), --list and --show ID")
    if earlier:
        _show_list(figures.all_kept(settings.home), as_json=as_json)
        return
    if show is not None:
        tried = figures.kept(settings.home, show)
    else:
        _show_our_log()
        asked = wanted(values or [])
        tried = run.try_settings(settings, asked, run_id=f"rag try {uuid.uuid4()}", now=datetime.now(UTC))
    _show(tried, settings.home, as_json=as_json)
    if show is None and tried.failed:
        raise typer.Exit(1)


def _show(tried: "Tried", home: Home, *, as_json: bool) -> None:
    from rag_pipeline.attempts.page import lead

    page = home.try_report(tried.id)
    if as_json:
        print_json(tried.model_dump(mode="json") | {"report": str(page) if page.is_file() else None})
        return
    printer = Printer(least_width=_WIDTH)
    sets = tried.now.golden_sets
    metric = sets[0].primary.metric if len({one.primary.metric for one in sets}) == 1 else "primary"
    headers = (
        "settings",
        "chunks",
        "size",
        "built in",
        "embedded",
        "golden set",
        metric,
        "difference",
        "recall",
        "p50, p95",
    )
    printer.table(*headers, rows=[row for one in tried.attempts for row in _rows(one)])
    for one in tried.failed:
        printer.say((f"{one.name}: ", "red"), one.problem)
    printer.say(lead(tried), style="bold")
    printer.say(f"{tried.id}, {tried.seconds:.0f} s, bounds at {100 * tried.confidence:.4g} %", style="dim")
    if page.is_file():
        printer.say(str(page))


def _rows(attempt: "Attempt") -> list[tuple[Any, ...]]:
    """A line for each golden set; what is the same on all of them stands on the first."""
    if attempt.problem:
        return [(attempt.name, *["–"] * 9)]
    built = (
        f"{attempt.chunks:,}",
        f"{attempt.size_bytes / 1e6:.1f} MB",
        f"{attempt.build_seconds:.1f} s",
        f"{attempt.embedded:,} of {attempt.texts:,}",
    )
    rows = []
    for place, one in enumerate(attempt.golden_sets):
        first = place == 0
        rows.append(
            (
                attempt.name if first else "",
                *(built if first else [""] * len(built)),
                one.golden_set,
                f"{one.primary.value:.4f}",
                _difference(one.primary),
                f"{one.recall.value:.4f}",
                f"{attempt.p50_ms:.1f}, {attempt.p95_ms:.1f} ms" if first else "",
            )
        )
    return rows


def _difference(figure: "Figure") -> str:
    found = figure.difference
    return f"{found.mean:+.4f} ({found.lower:+.4f} to {found.upper:+.4f})" if found else "–"


def _show_list(tries: "list[Tried]", *, as_json: bool) -> None:
    from rag_pipeline.attempts.page import lead

    if as_json:
        told = [{"id": one.id, "at": one.at, "attempts": len(one.attempts), "says": lead(one)} for one in tries]
        print_json({"tries": told})
        return
    rows = [(one.id, f"{one.at:%Y-%m-%d %H:%M}", len(one.attempts) - 1, lead(one)) for one in tries]
    Printer(least_width=_WIDTH).table("try", "made", "attempts", "what came of it", rows=rows)


def _show_our_log() -> None:
    """Which attempt is being made, on stderr."""
    logger = logging.getLogger("rag_pipeline")
    if not logger.handlers:
        logger.addHandler(log_handler())
        logger.setLevel(logging.INFO)
