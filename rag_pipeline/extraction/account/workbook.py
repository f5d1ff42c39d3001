"""What a workbook shows, and how far its sheets reach: XLSX, read cell by cell, and independent of the parser.

Sources of the format: ECMA-376, part 1, sections 18.3 (sheets), 18.4 (shared strings), 18.8 (styles), 18.17.4 (dates).
"""

import io
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from defusedxml.ElementTree import DefusedXMLParser  # type: ignore[import-untyped]

from rag_pipeline.extraction.account import HEADERS
from rag_pipeline.extraction.account.parts import Form, PartTarget

CELLS, CHARTS = "cells", "charts"

_BESIDE = Form(
    parts=(
        (r"xl/comments\d*\.xml|xl/comments/comment\d*\.xml", "comments"),
        (r"xl/drawings/drawing\d+\.xml", "text boxes"),
        (r"xl/charts/chart\d*\.xml", CHARTS),
    ),
    texts=frozenset({"t", "v"}),
    breaks=frozenset({"p", "comment", "v"}),
    unseen=frozenset({"rPh"}),
)
_FROM_1904 = re.compile(rb"""\bdate1904\s*=\s*["'](?:1|true)["']""")
_SHEET = re.compile(r"xl/worksheets/[^/]+\.xml")
_DATE_FORMATS = frozenset([*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)])
_LITERAL = re.compile(r'"[^"]*"|\\.|\[[^\]]*\]')
_HEAD_CODE = re.compile(r'&(?:[A-JL-Z]|K[0-9A-F]{6}|"[^"]*"|\d+)')
_DAY_ZERO, _DAYS_TO_1904 = datetime(1899, 12, 30), 1462
_FIRST_SURE_DAY, _LAST_DAY = 61, 2_958_466
"""Earlier days include a 29 February 1900, which never was; and 9999 is the last year."""
_REFERENCE = re.compile(r"([A-Z]{1,3})(\d{1,7})$")


@dataclass
class Reach:
    """The rectangle of one sheet that holds its filled cells."""

    rows: int = 0
    columns: int = 0
    first: tuple[int, int] | None = None
    last: tuple[int, int] = (0, 0)

    def take(self, row: int, column: int, rows: int = 1, columns: int = 1) -> None:
        first = self.first or (row, column)
        self.first = (min(first[0], row), min(first[1], column))
        self.last = (max(self.last[0], row + rows - 1), max(self.last[1], column + columns - 1))
        self.rows, self.columns = self.last[0] - self.first[0] + 1, self.last[1] - self.first[1] + 1

    @property
    def cells(self) -> int:
        return self.rows * self.columns


@dataclass
class Workbook:
    """Texts by kind, the cells first; and how far each sheet reaches."""

    shown: dict[str, list[str]] = field(default_factory=lambda: {CELLS: []})
    reaches: list[Reach] = field(default_factory=list)
    characters: int = 0
    """The characters of all cells: a text that many of them share counts for each."""
    from_1904: bool = False
    """Whether its days are counted from 1904."""

    def say(self, kind: str, text: str, times: int = 1) -> None:
        self.shown.setdefault(kind, []).append(text)
        self.characters += len(text) * times


def look_at_xlsx(content: bytes) -> Workbook:
    """Raises what `zipfile`, the XML parser and defusedxml raise where the file is none, or no sound one."""
    book = Workbook()
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        names = packed.namelist()
        if "xl/workbook.xml" in names:
            book.from_1904 = bool(_FROM_1904.search(packed.read("xl/workbook.xml")))
        strings = _Strings()
        if "xl/sharedStrings.xml" in names:
            take_in(packed.read("xl/sharedStrings.xml"), strings)
        styles = _Styles()
        if "xl/styles.xml" in names:
            take_in(packed.read("xl/styles.xml"), styles)
        for name in names:
            if _SHEET.fullmatch(name):
                book.reaches.append(Reach())
                take_in(packed.read(name), _Sheet(book, strings.found, styles.dates))
            elif kind := _BESIDE.kind_of(name):
                take_in(packed.read(name), PartTarget(_BESIDE, kind, book.shown))
    return book


def take_in(part: bytes, target: Any) -> None:
    parser = DefusedXMLParser(target=target)
    parser.feed(part)
    parser.close()


class CellTarget:
    """The texts of an XML part, element by element."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def data(self, data: str) -> None:
        self.said.append(data)

    def close(self) -> None:
        return

    def taken(self) -> str:
        said = "".join(self.said)
        self.said.clear()
        return said


class _Strings(CellTarget):
    """The texts that cells share, by number; without the pronunciation of Japanese ones."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._parts: list[str] = []
        self._phonetic = False

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        self._phonetic = self._phonetic or tag.endswith("}rPh")
        self.said.clear()

    def end(self, tag: str) -> None:
        name = tag.rpartition("}")[2]
        if name == "t" and not self._phonetic:
            self._parts.append(self.taken())
        elif name == "rPh":
            self._phonetic = False
        elif name == "si":
            self.found.append("".join(self._parts))
            self._parts.clear()


class _Styles(CellTarget):
    """The styles of cells that show a number as a date, by their number."""

    def __init__(self) -> None:
        super().__init__()
        self.dates: set[int] = set()
        self._formats: set[int] = set(_DATE_FORMATS)
        self._cells, self._style = False, 0

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        name = tag.rpartition("}")[2]
        if name == "numFmt" and re.search("[ymdhs]", _LITERAL.sub("", attributes.get("formatCode", "")), re.IGNORECASE):
            self._formats.add(int(attributes.get("numFmtId", "-1")))
        elif name == "cellXfs":
            self._cells = True
        elif name == "xf" and self._cells:
            if int(attributes.get("numFmtId", "0")) in self._formats:
                self.dates.add(self._style)
            self._style += 1

    def end(self, tag: str) -> None:
        self._cells = self._cells and not tag.endswith("}cellXfs")


class _Sheet(CellTarget):
    """The values of one sheet's cells, its headers and footers, and how far it reaches."""

    def __init__(self, book: Workbook, strings: list[str], dates: set[int]) -> None:
        super().__init__()
        self._book, self._strings, self._dates, self._reach = book, strings, dates, book.reaches[-1]
        self._row = self._column = 0
        self._type, self._style, self._phonetic, self._inline = "n", 0, False, list[str]()

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        name = tag.rpartition("}")[2]
        self.said.clear()
        if name == "row":
            self._row, self._column = int(attributes.get("r", self._row + 1)), 0
        elif name == "c":
            self._row, self._column = _place(attributes.get("r", "")) or (self._row, self._column + 1)
            self._type, self._style = attributes.get("t", "n"), int(attributes.get("s", "0"))
            self._inline.clear()
        self._phonetic = self._phonetic or name == "rPh"

    def end(self, tag: str) -> None:
        name = tag.rpartition("}")[2]
        if name == "v" and (value := self.taken()):
            self._take(self._value(value))
        elif name == "t" and not self._phonetic:
            self._inline.append(self.taken())
        elif name == "is":
            self._take("".join(self._inline))
        elif name == "rPh":
            self._phonetic = False
        elif name in ("oddHeader", "oddFooter", "evenHeader", "evenFooter", "firstHeader", "firstFooter"):
            self._book.say(HEADERS, _HEAD_CODE.sub(" ", self.taken()))

    def _take(self, value: str) -> None:
        self._reach.take(self._row, self._column)
        self._book.say(CELLS, value)

    def _value(self, value: str) -> str:
        if self._type == "s":
            return self._strings[int(value)]
        if self._type in ("str", "inlineStr"):
            return value
        if self._type == "e":
            return ""  # an error of a formula says nothing, and each reader words it otherwise
        if self._type == "b":
            return "true" if value.strip() == "1" else "false"
        if self._type == "d":
            return value
        return self._date(value) if self._style in self._dates else number(value)

    def _date(self, value: str) -> str:
        """The day a number stands for; nothing for a time of day or a span, whose day means nothing."""
        days = float(value) + (_DAYS_TO_1904 if self._book.from_1904 else 0)
        return f"{_DAY_ZERO + timedelta(days=days):%Y-%m-%d}" if _FIRST_SURE_DAY <= days < _LAST_DAY else ""


def number(value: str) -> str:
    """A number as its shortest form, which is how kreuzberg writes it."""
    try:
        found = float(value)
    except ValueError:
        return value
    text = repr(found)
    if "e" in text or "inf" in text or "nan" in text:
        return ""
    return text.removesuffix(".0")


def _place(reference: str) -> tuple[int, int] | None:
    found = _REFERENCE.match(reference)
    if not found:
        return None
    column = 0
    for letter in found[1]:
        column = column * 26 + ord(letter) - 64
    return int(found[2]), column
