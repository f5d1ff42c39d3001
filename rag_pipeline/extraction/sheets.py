"""Workbooks (XLSX, ODS): a text for each sheet. kreuzberg reads the cells, as the values they hold.

A sheet is written as one Markdown table without its empty rows and columns. Dates lose a time that is midnight. What
kreuzberg takes for a day of January 1900, or of a time of day, becomes a span or a time again.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rag_pipeline.errors import Unreadable
from rag_pipeline.extraction.account import only_in
from rag_pipeline.extraction.account.ods import look_at_ods
from rag_pipeline.extraction.account.parts import NOT_SOUND
from rag_pipeline.extraction.account.workbook import CHARTS, Workbook, look_at_xlsx
from rag_pipeline.extraction.extract import extracted, not_readable
from rag_pipeline.extraction.kinds import XLSX
from rag_pipeline.extraction.zip_bombs import MAX_GROWTH_BYTES

MAX_CELLS = 1_000_000
"""Cells of a workbook, empty ones between filled ones too, since a parser makes room for them all."""

_TIME = re.compile(r"((?!1899|1900-01)\d{4}-\d\d-\d\d|1900-01-\d\d(?=.00:00:00))[ T](\d\d:\d\d:\d\d)")
_EARLY = re.compile(r"(1899-12-3[01]|1900-01-\d\d) (\d\d)(:\d\d:\d\d)")
_SPAN = re.compile(r"DURATION: PT(\d+)H(\d+)M(\d+)(?:[.,]\d+)?S")


@dataclass(frozen=True, slots=True)
class Sheet:
    name: str
    text: str


def sheets_of(content: bytes, kind: str) -> tuple[list[Sheet], Mapping[str, Sequence[str]]]:
    """The sheets that hold something, and what the workbook shows by a second reading of its own.

    Raises `Unreadable` when it is no sound workbook, or one whose sheets reach too far.
    """
    try:
        seen = look_at_xlsx(content) if kind == XLSX else look_at_ods(content)
    except NOT_SOUND as error:
        raise not_readable(kind, error) from error
    _refuse_what_reaches_too_far(seen)
    result = extracted(content, kind)
    names = [str(name) for name in result.metadata.get("sheet_names") or ()]
    sheets = [_sheet(table.cells, names, int(table.page_number)) for table in result.tables]
    text = "\n".join(sheet.text for sheet in sheets)
    shown = {kind: [only_in(texts, text)] if kind == CHARTS else texts for kind, texts in seen.shown.items()}
    return [sheet for sheet in sheets if sheet.text], shown


def _refuse_what_reaches_too_far(seen: Workbook) -> None:
    total = 0
    for number, reach in enumerate(seen.reaches, start=1):
        total += reach.cells
        if total > MAX_CELLS:
            raise Unreadable(
                f"sheet {number} reaches over {reach.rows:,} rows and {reach.columns:,} columns; {MAX_CELLS:,} cells of a "
                "workbook are read: remove what stands far from the rest, split it, or hand its rows over as CSV or Parquet"
            )
    if seen.characters > MAX_GROWTH_BYTES:
        raise Unreadable(f"its cells hold {seen.characters:,} characters; split it")


def _sheet(cells: Sequence[Sequence[str]], names: Sequence[str], number: int) -> Sheet:
    name = " ".join((names[number - 1] if 0 < number <= len(names) else "").split()) or f"Sheet {number}"
    rows = [[_shown(value) for value in row] for row in cells]
    rows = [row for row in rows if any(row)]
    filled = sorted({place for row in rows for place, value in enumerate(row) if value})
    if not filled:
        return Sheet(name, "")
    lines = ["| " + " | ".join(row[place] if place < len(row) else "" for place in filled) + " |" for row in rows]
    lines.insert(1, "|" + " --- |" * len(filled))
    return Sheet(name, "\n".join([f"# {name}", "", *lines, ""]))


def _shown(value: str) -> str:
    text = " ".join(value.split()).replace("|", "\\|")
    if found := _TIME.fullmatch(text):
        return found[1] if found[2] == "00:00:00" else f"{found[1]} {found[2]}"
    if found := _EARLY.fullmatch(text):
        days = int(found[1][-2:]) if found[1].startswith("1900") else 0
        return f"{24 * days + int(found[2]):02}{found[3]}"
    if found := _SPAN.fullmatch(text):
        return ":".join(f"{int(part):02}" for part in found.groups())
    return text
