"""`init`: a project of one's own, from an installed package."""

import shlex
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rag_pipeline.cli.show import AsJson, Query, Table, print_json
from rag_pipeline.errors import PipelineError
from rag_pipeline.process import forget_variables
from rag_pipeline.project import CONTRACTS, EVALS, HOME
from rag_pipeline.settings import load_secrets, settings_of
from rag_pipeline.terminal import Printer

if TYPE_CHECKING:
    from rag_pipeline.drafting import Draft
    from rag_pipeline.scaffold import Project

_OWNER = "team:retrieval"


def init(
    folder: Annotated[Path, typer.Argument(help="The folder of the project; the command creates it.")],
    source: Annotated[
        list[str] | None,
        typer.Option(
            "--from",
            help="What to index, as `rag contract new` takes it: a folder, a table, a database, a site; repeat for more. "
            "Without it the project holds a small example.",
        ),
    ] = None,
    owner: Annotated[str, typer.Option(help="Who answers for it: an e-mail address, or team: and a name.")] = _OWNER,
    table: Table = "",
    query: Query = "",
    as_json: AsJson = False,
) -> None:
    """Make a project: contracts, golden set, gate and settings, so that `rag refresh` and `dg dev` work in it.

    With `--from` (a folder, a table, a database, a site: as `rag contract new` takes it), each contract is drafted from what
    is there, and a first golden set is made from titles and headings. Without it the project holds six example pages and ten
    questions. It overwrites no file.
    """
    from rag_pipeline.defs.home import prepare_dagster_home
    from rag_pipeline.scaffold import check_free, new_project

    folder, printer = folder.expanduser().absolute(), Printer(stderr=as_json)
    forget_variables("RAG_HOME", "RAG_CONTRACTS", "RAG_EVALS", "DAGSTER_HOME")  # the new project has its own
    check_free(folder)
    own = {"home": folder / HOME, "contracts": folder / CONTRACTS, "evals": folder / EVALS}
    settings = settings_of(own | {"owner": owner}, lambda name: f"--{name}")
    wish = _Wish(settings.contracts, owner, table, query)
    drafts = [_draft(wish, place) for place in source or ()]  # before anything is written
    project = new_project(folder, example=not drafts, owner=owner)
    prepare_dagster_home(settings)
    printer.say(f"{project.folder} holds a project now.")
    for draft in drafts:
        draft.write(replace=False)
        printer.say(f"{draft.file} is drafted from {draft.looked_at}; its TODO lines are for the owner to decide.")
    notes = _first_questions(project, printer) if drafts else []
    steps = [f"cd {shlex.quote(str(folder))}", "rag refresh", "rag status", "dg dev"]
    if as_json:
        files = [str(file.relative_to(project.folder)) for file in project.written]
        found: dict[str, Any] = {"project": str(project.folder), "written": files}
        print_json(found | {"kept": [str(file) for file in project.kept], "notes": notes, "next": steps})
        return
    for file in project.kept:
        printer.say(f"{file} was there and stays as it is.", style="yellow")
    for note in notes:
        printer.say(note, style="yellow")
    printer.say("Then:")
    for step in steps:
        printer.say(f"  {step}")


@dataclass(frozen=True, slots=True)
class _Wish:
    """What is the same for every source that is drafted. `table`, `query`: of a database, one of the two."""

    contracts: Path
    owner: str
    table: str
    query: str


def _draft(wish: _Wish, place: str) -> "Draft":
    from rag_pipeline.connectors import DatabaseWish
    from rag_pipeline.drafting import DraftRequest, draft_contract

    database = DatabaseWish(wish.table, wish.query)
    request = DraftRequest(places=(place,), contracts=wish.contracts, owner=wish.owner, database=database)
    return draft_contract(request, load_secrets(), datetime.now(UTC), replace=False)


def _first_questions(project: "Project", printer: Printer) -> list[str]:
    """Make the first golden set; where that cannot be, say why, and what to do instead."""
    from rag_pipeline.contracts.read import read_contracts
    from rag_pipeline.golden.first_set import first_set
    from rag_pipeline.scaffold import name_in_gate

    contracts = read_contracts(project.contracts)
    try:
        made = first_set(project.evals, project.golden_set, contracts, load_secrets(), datetime.now(UTC))
    except PipelineError as error:
        return [_by_hand(project, contracts[0].source, name_in_gate(project, later=True), error)]
    name_in_gate(project)
    printer.say(f"{made.folder} asks {made.asks}; reword them as your users would ask.")
    return []


def _by_hand(project: "Project", source: str, gate: Path, error: PipelineError) -> str:
    """What to write where the documents give no first golden set: its three files, with a line of each."""
    folder = project.evals / project.golden_set
    return (
        f"No golden set was made: {error}. Nothing is promoted without one. Write it in {folder}: golden.yaml with "
        f'`description:` and `owner:`; queries.jsonl with a line {{"_id": "q1", "text": "…"}} for each question; '
        "qrels/test.tsv with the line `query-id corpus-id score` and one such line for each answer, tabs between them "
        f"(`q1 {source}/KEY 1`; `rag query` shows the keys of documents). Then rename {gate} to {gate.stem}."
    )
