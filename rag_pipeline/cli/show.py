"""What every command prints with: one JSON object, or a table for people."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from rag_pipeline.errors import PipelineError
from rag_pipeline.home import no_home_says
from rag_pipeline.settings import Settings, load_settings

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout; logs stay on stderr.")]


def settings_of_home() -> Settings:
    """The settings of whoever needs what is in the home. Raises `PipelineError` where RAG_HOME names none."""
    settings = load_settings()
    if nothing := no_home_says(settings):
        raise PipelineError(nothing)
    return settings


def settings_or_note() -> Settings:
    """The settings of whoever can show an empty home too; where RAG_HOME names none, that is said on stderr."""
    settings = load_settings()
    if nothing := no_home_says(settings):
        sys.stderr.write(f"rag: {nothing}\n")
    return settings


def table_of(*headers: str, rows: Sequence[tuple[Any, ...]]) -> Table:
    """A table without lines; cells are shown as they are, brackets included."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for header in headers:
        table.add_column(header, overflow="fold", no_wrap=header == headers[0])
    for row in rows:
        table.add_row(*(escape(str(cell)) for cell in row))
    return table


def print_json(value: Any) -> None:
    """One line on stdout."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, default=str) + "\n")


def says_of_run(run: Mapping[str, Any]) -> str:
    """One line about a run that is not finished, as `status` found it."""
    state = {True: "at work", False: "dead", None: "of somebody else"}[run["alive"]]
    waits = f"; runs that wait for it: {run['waiting']}" if run["waiting"] else ""
    return (
        f"run {run['run_id']} ({run['job']}, started by {run['started_by']}) is {run['status']} since {run['since']} UTC: "
        f"{state}{waits}. {run['next']}."
    )
