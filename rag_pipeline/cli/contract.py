"""`contract check` and `contract diff`: is a contract valid, and does it promise less than before. `new`: contract_new."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from rag_pipeline.cli.contract_new import new
from rag_pipeline.cli.show import AsJson, print_json, table_of
from rag_pipeline.errors import ContractError
from rag_pipeline.settings import load_settings

if TYPE_CHECKING:
    from rag_pipeline.contracts.diff import Difference
    from rag_pipeline.release.promises import Promises

contract = typer.Typer(
    no_args_is_help=True,
    help="Contracts: draft a `new` one from data, `check` that they are valid, see what changed in a `diff`.",
)

contract.command()(new)


@contract.command()
def check(
    path: Annotated[
        Path | None, typer.Argument(help="A contract, or a folder of them; RAG_CONTRACTS when left out.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Validate contracts against the standard and this pipeline; says file, line, field and what to write instead."""
    from rag_pipeline.contracts.read import SUFFIX, read_contract, read_contracts

    where = path or load_settings().contracts
    files = [where] if where.is_file() else sorted(where.glob(f"*{SUFFIX}"))
    if not files:
        read_contracts(where)  # says why there is nothing to check
    found: dict[str, str] = {}
    for file in files:
        try:
            read_contract(file)
            found[str(file)] = ""
        except ContractError as error:
            found[str(file)] = str(error)
    if as_json:
        print_json({"contracts": {name: {"valid": not problem, "problem": problem} for name, problem in found.items()}})
    else:
        rows = [(name, problem or "valid") for name, problem in found.items()]
        Console(highlight=False).print(table_of("contract", "", rows=rows))
    if any(found.values()):
        raise typer.Exit(1)


@contract.command()
def diff(
    old: Annotated[
        Path | None, typer.Argument(help="The contract as it was; left out: as the promoted release has it.")
    ] = None,
    new: Annotated[Path | None, typer.Argument(help="The contract as it is to be.")] = None,
    channel: Annotated[str, typer.Option(help="Whose release to compare with, when no files are named.")] = "production",
    as_json: AsJson = False,
) -> None:
    """Find breaking changes and loosened promises. Exits with 1 when version and changelog do not announce them.

    Two files are compared with each other; without any, every contract with the one the promoted release was built
    under.
    """
    from rag_pipeline.contracts.diff import compare_files
    from rag_pipeline.contracts.read import read_contracts
    from rag_pipeline.release.promises import Promises, compare_with_promoted

    if (old is None) != (new is None):
        raise typer.BadParameter("name two contracts, or none")
    if old and new:
        found = compare_files(old, new)
        promises = Promises(str(old), {str(new): found} if found.changes else {})
    else:
        settings = load_settings()
        promises = compare_with_promoted(settings.home, read_contracts(settings.contracts), channel)
    if as_json:
        told = {source: _told(difference) for source, difference in promises.changed.items()}
        lists = {"added": list(promises.added), "removed": list(promises.removed)}
        print_json({"compared_with": promises.release, "changed": told, **lists, "announced": promises.announced})
    else:
        _show(promises, channel)
    if not promises.announced:
        raise typer.Exit(1)


def _told(difference: "Difference") -> dict[str, Any]:
    changes = [{"kind": one.kind, "field": one.field, "message": one.message} for one in difference.changes]
    versions = {"old_version": difference.old_version, "new_version": difference.new_version}
    return {**versions, "changes": changes, "needs": difference.needs, "announced": difference.announced}


def _show(promises: "Promises", channel: str) -> None:
    console = Console(highlight=False)
    if promises.release is None:
        console.print(f"no release is in {channel} yet, so there is nothing to compare with")
        return
    if not promises.comparable:
        console.print(f"{promises.release} keeps no contracts (an older pipeline built it); the next one promoted will")
        return
    for name in promises.added:
        console.print(f"{name} is new since {promises.release}")
    for name in promises.removed:
        console.print(f"{name} is gone since {promises.release}: its documents leave the next release")
    for source, difference in promises.changed.items():
        rows = [(one.kind, one.field, one.message) for one in difference.changes]
        console.print(table_of("change", "field", f"what, in {source}", rows=rows))
        console.print(difference.demand, markup=False)
    if not (promises.changed or promises.added or promises.removed):
        console.print(f"nothing changed since {promises.release}")
