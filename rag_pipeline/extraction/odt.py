"""Texts of OpenDocument (ODT), read by odfdo: kreuzberg loses links inside a paragraph, and runs words together.

odfdo loses the header of a list, so the header becomes an item of its own before odfdo reads the file. Text that a
recorded change deletes is not shown. Source of the format: OpenDocument 1.3, part 3, sections 5.3 (lists) and 9 (tables).
"""

import io
import re
import zipfile
from collections.abc import Mapping

from defusedxml.ElementTree import DefusedXMLParser  # type: ignore[import-untyped]

from rag_pipeline.errors import Unreadable
from rag_pipeline.extraction.extract import not_readable
from rag_pipeline.extraction.kinds import ODT
from rag_pipeline.extraction.zip_bombs import MAX_GROWTH_BYTES

MAX_CELLS = 50_000
"""Cells of all tables, those that are said to repeat as often as they are: each takes a fraction of a millisecond."""

_CONTENT = "content.xml"
_LIST_HEADER = re.compile(rb"<(/?)(\w+:)list-header(?=[\s/>])")
_PADDING, _RULE = re.compile(r" {2,}(?=\|)"), re.compile(r"-{4,}")


def odt_text(content: bytes) -> str:
    """The text as Markdown. Raises `Unreadable` when it is none, is locked, or would be written out to too much."""
    from odfdo import Document

    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            parts = {name: packed.read(name) for name in packed.namelist()}
        _refuse_what_grows(parts[_CONTENT])
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


def _refuse_what_grows(written: bytes) -> None:
    """Tables are written out cell by cell, each as wide as the widest of its column."""
    seen = _Grows()
    parser = DefusedXMLParser(target=seen)
    parser.feed(written)
    parser.close()
    if seen.cells > MAX_CELLS:
        raise Unreadable(
            f"its tables have {seen.cells:,} cells, more than {MAX_CELLS:,}; hand them over as ODS, CSV or Parquet"
        )
    if seen.blanks > MAX_GROWTH_BYTES:
        raise Unreadable(f"it is filled up with {seen.blanks:,} blanks")
    if seen.cells * seen.widest > MAX_GROWTH_BYTES:
        raise Unreadable(f"its tables have {seen.cells:,} cells, one of {seen.widest:,} characters; split it")


class _Grows:
    """How many cells there are, repeated ones as often as they are, how many characters the longest holds, and blanks that
    are counted instead of written."""

    def __init__(self) -> None:
        self.cells = self.widest = self.blanks = 0
        self._rows, self._lengths = 1, list[int]()

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        name = tag.rpartition("}")[2]
        repeated = f"number-{'rows' if name == 'table-row' else 'columns'}-repeated"
        times = next((int(value) for key, value in attributes.items() if key.endswith(repeated)), 1)
        if name == "s":
            self.blanks += next((int(value) for key, value in attributes.items() if key.endswith("}c")), 1)
        elif name == "table-row":
            self._rows = times
        elif name in ("table-cell", "covered-table-cell"):
            self.cells += self._rows * times
            self._lengths.append(0)

    def data(self, data: str) -> None:
        if self._lengths:
            self._lengths[-1] += len(data)

    def end(self, tag: str) -> None:
        if tag.rpartition("}")[2] in ("table-cell", "covered-table-cell"):
            length = self._lengths.pop()
            self.widest = max(self.widest, length)
            if self._lengths:
                self._lengths[-1] += length

    def close(self) -> None:
        return


def _narrow(line: str) -> str:
    """A row of a table without the blanks that fill it up."""
    if not line.startswith("|") or not line.endswith("|"):
        return line
    return _RULE.sub("---", _PADDING.sub(" ", line))
