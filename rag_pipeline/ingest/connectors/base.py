"""What every connector is: it lists its items, and reads one item into rows. It never judges a row; contracts do."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

Row = dict[str, Any]
"""One record of a source: field name -> value, as found, before its contract was applied."""


@dataclass(frozen=True, slots=True)
class BrokenRow:
    """A record that could not be read as a row: kept, so that nothing of the feed is lost.

    `problem` is shown to people and holds no value; `raw` is the record as found, as far as it is text.
    """

    problem: str
    raw: str
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """One thing a source lists and can read apart from the others: a file, a module, a topic.

    `key` is stable from night to night; `version` changes whenever the content may have changed
    (etag, size and time of change, or a hash), so that an unchanged item is not read again.
    """

    key: str
    version: str


class Connector(Protocol):
    """A way to reach one kind of feed."""

    reads: int
    """Version of what `read` makes of the same bytes; raise it and every item is read again."""

    def items(self) -> Iterator[Item]:
        """Everything the source holds now. Raises `SourceUnavailable` when it cannot be known."""
        ...

    def read(self, item: Item) -> Iterator[Row | BrokenRow]:
        """The rows of one item. Raises `Unreadable` when this item alone is bad."""
        ...
