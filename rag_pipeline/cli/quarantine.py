"""`quarantine list`, `show` and `retry`: rows that broke their contract, why, and judging them again."""

from typing import Annotated, Any

import typer

from rag_pipeline.cli.show import AsJson, OneSource, print_json, settings_of_home, settings_or_note
from rag_pipeline.errors import PipelineError
from rag_pipeline.settings import load_settings
from rag_pipeline.terminal import Printer, one_line

quarantine = typer.Typer(
    name="quarantine", no_args_is_help=True, help="Rows that broke their contract: `list`, `show` and `retry` them."
)


@quarantine.command("list")
def list_rows(
    source: OneSource = None,
    resolved: Annotated[
        bool, typer.Option("--resolved", help="Show also rows that were accepted later or left the feed.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List refused rows with every reason, without their values."""
    from rag_pipeline.ingest.quarantine import refused_rows

    rows = refused_rows(settings_or_note().home, [contract.source for contract in _contracts(source)], resolved=resolved)
    if as_json:
        print_json({"rows": [_told(row) for row in rows]})
        return
    shown = [(one.quarantine_id[:8], one.source, one_line(one.item), one.row, one.kind, one.status, one.why) for one in rows]
    headers = ("id", "source", "item", "row", "kind", "status", "why")
    if shown:
        Printer().table(*headers, rows=shown)
    else:
        Printer().say("no row is refused")


@quarantine.command()
def show(
    row: Annotated[
        str, typer.Argument(help="Id of a refused row, or its first characters; `rag quarantine list` shows it.")
    ],
    as_json: AsJson = False,
) -> None:
    """Show a refused row with its values as found. They may be private: take care who sees them."""
    from rag_pipeline.ingest.quarantine import refused_row

    found = refused_row(settings_of_home().home, [contract.source for contract in _contracts(None)], row)
    if as_json:
        print_json({**_told(found), "raw": found.raw})
        return
    printer = Printer()
    told = [(name, one_line(str(value))) for name, value in _told(found).items() if name != "reasons"]
    printer.table("", "", rows=[*told, *(("reason", f"{r['column']} {r['message']}") for r in found.reasons)])
    values = [(one_line(name), str(value)) for name, value in (found.raw or {}).items()]
    if values:
        printer.table("column", "value as found", rows=values)
    else:
        printer.say("its values were purged after their retention")


@quarantine.command()
def retry(
    source: Annotated[str, typer.Argument(help="The source whose refused rows are read and judged again.")],
    as_json: AsJson = False,
) -> None:
    """Read every item with a refused row again, and judge it by the contract as it is now.

    It loads only the source; the next refresh brings the accepted rows into a release.
    """
    from rag_pipeline.defs import run
    from rag_pipeline.ingest.quarantine import judge_again, refused_rows

    settings = load_settings()
    [contract] = _contracts(source)
    before = {row.quarantine_id for row in refused_rows(settings.home, [source])}
    items = judge_again(contract, settings.home)
    ran = run.load(settings, source)
    after = {row.quarantine_id for row in refused_rows(settings.home, [source])}
    told = {"source": source, "items_read": items, "resolved": len(before - after), "open": len(after), "run_id": ran.run_id}
    if as_json:
        print_json({**told, "success": ran.success})
    else:
        says = f"{items} items read again: {len(before - after)} refusals resolved, {len(after)} open"
        Printer().say(says if ran.success else f"{says}; {'; '.join(ran.errors)}")
    if not ran.success:
        raise typer.Exit(1)


def _contracts(source: str | None) -> list[Any]:
    from rag_pipeline.contracts.read import read_contracts

    contracts = read_contracts(load_settings().contracts)
    if source is None:
        return list(contracts)
    if chosen := [contract for contract in contracts if contract.source == source]:
        return chosen
    raise PipelineError(f"no source {source!r}; known: {', '.join(contract.source for contract in contracts)}")


def _told(row: Any) -> dict[str, Any]:
    names = [name for name in row.__dataclass_fields__ if name != "raw"]
    return {name: getattr(row, name) for name in names}
