"""The server of a table in files."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

from rag_pipeline.connectors.placed import DOCUMENTS, PlacedServer, read_format, read_place
from rag_pipeline.feeds.base import Connector
from rag_pipeline.feeds.entry import Entry
from rag_pipeline.feeds.sample import Sample
from rag_pipeline.feeds.server import ReadContext, holds_no_row


@dataclass(frozen=True, slots=True)
class Dialect:
    """How the fields of a CSV file are parted and quoted; RFC 4180 says comma and double quote."""

    delimiter: str = ","
    quote: str = '"'


@dataclass(frozen=True, slots=True)
class TableServer(PlacedServer):
    """`format`: jsonl, csv or parquet. `dialect`: of CSV files. A pattern of local files is the last part of `path`."""

    many_rows: ClassVar[bool] = True
    items_are: ClassVar[str] = "files"

    format: str = field(kw_only=True)
    dialect: Dialect = Dialect()

    @property
    def judged(self) -> list[Any]:
        """The usual dialect adds nothing, so that contracts without one keep their fingerprint."""
        other = [] if self.dialect == Dialect() else [self.dialect.delimiter, self.dialect.quote]
        return ["table", self.format, "", "", "", *other]

    def connect(self, context: ReadContext) -> Connector:
        from rag_pipeline.connectors.table.connector import Table

        return Table(self)

    def look(self, context: ReadContext) -> Sample:
        from rag_pipeline.connectors.table.sample import look_at_table

        return look_at_table(self)

    def why_empty(self, place: str, sample: Sample) -> str:
        if sample.listed:
            return holds_no_row(place)
        return f"{place}: no file is there"


def read(entry: Entry) -> TableServer:
    form = read_format(entry)
    if form == DOCUMENTS:
        raise entry.fail(f"the connector table does not read {form}", "format")
    place = read_place(entry, form)
    if (path := place["path"]) and (pattern := place["pattern"]):
        place |= {"path": path / pattern, "pattern": None}
    return TableServer(**place, format=form, dialect=_dialect(entry))


_SPELT = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "space": " "}
"""Delimiters that are hard to see or to quote in YAML, by name."""


def _dialect(entry: Entry) -> Dialect:
    """How a CSV file is written, where the contract says another way than RFC 4180."""
    default = Dialect()
    wanted = {"delimiter": default.delimiter, "quoteCharacter": default.quote}
    for name in wanted.keys() & entry.custom.keys():
        value, form = entry.custom[name], entry.fields.get("format")
        if form != "csv":
            raise entry.fail_property(name, f"{name} is for format: csv, and this feed is {form}")
        value = _SPELT.get(value.lower(), value) if isinstance(value, str) else value
        if not isinstance(value, str) or len(value) != 1 or value in "\r\n":
            why = f"{value!r} is not one character; write it as ';', or as one of {', '.join(_SPELT)}"
            raise entry.fail_property(name, why)
        wanted[name] = value
    if wanted["delimiter"] == wanted["quoteCharacter"]:
        raise entry.fail_property("delimiter", "delimiter and quoteCharacter are the same character")
    return Dialect(wanted["delimiter"], wanted["quoteCharacter"])
