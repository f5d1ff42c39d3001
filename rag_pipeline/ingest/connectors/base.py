"""What every connector is: it lists its items, and reads one item into rows. It never judges a row; contracts do."""

from collections.abc import Callable, Iterator, Sequence
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


Known = Callable[[str], str | None]
"""An item's key -> the version it had when it was last read, None when it never was."""


class Connector(Protocol):
    """A way to reach one kind of feed. Its classes inherit from this one, for `expect`."""

    reads: int
    """Version of what `read` makes of the same bytes; raise it and every item is read again."""

    def items(self, known: Known) -> Iterator[Item]:
        """Everything the source holds now. Raises `SourceUnavailable` when it cannot be known.

        `known` lets it ask whether an item changed instead of fetching it.
        """
        ...

    def expect(self, items: Sequence[Item]) -> None:
        """Told before reading which items will be read, in this order, so that several may be fetched at a time."""
        return

    def read(self, item: Item) -> Iterator[Row | BrokenRow]:
        """The rows of one item.

        Raises `Unreadable` when this item alone is bad, `SourceUnavailable` when none can be read any more.
        """
        ...

    def close(self) -> None:
        """Let go of connections and temporary files, also when reading was broken off."""
        return
