"""`contract check` and `contract diff`: is a contract valid, and does a new version promise less than the old one."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from rag_pipeline.cli.show import AsJson, print_json, table_of
from rag_pipeline.errors import ContractError
from rag_pipeline.settings import load_settings

contract = typer.Typer(no_args_is_help=True, help="Contracts: `check` that they are valid, `diff` two versions of one.")


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
    old: Annotated[Path, typer.Argument(help="The contract as it was.")],
    new: Annotated[Path, typer.Argument(help="The contract as it is to be.")],
    as_json: AsJson = False,
) -> None:
    """Find breaking changes and loosened promises. Exits with 1 when the version does not announce them."""
    from rag_pipeline.contracts.diff import compare_files

    found = compare_files(old, new)
    if as_json:
        changes = [{"kind": one.kind, "field": one.field, "message": one.message} for one in found.changes]
        versions = {"old_version": found.old_version, "new_version": found.new_version}
        print_json({**versions, "changes": changes, "needs": found.needs, "announced": found.announced})
    else:
        console = Console(highlight=False)
        rows = [(one.kind, one.field, one.message) for one in found.changes]
        console.print(table_of("change", "field", "what", rows=rows) if rows else "nothing changed")
        if not found.announced:
            console.print(
                f"the version went from {found.old_version} to {found.new_version}; this needs a new {found.needs} version",
                markup=False,
            )
    if not found.announced:
        raise typer.Exit(1)
