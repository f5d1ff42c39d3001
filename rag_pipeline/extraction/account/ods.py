"""What a workbook of OpenDocument (ODS) shows, and how far its sheets reach, read cell by cell.

Source of the format: OpenDocument 1.3, part 3, sections 9 (tables) and 19 (values).
"""

import io
import zipfile
from collections.abc import Mapping

from rag_pipeline.extraction.account import HEADERS
from rag_pipeline.extraction.account.parts import Form, PartTarget
from rag_pipeline.extraction.account.workbook import CELLS, CellTarget, Reach, Workbook, number, take_in


def look_at_ods(content: bytes) -> Workbook:
    """Raises as `look_at_xlsx` does."""
    book = Workbook()
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        take_in(packed.read("content.xml"), _OdsSheets(book))
        if "styles.xml" in packed.namelist():
            heads = Form((), frozenset({"p"}), frozenset({"p"}), {"header": HEADERS, "footer": HEADERS})
            take_in(packed.read("styles.xml"), PartTarget(heads, "", book.shown))
            book.shown.pop("", None)
    return book


class _OdsSheets(CellTarget):
    """Cells of all sheets: the values of numbers and dates, the paragraphs of texts; notes somebody stuck to them."""

    def __init__(self, book: Workbook) -> None:
        super().__init__()
        self._book = book
        self._row = self._column = 0
        self._rows = self._columns = 1
        self._value: str | None = None
        self._paragraphs: list[str] = []
        self._within: list[str] = []

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        name, said = tag.rpartition("}")[2], {key.rpartition("}")[2]: value for key, value in attributes.items()}
        if name == "table" and not self._within:
            self._book.reaches.append(Reach())
            self._row, self._rows = 0, 1
        elif name == "table-row":
            self._row, self._column = self._row + self._rows, 0
            self._rows = int(said.get("number-rows-repeated", "1"))
        elif name in ("table-cell", "covered-table-cell"):
            self._columns = int(said.get("number-columns-repeated", "1"))
            self._value = _value_of(said)
            self._paragraphs.clear()
        elif name in ("annotation", "custom-shape", "frame"):
            self._within.append(name)
        elif name == "p" or name in ("s", "tab", "line-break"):
            self.said.append("\n" if name == "p" else " ")
            self._book.characters += int(said.get("c", "1")) if name == "s" else 0  # counted instead of written

    def end(self, tag: str) -> None:
        name = tag.rpartition("}")[2]
        if name == "p":
            said = self.taken()
            if not self._within:
                self._paragraphs.append(said)
            else:
                self._book.say("comments" if "annotation" in self._within else "text boxes", said)
        elif self._within and name == self._within[-1]:
            self._within.pop()
        elif name in ("table-cell", "covered-table-cell") and not self._within:
            said = self._value if self._value is not None else "\n".join(self._paragraphs)
            if self._value is not None or said.strip():
                self._book.reaches[-1].take(self._row, self._column, self._rows, self._columns)
                self._book.say(CELLS, said, self._rows * self._columns)
            self._column += self._columns


def _value_of(said: Mapping[str, str]) -> str | None:
    """The value of a cell that is no text: what is shown of it is the number as a country writes it."""
    kind = said.get("value-type", "")
    if kind in ("float", "percentage", "currency"):
        return number(said.get("value", ""))
    if kind == "boolean":
        return said.get("boolean-value", "")
    if kind == "date":
        return said.get("date-value", "")[:10]
    return "" if kind == "time" else said.get("string-value")
