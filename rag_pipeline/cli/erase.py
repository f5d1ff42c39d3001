"""`erase`: see to it that nothing of a document is left."""

import uuid
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console

from rag_pipeline.cli.show import AsJson, print_json, settings_of_home


def erase(
    documents: Annotated[
        list[str], typer.Argument(help="Documents by id, <source>/<key>, as `rag query --json` gives them.")
    ],
    as_json: AsJson = False,
) -> None:
    """Have the next release built whole, without vectors or words of documents that left; remove quotes of them now."""
    from rag_pipeline.release import erase as library

    settings, now = settings_of_home(), datetime.now(UTC)
    done = library.erase(settings.home, documents, run_id=f"rag erase {uuid.uuid4()}", now=now)
    holding = library.may_hold_erased(settings.home)
    if as_json:
        told = {"noted": list(done.noted), "still_stored": list(done.still_stored), "may_hold_erased": list(holding)}
        print_json(told)
        return
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"noted {len(done.noted)} documents; quotes of them are gone from evidence and reports", markup=False)
    for document in done.still_stored:
        console.print(
            f"  • {document} was in its source at the last load: take it out there, unless you have, or it stays",
            markup=False,
        )
    console.print("next: `rag refresh` builds a release without them", markup=False)
    if holding:
        console.print(f"until `rag gc` removes them, these may hold them: {', '.join(holding)}", markup=False)
