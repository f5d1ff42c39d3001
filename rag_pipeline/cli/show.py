"""What every command prints with: one JSON object, or a table for people."""

import json
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout; logs stay on stderr.")]


def table_of(*headers: str, rows: Sequence[tuple[Any, ...]]) -> Table:
    """A table without lines; cells are shown as they are, brackets included."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for header in headers:
        table.add_column(header, overflow="fold", no_wrap=header == headers[0])
    for row in rows:
        table.add_row(*(escape(str(cell)) for cell in row))
    return table


def print_json(value: Any) -> None:
    """One line on stdout."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, default=str) + "\n")
