"""What every command prints with, besides `terminal`: one JSON object, and sentences that several commands share."""

import json
import sys
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from rag_pipeline.errors import PipelineError
from rag_pipeline.home_mark import no_home_says
from rag_pipeline.settings import Settings, load_settings
from rag_pipeline.terminal import complain

REFUSED = 3
"""Exit code of a command whose gate said no: what serves stays, and nothing failed. 1 is a failure, 2 a mistyped command."""

Served = Annotated[str, typer.Option("--channel", help="The release a channel points at.")]
OneSource = Annotated[str | None, typer.Option("--source", help="Only this source.")]
Table = Annotated[str, typer.Option(help="For a database: the table to read, as schema.table.")]
Query = Annotated[str, typer.Option(help="For a database: a SELECT to read instead of a table.")]
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
        complain(nothing)
    return settings


def print_json(value: Any) -> None:
    """One line on stdout, in characters that it can write."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(value, default=str)
    sys.stdout.write(text + "\n")


def says_of_run(run: Mapping[str, Any]) -> str:
    """One line about a run that is not finished, as `status` found it."""
    state = {True: "at work", False: "dead", None: "of somebody else"}[run["alive"]]
    waits = f"; runs that wait for it: {run['waiting']}" if run["waiting"] else ""
    return (
        f"run {run['run_id']} ({run['job']}, started by {run['started_by']}) is {run['status']} since {run['since']} UTC: "
        f"{state}{waits}. {run['next']}."
    )
