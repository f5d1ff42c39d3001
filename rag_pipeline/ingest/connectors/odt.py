"""Texts of OpenDocument (ODT), read by odfdo: kreuzberg loses links inside a paragraph, and grows words together.

odfdo loses the header of a list, which becomes an item of its own before it reads the file. What is crossed out by a
recorded change is not shown.
Source of the format: OpenDocument 1.3, part 3, sections 5.3 (lists) and 9 (tables).
"""

import io
import re
import zipfile

from rag_pipeline.errors import Unreadable
from rag_pipeline.ingest.connectors.extract import not_readable
from rag_pipeline.ingest.connectors.kinds import ODT
from rag_pipeline.ingest.connectors.unpacked import MAX_GROWTH_BYTES

MAX_CELLS = 50_000
"""Cells of all tables, those that are said to repeat as often as they are: each takes a fraction of a millisecond."""

_CONTENT = "content.xml"
_LIST_HEADER = re.compile(rb"<(/?)(\w+:)list-header(?=[\s/>])")
_ROW_OR_CELL = re.compile(rb"<\w+:(?:table-(row)|(?:covered-)?table-cell)\b([^<>]*)>")
_REPEATED = re.compile(rb"""number-(?:rows|columns)-repeated\s*=\s*["'](\d{1,18})["']""")
_CELL = re.compile(rb"<(\w+):table-cell\b[^<>]*(?<!/)>(.*?)</\1:table-cell>", re.DOTALL)
_TAG = re.compile(rb"<[^<>]*>")
_PADDING, _RULE = re.compile(r" {2,}(?=\|)"), re.compile(r"-{4,}")


def odt_text(content: bytes) -> str:
    """The text as Markdown. Raises `Unreadable` when it is none, is locked, or would be written out to too much."""
    from odfdo import Document

    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            parts = {name: packed.read(name) for name in packed.namelist()}
        _refuse_large_tables(parts[_CONTENT])
        parts[_CONTENT] = _LIST_HEADER.sub(rb"<\1\2list-item", parts[_CONTENT])
        made = io.BytesIO()
        with zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as repacked:
            for name, part in parts.items():
                repacked.writestr(name, part)
        return "\n".join(map(_narrow, str(Document(made).to_markdown()).split("\n")))
    except Unreadable:
        raise
    except Exception as error:  # odfdo raises its own, lxml's and whatever a wrong part makes it stumble over
        raise not_readable(ODT, error) from error


def _refuse_large_tables(written: bytes) -> None:
    """Tables are written out cell by cell, each as wide as the widest of its column."""
    cells, rows = 0, 1
    for found in _ROW_OR_CELL.finditer(written):
        repeated = _REPEATED.search(found[2])
        times = int(repeated[1]) if repeated else 1
        if found[1]:
            rows = times
        else:
            cells += rows * times
    if cells > MAX_CELLS:
        raise Unreadable(f"its tables have {cells:,} cells, more than {MAX_CELLS:,}; hand them over as ODS, CSV or Parquet")
    widest = max((len(_TAG.sub(b"", cell[2])) for cell in _CELL.finditer(written)), default=0)
    if cells * widest > MAX_GROWTH_BYTES:
        raise Unreadable(f"its tables have {cells:,} cells, one of {widest:,} characters; split it")


def _narrow(line: str) -> str:
    """A row of a table without the blanks that fill it up."""
    if not line.startswith("|") or not line.endswith("|"):
        return line
    return _RULE.sub("---", _PADDING.sub(" ", line))
