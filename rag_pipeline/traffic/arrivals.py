"""Where segments lie until a table holds them: in a folder that replicas and whoever ingests share, or in the bucket.

With a home in a bucket a replica has its segments on its own disk until they are there, and nobody else reads them here.
"""

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Protocol

from rag_pipeline.files import private_folder
from rag_pipeline.home import Home
from rag_pipeline.mirrored import Exchange, exchange
from rag_pipeline.ours import SEGMENT, found
from rag_pipeline.traffic.rows import Kind
from rag_pipeline.traffic.segments import damaged, drop, halves, is_damaged, is_of, set_aside, waiting, whole

_INCOMING = "traffic-incoming"
"""Below the scratch folder. No source can have this name."""


class Arrivals(Protocol):
    """The segments of all replicas of a home, by their names, for the one process that ingests."""

    def waiting(self, kind: Kind) -> dict[str, float]:
        """Name -> when it was written, in seconds since 1970; oldest first within each replica."""
        ...

    def here(self, names: Iterable[str]) -> list[Path]:
        """Files of some of them."""
        ...

    def set_aside(self, path: Path) -> None:
        """A damaged one goes out of the way, and stays."""
        ...

    def drop(self, names: Iterable[str]) -> None:
        """Remove those that a table holds."""
        ...

    def damaged(self) -> list[str]:
        """Names of those that were set aside, ever."""
        ...


def arrivals_of(home: Home, half: datetime) -> Arrivals:
    """What waits. What killed replicas left half written before `half` is removed."""
    drop(halves(home.traffic, half))
    there = exchange(home.traffic)
    return _InFolder(home) if there is None else _InBucket(home, there)


class _InFolder:
    def __init__(self, home: Home) -> None:
        self._home = home

    def waiting(self, kind: Kind) -> dict[str, float]:
        return {path.name: path.stat().st_mtime for path in waiting(self._home, kind)}

    def here(self, names: Iterable[str]) -> list[Path]:
        return [self._home.traffic / name for name in names]

    def set_aside(self, path: Path) -> None:
        set_aside(path)

    def drop(self, names: Iterable[str]) -> None:
        drop(self._home.traffic / name for name in names)

    def damaged(self) -> list[str]:
        return [path.name for path in damaged(self._home)]


class _InBucket:
    """What this machine's own replicas have not sent yet is sent first, so that all come one way."""

    def __init__(self, home: Home, there: Exchange) -> None:
        self._there = there
        self._incoming = private_folder(private_folder(home.scratch) / _INCOMING)
        drop(found(self._incoming, SEGMENT))  # of an ingest that was killed
        for path in whole(home.traffic):
            there.send(path)

    def waiting(self, kind: Kind) -> dict[str, float]:
        return {name: at for name, at in self._there.waiting().items() if is_of(name, kind)}

    def here(self, names: Iterable[str]) -> list[Path]:
        wanted = list(names)
        self._there.bring(wanted, self._incoming)
        return [path for name in wanted if (path := self._incoming / name).exists()]

    def set_aside(self, path: Path) -> None:
        self._there.send(set_aside(path))
        self._there.remove([path.name])

    def drop(self, names: Iterable[str]) -> None:
        done = list(names)
        self._there.remove(done)
        drop(self._incoming / name for name in done)

    def damaged(self) -> list[str]:
        return [name for name in self._there.waiting() if is_damaged(name)]
