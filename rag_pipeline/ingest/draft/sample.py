"""Looking at a feed: some of its rows, read as a load reads them, in bounded memory however large the feed is."""

import tempfile
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, cast

from rag_pipeline.contracts.contract import Server
from rag_pipeline.errors import SourceUnavailable, Unreadable
from rag_pipeline.ingest.connectors.account import Account
from rag_pipeline.ingest.connectors.base import BrokenRow, Connector, Item, Row
from rag_pipeline.ingest.connectors.files import Files
from rag_pipeline.ingest.connectors.places import MIB, Place, place_of
from rag_pipeline.ingest.connectors.table import OtherDelimiter, Table
from rag_pipeline.ingest.rows import as_text
from rag_pipeline.progress import progress
from rag_pipeline.settings import Secrets

ROWS = 2_000
DOCUMENTS = 500
PAGES = 100
FILES = 20
"""Files of one table at most, evenly spread over all."""

LISTED = 10_000
CHARACTERS = 64 * MIB
_BLOCK = 100
"""Rows read from one file before the next one has its turn."""

Stream = Iterator[Row | BrokenRow]


@dataclass
class Sample:
    """What was looked at. `whole`: that is all there is. `names`: columns known from elsewhere than the rows."""

    rows: list[Row] = field(default_factory=list)
    names: tuple[str, ...] = ()
    broken: int = 0
    """Records that could not be read as rows."""
    unreadable: int = 0
    """Files or pages that could not be read."""
    too_large: int = 0
    """Objects that were not fetched for a look, though a load would fetch them."""
    problem: str = ""
    """Why, of the first one of all these."""
    account: Account = Account()
    """What the documents looked at show, and what their texts lack."""
    not_read: dict[str, int] = field(default_factory=dict)
    """Files of kinds that no connector reads, by suffix, and those that came with mails."""
    looked_at: int = 0
    """Files or pages."""
    listed: int = 0
    delimiter: str = ""
    """What parts the columns of CSV files, where it is not what they were read with."""
    whole: bool = False
    characters: int = 0

    @property
    def full(self) -> bool:
        return self.characters >= CHARACTERS

    def take(self, found: Row | BrokenRow) -> None:
        if isinstance(found, BrokenRow) or not _encodable(found):
            self.broken += 1
            self.problem = self.problem or (found.problem if isinstance(found, BrokenRow) else "a row holds what is no text")
            return
        self.rows.append(found)
        self.characters += sum(len(value) for value in found.values() if isinstance(value, str))

    def lose(self, error: Unreadable) -> None:
        if isinstance(error, _TooLarge):
            self.too_large += 1
        else:
            self.unreadable += 1
            if isinstance(error, OtherDelimiter):
                self.delimiter = self.delimiter or error.delimiter
        self.problem = self.problem or str(error)


class _TooLarge(Unreadable):
    """An object that is not fetched for a look."""


def look_at(server: Server, source: str, secrets: Secrets) -> Sample:
    """A bounded sample of a feed. Raises `SourceUnavailable` when it cannot be read."""
    match server.connector:
        case "files":
            return look_at_items(Files(server))
        case "web":
            return _pages(server)
        case "sql":
            return _database(server, source, secrets)
        case "table" if server.path is None:
            return _objects(server)
        case _:
            return _table(server)


def look_at_items(connector: Connector) -> Sample:
    """Documents from all over the listing, not the first ones, which may be of one kind."""
    items = list(islice(connector.items(_never_read), LISTED + 1))
    chosen = _spread(items, DOCUMENTS)
    sample = Sample(listed=len(items), not_read=dict(connector.not_read()))
    connector.expect(chosen)
    with progress("looking at the documents", len(chosen), unit="documents") as advance:
        for item in chosen:
            _read(connector, item, sample)
            advance()
            if sample.full:
                break
    connector.expect([])
    sample.whole = sample.looked_at == len(items)
    return sample


def _pages(server: Server) -> Sample:
    """The first pages: a website is asked for each page it lists, and one after the other."""
    from rag_pipeline.ingest.connectors.web import Web

    connector, sample = Web(server), Sample()
    listing = connector.items(_never_read)
    for item in islice(listing, PAGES):  # it shows its own progress
        _read(connector, item, sample)
        if sample.full:
            break
    with suppress(SourceUnavailable):
        sample.whole = not sample.full and next(listing, None) is None
    sample.listed = sample.looked_at
    return sample


def _read(connector: Connector, item: Item, sample: Sample) -> None:
    sample.looked_at += 1
    try:
        for row in connector.read(item):
            sample.take(row)
        if account := connector.account():
            sample.account = sample.account.plus(account)
            for name, count in account.came_with.items():
                sample.not_read[name] = sample.not_read.get(name, 0) + count
    except Unreadable as error:
        sample.lose(error)


def _database(server: Server, source: str, secrets: Secrets) -> Sample:
    """The first rows. The cursor is left aside: with one, all keys would be listed."""
    from rag_pipeline.ingest.connectors.sql.connector import Sql
    from rag_pipeline.ingest.connectors.sql.errors import NO_TABLE
    from rag_pipeline.ingest.connectors.sql.feed import probe
    from rag_pipeline.ingest.connectors.sql.session import DatabaseFailed, Session

    session = Session(server, secrets.environment, source)
    plain = replace(server, cursor="")
    try:
        names = session.run(lambda connection: tuple(map(str, connection.execute(probe(server)).keys())))
    except DatabaseFailed as error:
        if error.trouble is NO_TABLE:  # a listing that fails for it says which table may be meant
            list(Sql(plain, ("id",), (), secrets.environment, source).items(_never_read))
        raise
    finally:
        session.close()
    connector = Sql(plain, names, (), secrets.environment, source)
    try:
        items = list(connector.items(_never_read))
        connector.expect(items)
        sample = _interleaved([connector.read(item) for item in items], len(items))
    finally:
        connector.close()
    sample.names = names
    return sample


def _table(server: Server) -> Sample:
    connector = Table(server)
    items = list(islice(connector.items(_never_read), LISTED + 1))
    return _interleaved([connector.read(item) for item in _spread(items, FILES)], len(items))


def _objects(server: Server) -> Sample:
    """A table in a bucket, by way of copies of those of its objects that are not too large to be fetched for a look."""
    small = replace(server, limits=replace(server.limits, max_mb=CHARACTERS / MIB))
    folder, _, _ = server.location.rpartition("/")
    place = place_of(small if server.pattern else replace(small, location=folder))
    items = list(islice(Table(server).items(_never_read), LISTED + 1))
    with tempfile.TemporaryDirectory(prefix="rag-draft-") as copies:
        streams = [
            _copied(place, item, replace(server, path=Path(copies, str(number)), pattern=None))
            for number, item in enumerate(_spread(items, FILES))
        ]
        return _interleaved(streams, len(items))


def _copied(place: Place, item: Item, server: Server) -> Stream:
    copy = cast(Path, server.path)
    try:
        copy.write_bytes(place.content(item.key).data)
    except Unreadable as error:
        if not str(error).startswith("larger than"):
            raise
        instead = "draft from a part of it, a local copy of its beginning, and change `servers` afterwards"
        raise _TooLarge(f"{item.key} is larger than what is fetched for a look; {instead}") from error
    connector = Table(server)
    for one in connector.items(_never_read):
        yield from connector.read(one)


def _interleaved(streams: Sequence[Stream], listed: int) -> Sample:
    """Rows of several files in turn, so that all are seen, and all rows of all files where there are few."""
    sample = Sample(listed=listed, looked_at=len(streams))
    waiting = deque(streams)
    with progress("looking at the rows", None, unit="rows") as advance:
        while waiting and not sample.full and (room := ROWS - len(sample.rows) - sample.broken) > 0:
            stream = waiting.popleft()
            wanted, before = min(_BLOCK, room), len(sample.rows) + sample.broken
            try:
                for found in islice(stream, wanted):
                    sample.take(found)
            except Unreadable as error:
                sample.lose(error)
            if (taken := len(sample.rows) + sample.broken - before) == wanted:
                waiting.append(stream)
            advance(taken)
    with suppress(Unreadable):
        sample.whole = listed == len(streams) and not sample.too_large and not any(_goes_on(stream) for stream in waiting)
    for stream in streams:
        cast(Any, stream).close()
    return sample


def _goes_on(stream: Stream) -> bool:
    return next(stream, None) is not None


def _spread(items: Sequence[Item], most: int) -> list[Item]:
    """At most so many of them, evenly from first to last."""
    if len(items) <= most:
        return list(items)
    return [items[place * len(items) // most] for place in range(most)]


def _never_read(_: str) -> str | None:
    return None


def _encodable(row: Row) -> bool:
    """Whether a load would take the row for text: an unpaired surrogate is none."""
    try:
        for name, value in row.items():
            name.encode("utf-8")
            if isinstance(value, str | dict | list):
                str(as_text(value)).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
