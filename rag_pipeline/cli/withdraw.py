"""`rag withdraw`: hides a document from every reader, until it is restored."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from rag_pipeline.cli.show import AsJson, print_json, settings_of_home
from rag_pipeline.errors import PipelineError
from rag_pipeline.terminal import Printer, one_line


def withdraw(
    document: Annotated[
        str, typer.Argument(help="Its id, <source>/<key>, as `rag query --json` gives it; none: show what is withdrawn.")
    ] = "",
    by: Annotated[str, typer.Option("--by", help="Who does it.")] = "",
    reason: Annotated[str, typer.Option("--reason", help="Why; it is kept.")] = "",
    restore: Annotated[bool, typer.Option("--restore", help="Show the document again.")] = False,
    as_json: AsJson = False,
) -> None:
    """Hide a document at once from whoever asks `rag serve` or an `Index`, whichever release serves.

    The release still holds it, and `rag query` still shows it: `rag erase` removes a document for good.
    """
    from rag_pipeline.release import withdrawn as library

    home, printer = settings_of_home().home, Printer()
    if not document:
        if by or reason or restore:
            raise PipelineError("name the document, as in `rag withdraw handbook/leave.md --by ana --reason 'it is wrong'`")
        stands = library.settle(home)
        if as_json:
            print_json({"withdrawn": [one.model_dump(mode="json") for one in stands]})
            return
        rows = [(one.document_id, f"{one.at:%Y-%m-%d %H:%M}", one_line(one.by), one_line(one.why)) for one in stands]
        printer.table("document", "since", "by", "why", rows=rows)
        return
    act = library.restore if restore else library.withdraw
    done = act(home, document, by=by, why=reason, now=datetime.now(UTC))
    if as_json:
        print_json({"action": "restored" if restore else "withdrawn"} | done.model_dump(mode="json"))
        return
    says = "is shown to its readers again" if restore else "is hidden from every reader"
    printer.say(f"{done.document_id} {says}, from the next question on")
