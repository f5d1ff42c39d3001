"""`rag`: the command line, thin. It calls the library or runs the Dagster jobs; the UI can do all of it too."""

import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from rag_pipeline import __version__
from rag_pipeline.cli import (
    alerts,
    answer,
    answers,
    ask,
    channels,
    contract,
    embed,
    erase,
    export,
    golden,
    init,
    key,
    quarantine,
    refresh,
    report,
    serve,
    traffic,
    tries,
    upkeep,
    withdraw,
)
from rag_pipeline.cli.examples import epilog, first_steps
from rag_pipeline.cli.show import REFUSED
from rag_pipeline.disk_space import storage_error
from rag_pipeline.errors import PipelineError, PromotionRefused
from rag_pipeline.home_mark import check_home
from rag_pipeline.host.storage_url import check_storage
from rag_pipeline.process import collect_less_often, prepare
from rag_pipeline.settings import dagster_home, load_settings
from rag_pipeline.terminal import Printer, complain, never_fail_to_print, warn

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="The release pipeline for retrieval indexes: refresh, query, promote, roll back, look at what serves and why.",
    epilog=first_steps(),
)

PANELS: dict[str, tuple[Callable[..., None] | typer.Typer, ...]] = {
    "Make and run": (init.init, refresh.refresh, refresh.evaluate, tries.try_settings, report.report),
    "Ask and look": (ask.query, answer.answer, answers.answers, ask.status, ask.releases, ask.trace, export.export),
    "Answer applications and agents": (serve.serve, serve.mcp, key.key, traffic.traffic),
    "Move what serves": (channels.promote, channels.rollback, channels.resume, channels.anchor),
    "Sources and questions": (contract.contract, golden.golden, quarantine.quarantine, embed.embed),
    "Keep it well": (alerts.alerts, upkeep.verify, upkeep.gc, erase.erase, withdraw.withdraw),
}
"""What `rag --help` shows under one heading each: commands, and groups of commands."""

_OTHERWISE = {"try_settings": "try"}
"""Function -> its command, where Python keeps that word for itself."""


def called(command: Callable[..., None]) -> str:
    """The name that people type."""
    return _OTHERWISE.get(command.__name__, command.__name__)


for panel, commands in PANELS.items():
    for command in commands:
        if isinstance(command, typer.Typer):
            app.add_typer(command, rich_help_panel=panel)
            for inside in command.registered_commands:
                inside.epilog = epilog(f"{command.info.name} {inside.name or getattr(inside.callback, '__name__', '')}")
        else:
            name = called(command)
            app.command(name, rich_help_panel=panel, epilog=epilog(name))(command)


def _version(asked: bool) -> None:
    if asked:
        Printer().say(f"rag-pipeline {__version__}")
        raise typer.Exit


@app.callback()
def _before(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Whatever the command: a setting that means nothing, or a home that is somebody else's, is said at once."""
    if context.invoked_subcommand == "init":  # the settings of a project that is not there yet
        return
    settings = load_settings()
    if context.invoked_subcommand != "contract":  # they look into no home
        check_home(settings)
        check_storage(dagster_home(settings.home))


def main() -> None:
    """Entry point: every error that a person can fix is one paragraph on stderr and exit code 1; a gate that says no, 3."""
    prepare()
    collect_less_often()
    never_fail_to_print()
    try:
        app()
    except PromotionRefused as error:
        _fail(str(error), REFUSED)
    except PipelineError as error:
        _fail(str(error))
    except Exception as error:
        if says := storage_error(error, *_written_to()):
            _fail(says)
        warn(traceback.format_exc())  # a bug; what it quotes may be a document
        raise SystemExit(1) from None


def _written_to() -> list[Path]:
    home = load_settings().home
    return [home.root, dagster_home(home)]


def _fail(message: str, code: int = 1) -> None:
    complain(message)
    raise SystemExit(code)
