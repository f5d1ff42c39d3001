"""`erase`: makes sure that nothing of a document is left."""

import uuid
from datetime import UTC, datetime
from typing import Annotated

import typer

from rag_pipeline.cli.show import AsJson, print_json, settings_of_home
from rag_pipeline.terminal import Printer


def erase(
    documents: Annotated[
        list[str], typer.Argument(help="Documents by id, <source>/<key>, as `rag query --json` gives them.")
    ],
    as_json: AsJson = False,
) -> None:
    """Build the next release whole, without vectors or words of documents that left, and remove their quotes now.

    It says which of the documents their source still had at its last load, and which kept releases may hold them. The
    runbook has the steps around it.
    """
    from rag_pipeline.release import erase as library

    settings, now = settings_of_home(), datetime.now(UTC)
    done = library.erase(settings.home, documents, run_id=f"rag erase {uuid.uuid4()}", now=now)
    holding = library.may_hold_erased(settings.home)
    if as_json:
        told = {"noted": list(done.noted), "still_stored": list(done.still_stored), "may_hold_erased": list(holding)}
        print_json(told)
        return
    printer = Printer()
    printer.say(f"noted {len(done.noted)} documents; quotes of them are gone from evidence and reports")
    for document in done.still_stored:
        printer.say(f"  • {document} was in its source at the last load: remove it there, unless you did, or it stays")
    printer.say("next: `rag refresh` builds a release without them")
    if holding:
        printer.say(f"these releases may hold them until `rag gc` removes the releases: {', '.join(holding)}")
