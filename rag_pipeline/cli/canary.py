"""`rag canary`: try a release on a part of the traffic."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from rag_pipeline.cli.channels import By, Reason
from rag_pipeline.cli.show import AsJson, print_json, settings_of_home
from rag_pipeline.settings import Settings
from rag_pipeline.terminal import Printer

canary = typer.Typer(
    name="canary",
    no_args_is_help=True,
    help="Try the release of another channel on a part of the traffic. Replicas stop it by themselves where it does harm.",
)


@canary.command()
def start(  # noqa: PLR0913 - typer reads a command's options from its signature
    percent: Annotated[float, typer.Option(help="How much of the traffic, in percent: up to 50.")] = 5.0,
    channel: Annotated[str, typer.Option(help="The channel whose traffic is split.")] = "production",
    to: Annotated[str, typer.Option("--canary", help="The channel whose release answers the part.")] = "canary",
    hours: Annotated[float, typer.Option(help="When it ends by itself.")] = 24.0,
    by: By = "",
    reason: Reason = "",
    as_json: AsJson = False,
) -> None:
    """Have a part of the traffic answered from the release that another channel names.

    The same principals and sessions are in it all the time. While it is on, starting it again changes the percent.
    """
    from rag_pipeline.canary import audit
    from rag_pipeline.canary.split import Wanted

    settings = settings_of_home()
    wanted = Wanted(channel=channel, canary=to, percent=percent, hours=hours, by=by, why=reason)
    audit.start(settings.home, wanted, datetime.now(UTC))
    _show(settings, as_json=as_json)


@canary.command()
def stop(by: By = "", reason: Reason = "", as_json: AsJson = False) -> None:
    """Have the stable release answer everybody again, within a second or so."""
    from rag_pipeline.canary import audit
    from rag_pipeline.replicas.arms import arms_of

    settings = settings_of_home()
    arms = arms_of(settings.home, audit.settle(settings.home))
    audit.stop(settings.home, datetime.now(UTC), by=by, why=reason, arms=arms)
    _show(settings, as_json=as_json)


@canary.command()
def show(as_json: AsJson = False) -> None:
    """Show the split, and what replicas counted of both arms. What they stopped is written into the audit table."""
    _show(settings_of_home(), as_json=as_json)


def _show(settings: Settings, *, as_json: bool) -> None:
    from rag_pipeline.canary.audit import settle
    from rag_pipeline.canary.shown import COLUMNS, rows, says, told
    from rag_pipeline.replicas.arms import arms_of

    split, now, printer = settle(settings.home), datetime.now(UTC), Printer()
    arms = arms_of(settings.home, split)
    if as_json:
        print_json(told(split, now, arms))
    elif split is None:
        printer.say("no traffic was ever split; `rag canary start --percent 5 --by NAME --reason WHY` begins")
    else:
        printer.say(says(split, now))
        printer.table(*COLUMNS, rows=[["" if cell is None else cell for cell in row] for row in rows(arms)])
