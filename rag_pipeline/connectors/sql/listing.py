"""What a listing of a database's rows found: an item's key, its version, and the values to read its rows by."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from rag_pipeline.connectors.sql.feed import Feed
from rag_pipeline.connectors.sql.values import as_text
from rag_pipeline.feeds.base import join_key

KEYLESS = "rows without a key"


@dataclass
class Listing:
    """Filled row by row. `view` is the session's view in which it was taken."""

    feed: Feed
    view: int
    values: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    """An item's key -> the key columns' values of its first row."""
    versions: dict[str, str] = field(default_factory=dict)
    repeats: dict[str, list[tuple[tuple[Any, ...], str]]] = field(default_factory=dict)
    """An item's key -> values and version of each of its further rows."""
    keyless: list[str] = field(default_factory=list)
    uncertain: int = 0

    @property
    def apart(self) -> bool:
        """Whether rows are listed and read one by one."""
        return bool(self.feed.keys and self.feed.cursor)

    @property
    def keyless_name(self) -> str:
        name = KEYLESS
        while name in self.values:
            name += " "
        return name

    def add(self, values: tuple[Any, ...], cursor: Any) -> None:
        version = uuid4().hex if cursor is None else as_text(cursor)
        self.uncertain += cursor is None
        if any(value is None for value in values):
            self.keyless.append(version)
            return
        key = key_of(values)
        if key in self.values:
            self.repeats.setdefault(key, []).append((values, version))
        else:
            self.values[key], self.versions[key] = values, version

    def values_of(self, key: str) -> list[tuple[Any, ...]]:
        """Values equal as text need not be equal in the database: all of them are asked for."""
        other = {repr(values): values for values, _ in self.repeats.get(key, ())}
        return list(({repr(self.values[key]): self.values[key]} | other).values())


def key_of(values: Sequence[Any]) -> str:
    """The item's key of a row, of its key columns' values."""
    return join_key([as_text(value) for value in values])
