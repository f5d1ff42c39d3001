"""What a kind of source needs to draft its `servers` entry: a place as a person typed it, and what was found there."""

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rag_pipeline.urls import scheme_of

_UP = 2
"""How many folders above the contract's own a path may lead through to be written as a relative one."""


@dataclass(frozen=True, slots=True)
class DatabaseWish:
    """What of a database is wanted: a table (`table` or `schema.table`) or a query, and the column that tells of changes."""

    table: str = ""
    query: str = ""
    cursor: str = ""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a feed is, as typed: a path, a pattern of paths, or URLs. `folder`: where the contract will lie."""

    places: tuple[str, ...]
    folder: Path
    wish: DatabaseWish = DatabaseWish()

    @property
    def schemes(self) -> set[str]:
        """What the places begin with; "" for a path."""
        return set(map(scheme_of, self.places))

    @property
    def place(self) -> str | None:
        """The only place; None where several are named."""
        return self.places[0] if len(self.places) == 1 else None


@dataclass(frozen=True, slots=True)
class Found:
    """A feed at an address. `entry`: the contract's `servers` entry; `name`: what a source may be called after.

    `rows`: what its rows are, in the plural. `cursor`: the column that tells of every change; "" where the feed may have
    one and none was named, None where it has no such thing.
    """

    entry: dict[str, Any]
    name: str
    rows: str
    cursor: str | None = None

    def with_properties(self, properties: Mapping[str, Any]) -> "Found":
        """The same feed, with more custom properties of its server."""
        own = [*self.entry.get("customProperties", []), *custom(properties)]
        return replace(self, entry=self.entry | {"customProperties": own})


def custom(properties: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Custom properties as a contract writes them; without those that are empty."""
    return [{"property": name, "value": value} for name, value in properties.items() if value]


def path_for_contract(path: Path, folder: Path) -> str:
    """A path as a contract in `folder` says it: relative where both belong together, so that they can be moved together.

    That is where at most two steps lead up, and not as far as where everybody's folders lie.
    """
    path, folder = Path(os.path.abspath(path)), Path(os.path.abspath(folder))  # noqa: PTH100  (`absolute` keeps ..)
    common = Path(os.path.commonpath([path, folder]))
    shared = {Path("/"), Path(tempfile.gettempdir()), Path.home(), *Path.home().parents}
    up = len(folder.relative_to(common).parts)
    if common in shared or up > _UP or Path(folder.resolve(), os.path.relpath(path, folder)).resolve() != path.resolve():
        return str(path)
    return os.path.relpath(path, folder)
