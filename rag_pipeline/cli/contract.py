"""`contract check` and `contract diff`: is a contract valid, and does it promise less than before? `new`: contract_new."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rag_pipeline.cli.contract_new import new
from rag_pipeline.cli.show import AsJson, print_json
from rag_pipeline.errors import ContractError
from rag_pipeline.settings import load_secrets, load_settings
from rag_pipeline.terminal import Printer

if TYPE_CHECKING:
    from rag_pipeline.contracts.diff import Difference
    from rag_pipeline.drafting.trial import Trial
    from rag_pipeline.release.promises import Promises

contract = typer.Typer(
    name="contract",
    no_args_is_help=True,
    help="Contracts: draft a `new` one from data, `check` that they are valid, see what changed in a `diff`.",
)

contract.command()(new)


@contract.command()
def check(
    path: Annotated[
        Path | None, typer.Argument(help="A contract, a folder of them, or a source. Default: RAG_CONTRACTS.")
    ] = None,
    data: Annotated[
        bool, typer.Option("--data", help="Compare them with their sources too: read a sample of each, store nothing.")
    ] = False,
    everything: Annotated[bool, typer.Option("--all", help="With --data: read everything, not a sample.")] = False,
    as_json: AsJson = False,
) -> None:
    """Validate contracts against the standard and this pipeline; name file, line, field and what to write instead.

    It takes one contract, a folder of them, or `RAG_CONTRACTS`. With `--data` (then it may be a source's name) it also tries
    a contract on its source and stores nothing: it lists the source, reads 2,000 rows, 500 documents or 100 pages at most,
    or everything with `--all`, and says which rows would be refused and why, which columns no row has, and which paths
    do not exist.

    Exits with 1 when a contract is not valid, or its source would be held or lacks a column; rows refused within
    `quarantineMaxPercent` are only reported. Connectors of other packages that cannot be used are named; they fail the
    contracts that name them.
    """
    from rag_pipeline.connectors.registry import broken_plugins
    from rag_pipeline.contracts.read import read_contract
    from rag_pipeline.drafting.trial import try_contract

    if everything and not data:
        raise typer.BadParameter("--all needs --data; give both")
    found: dict[str, str] = {}
    tried: dict[str, Trial] = {}
    for file in _files(path):
        try:
            one = read_contract(file)
            found[str(file)] = one.server.problem
        except ContractError as error:
            found[str(file)] = str(error)
            continue
        if data and not one.server.problem:
            tried[str(file)] = try_contract(one, load_secrets(), everything=everything)
    if as_json:
        told: dict[str, dict[str, Any]] = {name: {"valid": not says, "problem": says} for name, says in found.items()}
        for name, trial in tried.items():
            told[name]["data"] = {**asdict(trial), "fits": trial.fits}
        print_json({"contracts": told, "broken_connectors": {one.name: one.problem for one in broken_plugins()}})
    else:
        printer = Printer()
        printer.table("contract", "", rows=[(name, problem or "valid") for name, problem in found.items()])
        for broken in broken_plugins():
            printer.say(f"  • {broken.problem}", style="yellow")
        for trial in tried.values():
            _show_trial(trial, printer)
    if any(found.values()) or not all(trial.fits for trial in tried.values()):
        raise typer.Exit(1)


def _files(path: Path | None) -> list[Path]:
    """The contracts to check. Raises `ContractError` when there are none."""
    from rag_pipeline.contracts.read import SUFFIX, read_contracts

    where = path or load_settings().contracts
    if path and not path.exists():
        of_source = load_settings().contracts / f"{path.name}{SUFFIX}"
        where = of_source if str(path) == path.name and of_source.is_file() else where
    files = [where] if where.is_file() else sorted(where.glob(f"*{SUFFIX}"))
    if not files:
        read_contracts(where)  # says why there is nothing to check
    return files


def _show_trial(trial: "Trial", printer: Printer) -> None:
    much = "all that are there" if trial.whole else "a sample"
    refused = f"{trial.refused_rows:,} would be refused, {trial.unreadable:,} could not be read"
    printer.say((f"{trial.source}:", "bold"), f" {trial.rows:,} rows looked at ({much}): {refused}")
    for problem in trial.problems:
        printer.say(f"  • {problem}", style="red")
    for reason, rows in trial.refused.items():
        printer.say(f"  {rows:,} rows: {reason}")
    if trial.repeated_keys:
        printer.say(f"  {trial.repeated_keys:,} rows repeat a key; the last row of each key is kept")
    if trial.unknown_columns:
        printer.say(f"  columns the contract does not name: {', '.join(trial.unknown_columns)}")


@contract.command()
def diff(
    old: Annotated[Path | None, typer.Argument(help="The old contract. Default: the one in the promoted release.")] = None,
    new: Annotated[Path | None, typer.Argument(help="The new contract.")] = None,
    channel: Annotated[
        str, typer.Option(help="The channel whose release to compare with, when no files are given.")
    ] = "production",
    as_json: AsJson = False,
) -> None:
    """Find breaking changes and loosened promises. Exits with 1 when version and changelog do not announce them.

    Two files are compared with each other; without any, every contract with the one the promoted release was built
    under. A breaking change needs a major version, a loosened promise a minor one.
    """
    from rag_pipeline.contracts.diff import compare_files
    from rag_pipeline.contracts.read import read_contracts
    from rag_pipeline.release.promises import Promises, compare_with_promoted

    if (old is None) != (new is None):
        raise typer.BadParameter("give two contracts, or none")
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
    printer = Printer()
    if promises.release is None:
        printer.say(f"no release is in {channel} yet, so there is nothing to compare with")
        return
    if not promises.comparable:
        printer.say(f"{promises.release} keeps no unchanged contracts; the next promoted release will")
        return
    for name in promises.added:
        printer.say(f"{name} is new since {promises.release}")
    for name in promises.removed:
        printer.say(f"{name} is gone since {promises.release}: its documents leave the next release")
    for source, difference in promises.changed.items():
        rows = [(one.kind, one.field, one.message) for one in difference.changes]
        printer.table("change", "field", f"what, in {source}", rows=rows)
        printer.say(difference.demand)
    if not (promises.changed or promises.added or promises.removed):
        printer.say(f"nothing changed since {promises.release}")
