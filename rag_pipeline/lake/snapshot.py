"""What a table's log says, kept while no file of the log changes: a load asks the same tables twenty times.

Opening a table reads and checks its whole log, which takes some 10 ms, and more with every night. What the log says is
kept; what the data files hold never is.
"""

import os
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import polars as pl

from rag_pipeline.lake.log import LOG
from rag_pipeline.lake.notes import FOLDER

DataFile = tuple[Path, dict[str, str | None], int | None]
"""Where it lies, the values of the columns the table is partitioned by, and how many rows the log says it holds."""

Signature = tuple[tuple[str, int, int, int, int], ...]
"""Every file of the log and of its notes: name, size in bytes, inode, and when it was written and changed, in ns."""

_MOST = 256
"""Tables that are kept at most."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A table as its log has it: nothing of the log is lost."""

    version: int
    schema: pl.Schema
    files: tuple[DataFile, ...]


_kept: OrderedDict[Path, tuple[Signature, Snapshot]] = OrderedDict()
_lock = Lock()


def signature(path: Path) -> Signature:
    """What the log of the table at `path` looks like from outside. Take it before the log is read, so that a commit made
    meanwhile makes the snapshot look old, and never new."""
    found = []
    for folder in (LOG, FOLDER):
        try:
            with os.scandir(path / folder) as entries:
                for one in entries:
                    stat = one.stat(follow_symlinks=False)
                    found.append((f"{folder}/{one.name}", stat.st_size, stat.st_ino, stat.st_mtime_ns, stat.st_ctime_ns))
        except OSError:  # a folder that is not there, or cannot be read: reading the log says so
            continue
    return tuple(sorted(found))


def kept(path: Path, seen: Signature) -> Snapshot | None:
    """The snapshot that was taken when the log looked the same, if there is one."""
    with _lock:
        known = _kept.get(path)
        if known is None or known[0] != seen:
            return None
        _kept.move_to_end(path)
        return known[1]


def keep(path: Path, seen: Signature, snapshot: Snapshot) -> None:
    with _lock:
        _kept[path] = (seen, snapshot)
        _kept.move_to_end(path)
        while len(_kept) > _MOST:
            _kept.popitem(last=False)
