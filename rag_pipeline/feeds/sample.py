"""A look at a feed: some of its rows, read as a load reads them, in bounded memory however large the feed is.

Each kind of source looks in its own way (`Server.look`), with what is here.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, cast

from rag_pipeline.errors import Unreadable
from rag_pipeline.extraction.account import Account
from rag_pipeline.feeds.base import BrokenRow, Connector, Item, ReadOtherwise, Row, as_text
from rag_pipeline.progress import progress

ROWS = 2_000
DOCUMENTS = 500
LISTED = 10_000
CHARACTERS = 64 * 1024 * 1024
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
    properties: dict[str, Any] = field(default_factory=dict)
    """Custom properties of the server with which what could not be read can be."""
    headed: bool = False
    """Whether the names of the columns are the first line of a file, which may be missing."""
    complete: bool = False
    """Whether every row has every column the feed has."""
    whole: bool = False
    characters: int = 0

    @property
    def full(self) -> bool:
        return self.characters >= CHARACTERS

    def take(self, found: Row | BrokenRow) -> None:
        if isinstance(found, BrokenRow) or not _encodable(found):
            self.broken += 1
            self.problem = self.problem or (
                found.problem if isinstance(found, BrokenRow) else "a row holds something that is not text"
            )
            return
        self.rows.append(found)
        self.characters += sum(len(value) for value in found.values() if isinstance(value, str))

    def lose(self, error: Unreadable) -> None:
        if isinstance(error, TooLarge):
            self.too_large += 1
        else:
            self.unreadable += 1
            if isinstance(error, ReadOtherwise):
                self.properties = self.properties or dict(error.properties)
        self.problem = self.problem or str(error)


class TooLarge(Unreadable):
    """An object that is not fetched for a look."""


def look_at_items(connector: Connector) -> Sample:
    """Documents from all over the listing, not the first ones, which may be of one kind."""
    items = list(islice(connector.items(never_read), LISTED + 1))
    chosen = spread(items, DOCUMENTS)
    sample = Sample(listed=len(items), not_read=dict(connector.not_read()))
    connector.expect(chosen)
    with progress("looking at the documents", len(chosen), unit="documents") as advance:
        for item in chosen:
            read_into(sample, connector, item)
            advance()
            if sample.full:
                break
    connector.expect([])
    sample.whole = sample.looked_at == len(items)
    return sample


def read_into(sample: Sample, connector: Connector, item: Item) -> None:
    """One item's rows, and what its text lacks."""
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


def rows_in_turn(streams: Sequence[Stream], listed: int) -> Sample:
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


def spread(items: Sequence[Item], most: int) -> list[Item]:
    """At most `most` of the items, evenly from first to last."""
    if len(items) <= most:
        return list(items)
    return [items[place * len(items) // most] for place in range(most)]


def never_read(_: str) -> str | None:
    """What is known of the version of an item: none was ever read."""
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
