"""`rag alerts`: shows what was sent, looks and sends now, and tries whether a message arrives at all."""

from datetime import UTC, datetime
from typing import Any

import typer

from rag_pipeline.cli.show import AsJson, print_json
from rag_pipeline.errors import PipelineError
from rag_pipeline.settings import load_secrets, load_settings
from rag_pipeline.terminal import Printer

alerts = typer.Typer(
    name="alerts", no_args_is_help=True, help="Alerts: `show` who receives them, `send` what is new, send a `test`."
)


@alerts.command()
def show(as_json: AsJson = False) -> None:
    """Show the alerts that are not over yet, and the receivers that do not accept their messages. Sends nothing.

    It also says when the pipeline last looked.
    """
    from rag_pipeline.alerts.tell import told_now

    found = told_now(load_settings().home, load_secrets().alerts)
    if as_json:
        print_json(found)
        return
    printer = Printer()
    show_alerts(printer, found)
    rows = [(f"{one['since']:%Y-%m-%d %H:%M}", one["what"], "yes" if one["told"] else "NO") for one in found["causes"]]
    printer.table("since", "what is wrong", "told", rows=rows)


@alerts.command()
def send(as_json: AsJson = False) -> None:
    """Look now, and send what was not sent yet. Without a Dagster daemon, run it after each `rag refresh`.

    The sensor does the same every minute. Exits with 1 while messages wait.
    """
    from rag_pipeline.alerts.tell import nobody_to_tell
    from rag_pipeline.defs.alerts import tell_now
    from rag_pipeline.defs.dropped import live

    if not load_secrets().alerts:
        raise nobody_to_tell()
    outcome = tell_now(load_settings(), live, datetime.now(UTC))
    if outcome is None:
        raise PipelineError("another process sends alerts right now; try again in a minute")
    if as_json:
        names = ("sent", "waiting", "troubles", "causes")
        print_json({name: getattr(outcome, name) for name in names})
    else:
        Printer().say(outcome.says)
    if outcome.troubles:
        raise typer.Exit(1)


@alerts.command(name="test")
def send_test(as_json: AsJson = False) -> None:
    """Send a test message to every receiver, and show which accepted it. Exits with 1 unless all did."""
    from rag_pipeline.alerts.sender import SENT
    from rag_pipeline.alerts.tell import try_out

    results = try_out(load_settings().home, load_secrets().alerts)
    if as_json:
        print_json({"receivers": results})
    else:
        Printer().table("receiver", "test message", rows=list(results.items()))
    if any(result != SENT for result in results.values()):
        raise typer.Exit(1)


def show_alerts(printer: Printer, found: dict[str, Any]) -> None:
    """One line about the receivers, and one for each receiver in trouble."""
    from rag_pipeline.alerts.tell import count

    if not found["on"]:
        printer.say("alerts are off: RAG_ALERTS names no receiver", style="dim")
        return
    looked = f"{found['looked_at']:%Y-%m-%d %H:%M} UTC" if found["looked_at"] else "never: is the Dagster daemon running?"
    causes = f"{count(len(found['causes']), 'thing is', 'things are')} wrong" if found["causes"] else "nothing is wrong"
    printer.say(f"alerts are on ({', '.join(found['receivers'])}): {causes}; last looked at {looked}")
    for one in found["troubles"]:
        says = f"{one['receiver']} {one['says']}, {one['tries']} tries since {one['since']:%Y-%m-%d %H:%M} UTC"
        printer.say(f"{says}; `rag alerts test` tries it now", style="red")
