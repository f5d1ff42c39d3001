"""What every connector is: it lists its items, and reads one item into rows. It never judges a row; contracts do that."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol

from rag_pipeline.errors import Unreadable
from rag_pipeline.extraction.account import Account

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


@dataclass(frozen=True, slots=True)
class Remark:
    """What is to be told of several items at once, that are listed or left out: how many, why, and one as an example.

    `unreachable`: they could not be asked for now, and are listed as they were last read.
    """

    says: str
    count: int
    example: str
    unreachable: bool = False


class ReadOtherwise(Unreadable):
    """An item that can be read where the contract's server has some other custom properties: `properties`."""

    def __init__(self, message: str, properties: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.properties = properties


Known = Callable[[str], str | None]
"""An item's key -> the version it had when it was last read, None when it never was."""


class Connector(Protocol):
    """A way to reach one kind of feed. Its classes inherit from this one, for `expect`.

    What it logs, and the texts of what it raises, hold no name a feed gives (a path, an address): such names may be private,
    and only the loader knows how its contract lets them be shown. They are handed on by `remarks` and by `Named`.
    """

    reads: int
    """Version of what `read` makes of the same bytes; raise it and every item is read again."""

    def items(self, known: Known) -> Iterator[Item]:
        """Everything the source holds now. Raises `SourceUnavailable` when it cannot be known.

        `known` lets it ask whether an item changed instead of fetching it.
        """
        ...

    def remarks(self) -> Sequence[Remark]:
        """What there is to tell of the last listing, once it came to its end."""
        return ()

    def expect(self, items: Sequence[Item]) -> None:
        """Hears before reading which items will be read, in this order, so that it may fetch several at a time."""
        return

    def read(self, item: Item) -> Iterator[Row | BrokenRow]:
        """The rows of one item.

        Raises `Unreadable` when this item alone is bad, `SourceUnavailable` when none can be read any more.
        """
        ...

    def not_read(self) -> Mapping[str, int]:
        """Files of the last listing that no connector reads, by suffix, once the listing came to its end."""
        return {}

    def account(self) -> Account | None:
        """What of the item that was read last its rows do not hold; None where its kind is taken as it is."""
        return None

    def close(self) -> None:
        """Let go of connections and temporary files, also when reading was broken off."""
        return


def as_text(value: Any) -> str | None:
    """A value of a row as text, before its contract was applied."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, date):  # datetime too
        return value.isoformat()
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def join_key(values: Sequence[str]) -> str:
    """The values of the key columns as one text; two rows have the same only if all their values are the same.

    A single value is itself. Several are joined with `/`, and a `/` (or `%`) inside one of them is written `%2F` (`%25`).
    """
    if len(values) == 1:
        return values[0]
    return "/".join(value.replace("%", "%25").replace("/", "%2F") for value in values)
