"""A table or a query of a database, row by row: what SQLAlchemy reaches; PostgreSQL and MySQL with one consistent view.

With a cursor column every row is an item whose version is the cursor's value, compared row by row with what was seen
last. So a row that was committed late with an old value is found too, and a row that is gone is a delete. It never writes.
"""

import difflib
import logging
import weakref
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, Select, inspect
from sqlalchemy.engine import CursorResult

from rag_pipeline.connectors.sql.errors import NO_TABLE, VALUE
from rag_pipeline.connectors.sql.feed import Feed, describe, probe
from rag_pipeline.connectors.sql.listing import Listing, key_of
from rag_pipeline.connectors.sql.server import SqlServer
from rag_pipeline.connectors.sql.session import DatabaseFailed, Session
from rag_pipeline.connectors.sql.values import as_row, characters
from rag_pipeline.errors import SourceUnavailable, Unreadable
from rag_pipeline.feeds.base import BrokenRow, Connector, Item, Known, Row
from rag_pipeline.files import fingerprint_lines

log = logging.getLogger("rag_pipeline")

ALL = "all rows"

_STREAMED_ROWS = 1_000
_STREAMED = {"yield_per": _STREAMED_ROWS}
_FIRST_BATCH, _BATCH = 100, 500
"""Rows fetched with one query: the first, when nothing is known of their size, and at most."""

_BATCH_CHARACTERS = 16_000_000
_BATCH_VALUES = 2_000
"""Bound with one query at most; SQL Server takes 2,100."""


class Sql(Connector):
    """The rows of a `table` or `query`.

    Rows that share a key are one item, and so are those without one (`rows without a key`). A row whose cursor is NULL
    has no version to trust and is read every time. Without a cursor the whole feed is one item, `all rows`, read every
    time. A row that is gone when it is to be read yields nothing; one that is there and cannot be found by its key
    (a rounded number does not equal itself) is unreadable.
    """

    reads = 1

    def __init__(
        self, server: SqlServer, columns: Sequence[str], keys: Sequence[str], environment: Mapping[str, str], source: str
    ) -> None:
        """`columns` and `keys` as the feed calls them; `environment` holds RAG_<SOURCE>_USER, _PASSWORD or _URL.

        Raises `SourceUnavailable` when the driver is missing or the URL is none.
        """
        self._server, self._columns, self._keys, self._source = server, tuple(columns), tuple(keys), source
        self._session = Session(server, environment, source)
        weakref.finalize(self, self._session.close)
        self._listing: Listing | None = None
        self._expected: deque[str] = deque()
        self._unread = 0
        self._fetched: dict[str, list[Row | BrokenRow] | str] = {}
        self._size = _FIRST_BATCH

    def items(self, known: Known) -> Iterator[Item]:
        self.close()
        self._listing = listing = self._list()
        if not listing.apart:
            yield Item(ALL, uuid4().hex)
            return
        for key, version in listing.versions.items():
            repeats = listing.repeats.get(key)
            yield Item(key, fingerprint_lines(sorted([version, *(other for _, other in repeats)])) if repeats else version)
        if listing.keyless:
            yield Item(listing.keyless_name, fingerprint_lines(sorted(listing.keyless)))

    def expect(self, items: Sequence[Item]) -> None:
        """Rows are fetched some hundred at a time, in this order; after the last one is read the connection is closed."""
        listing = self._known()
        self._fetched.clear()
        self._expected = deque(item.key for item in items if item.key in listing.values)
        self._unread = len(items)

    def _known(self) -> Listing:
        if self._listing is None:
            raise RuntimeError("rows were asked for before they were listed")
        return self._listing

    def read(self, item: Item) -> Iterator[Row | BrokenRow]:
        listing = self._known()
        try:
            if item.key in listing.values:
                yield from self._rows(listing, item.key)
            elif not listing.apart:
                yield from self._stream(listing.feed.rows(), listing.feed)
            else:
                yield from self._rows_without_a_key(listing)
        finally:
            self._unread -= 1
            if self._unread == 0:
                self.close()

    def close(self) -> None:
        """Give the connection back. It is also given back after the last expected item, and with this object."""
        self._session.close()
        self._fetched.clear()
        self._expected.clear()
        self._unread = 0

    def _list(self) -> Listing:
        try:
            return self._session.run(self._listed)
        except DatabaseFailed as error:
            failed = error
        if failed.trouble is NO_TABLE and self._server.table and (close := self._close_table()):
            raise SourceUnavailable(f"{failed}; did you mean {close!r}?")
        raise failed

    def _listed(self, connection: Connection) -> Listing:
        found = list(connection.execute(probe(self._server)).keys())
        feed = describe(self._server, self._columns, self._keys, found, self._session.where)
        listing = Listing(feed, self._session.views)
        if listing.apart:
            result = connection.execute(feed.listing(), execution_options=_STREAMED)
            for *values, cursor in result:
                listing.add(tuple(values), cursor)
            if listing.uncertain:
                told = "%s: %d rows have no %s and are read every time"
                log.info(told, self._source, listing.uncertain, feed.cursor)
        return listing

    def _close_table(self) -> str | None:
        schema, _, name = self._server.table.rpartition(".")
        try:
            names = self._session.run(lambda connection: _tables(connection, schema or None), tries=1)
        except DatabaseFailed:
            return None
        finally:
            self._session.close()
        return next(iter(difflib.get_close_matches(name, names, n=1)), None)

    def _rows(self, listing: Listing, key: str) -> list[Row | BrokenRow]:
        if key not in self._fetched:
            keys = [key]
            if self._expected and self._expected[0] == key:
                self._fetched.clear()
                keys = [self._expected.popleft() for _ in range(min(self._size, len(self._expected)))]
            self._fetch(listing, keys)
        found = self._fetched.pop(key)
        if isinstance(found, str):
            raise Unreadable(found)
        return found

    def _fetch(self, listing: Listing, keys: Sequence[str]) -> None:
        """The rows of some items with one query; with more, where a value cannot be read, to find the row it is in."""
        wanted = [values for key in keys for values in listing.values_of(key)]
        feed, width = listing.feed, len(listing.feed.keys)
        failed: DatabaseFailed | None = None
        try:
            rows = self._session.run(lambda connection: connection.execute(feed.some(wanted)).all(), goes_on=True)
        except DatabaseFailed as error:
            if error.trouble is not VALUE:
                raise
            failed = error
        if failed is not None:
            if len(keys) == 1:
                self._fetched[keys[0]] = str(failed)
                return
            self._fetch(listing, keys[: len(keys) // 2])
            self._fetch(listing, keys[len(keys) // 2 :])
            return
        found: dict[str, list[Row | BrokenRow]] = {}
        room = 0
        for row in rows:
            found.setdefault(key_of(row[:width]), []).append(_row_of(feed, row))
            room += characters(row)
        lost: list[Row | BrokenRow] | str = (
            _NOT_FOUND if self._session.one_view and self._session.views == listing.view else []
        )
        self._fetched |= {key: found.get(key, lost) for key in keys}
        fitting = len(keys) * _BATCH_CHARACTERS // max(1, room)
        self._size = max(1, min(fitting, _BATCH, _BATCH_VALUES // width))

    def _stream(self, statement: Select[Any], feed: Feed) -> Iterator[Row | BrokenRow]:
        """Rows as they come. Only the beginning is tried again: what was handed on cannot be taken back."""

        def begin(connection: Connection) -> tuple[CursorResult[Any], Sequence[Any]]:
            result = connection.execute(statement, execution_options=_STREAMED)
            return result, result.fetchmany(_STREAMED_ROWS)

        result, rows = self._session.run(begin)
        while rows:
            yield from (_row_of(feed, row) for row in rows)
            rows = self._session.run(lambda _: result.fetchmany(_STREAMED_ROWS), tries=1)

    def _rows_without_a_key(self, listing: Listing) -> Iterator[Row | BrokenRow]:
        failed: DatabaseFailed | None = None
        try:
            yield from self._stream(listing.feed.keyless(), listing.feed)
        except DatabaseFailed as error:
            if error.trouble is not VALUE:
                raise
            failed = error
        if failed is not None:
            raise Unreadable(str(failed))


_NOT_FOUND = "was listed, but is not found by its key: a key column holds numbers that are rounded; cast it in a query"


def _row_of(feed: Feed, values: Sequence[Any]) -> Row | BrokenRow:
    found = dict(zip(feed.read, values, strict=True))
    return as_row({name: found[name] for name in feed.columns})


def _tables(connection: Connection, schema: str | None) -> list[str]:
    known = inspect(connection)
    return [*known.get_table_names(schema), *known.get_view_names(schema)]
