"""`contract new`: a first contract for a feed, drafted from what is there."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rag_pipeline.cli.show import AsJson, Query, Table, print_json
from rag_pipeline.settings import load_secrets, load_settings
from rag_pipeline.terminal import Printer, log_handler, one_line

if TYPE_CHECKING:
    from rag_pipeline.drafting import Draft


def new(  # noqa: PLR0913 - typer reads a command's options from its signature
    where: Annotated[
        list[str],
        typer.Argument(
            help="A folder of documents; a .jsonl, .csv or .parquet file, or a pattern of such in quotes; s3://, gs:// or "
            "az://; the URL of a database; the URL of a sitemap, or several of pages."
        ),
    ],
    source: Annotated[
        str, typer.Option(help="The source's name. Default: the name of the file, folder, table or host.")
    ] = "",
    output: Annotated[
        Path | None, typer.Option(help="The file to write. Default: <source>.odcs.yaml in RAG_CONTRACTS.")
    ] = None,
    owner: Annotated[str, typer.Option(help="Who answers for the source: an e-mail address, or a team.")] = "",
    table: Table = "",
    query: Query = "",
    cursor: Annotated[str, typer.Option(help="For a database: a column that changes whenever its row changes.")] = "",
    key: Annotated[
        list[str] | None,
        typer.Option(help="The column that identifies a row; repeat for several. Default: the command looks for one."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a contract that is there.")] = False,
    as_json: AsJson = False,
) -> None:
    """Draft a contract from what is there: look at some of it, and write down types, roles, limits and what to decide.

    A place is a folder of documents; a `.jsonl`, `.csv` or `.parquet` file, or a pattern of such in quotes; `s3://`, `gs://`,
    `az://`; the URL of a database, of a sitemap, or of several pages; or an address of a connector from another package.
    It looks at 2,000 rows, 500 documents or 100 pages at most. The draft is valid, accepts the rows it was drafted from,
    and holds none of the private values that were seen.
    """
    from rag_pipeline.connectors import DatabaseWish
    from rag_pipeline.drafting import DraftRequest, draft_contract

    wish = DraftRequest(
        places=tuple(where),
        contracts=load_settings().contracts,
        source=source,
        output=output.expanduser().absolute() if output else None,
        owner=owner.strip(),
        database=DatabaseWish(table, query, cursor),
        keys=tuple(key or ()),
    )
    with _log_on_stderr():
        draft = draft_contract(wish, load_secrets(), datetime.now(UTC), replace=force)
    draft.write(replace=force)
    commands = [f"rag contract check {draft.file}", f"rag refresh --source {draft.source}"]
    if as_json:
        print_json({**_told(draft), "next": commands})
    else:
        _show(draft, commands)


@contextmanager
def _log_on_stderr() -> Iterator[None]:
    """Shows what long work tells of its progress, while it lasts."""
    logger, handler = logging.getLogger("rag_pipeline"), log_handler()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


def _told(draft: "Draft") -> dict[str, Any]:
    columns = [
        {
            "name": one.name,
            "type": one.logical_type,
            "role": one.role,
            "required": one.required,
            "privacy": one.policy,
        }
        for one in draft.columns
    ]
    looked = {
        "rows": len(draft.sample.rows),
        "unreadable": draft.sample.broken + draft.sample.unreadable,
        "whole": draft.sample.whole,
        "says": draft.looked_at,
    }
    return {
        "source": draft.source,
        "file": str(draft.file),
        "looked_at": looked,
        "columns": columns,
        "would_refuse": draft.judged.refused_rows,
        "decide": list(draft.decide),
    }


def _show(draft: "Draft", commands: list[str]) -> None:
    printer = Printer()
    printer.say(f"{draft.file} is drafted from {draft.looked_at}.")
    rows = [
        (one_line(one.name), one.logical_type, one.role or "", "yes" if one.required else "", one.policy or "")
        for one in draft.columns
    ]
    printer.table("column", "type", "role", "required", "private", rows=rows)
    printer.say("To decide (TODO in the file):")
    for one in draft.decide:
        printer.say(f"  • {one_line(one)}")
    printer.say("Then:")
    for command in commands:
        printer.say(f"  {command}")
