"""`rag`: the command line, thin. It calls the library or runs the Dagster jobs; the UI can do all of it too."""

import traceback
from pathlib import Path

import typer

from rag_pipeline.cli import alerts, ask, channels, contract, embed, erase, golden, quarantine, refresh, report, upkeep
from rag_pipeline.cli.show import REFUSED
from rag_pipeline.errors import PipelineError, PromotionRefused
from rag_pipeline.home import check_home
from rag_pipeline.memory import collect_less_often
from rag_pipeline.room import storage_trouble
from rag_pipeline.settings import dagster_home, load_settings
from rag_pipeline.terminal import complain, never_fail_to_print, warn

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="The release pipeline for retrieval indexes: refresh, query, promote, roll back, look at what serves and why.",
)

for command in (
    refresh.refresh,
    refresh.evaluate,
    ask.query,
    ask.status,
    ask.releases,
    ask.trace,
    report.report,
    channels.promote,
    channels.rollback,
    channels.resume,
    channels.anchor,
    upkeep.verify,
    upkeep.gc,
    erase.erase,
):
    app.command()(command)
app.add_typer(alerts.alerts, name="alerts")
app.add_typer(contract.contract, name="contract")
app.add_typer(embed.embed, name="embed")
app.add_typer(golden.golden, name="golden")
app.add_typer(quarantine.quarantine, name="quarantine")


@app.callback()
def _before(context: typer.Context) -> None:
    """Whatever the command: a setting that means nothing, or a home that is somebody else's, is said at once."""
    settings = load_settings()
    if context.invoked_subcommand != "contract":  # they look into no home
        check_home(settings)


def main() -> None:
    """Entry point: every error a person can mend is one paragraph on stderr and exit code 1; a gate that says no, 3."""
    collect_less_often()
    never_fail_to_print()
    try:
        app()
    except PromotionRefused as error:
        _fail(str(error), REFUSED)
    except PipelineError as error:
        _fail(str(error))
    except Exception as error:
        if says := storage_trouble(error, *_written_to()):
            _fail(says)
        warn(traceback.format_exc())  # a bug; what it quotes may be a document
        raise SystemExit(1) from None


def _written_to() -> list[Path]:
    home = load_settings().home
    return [home, dagster_home(home)]


def _fail(message: str, code: int = 1) -> None:
    complain(message)
    raise SystemExit(code)
