"""What this machine knows of its copy: which version of an object each file was, and what the file looked like then.

A file that looks otherwise was changed here by somebody else, or a process died before it was noted: it is not believed.
"""

import sqlite3
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_WAIT_S = 60

_ALL = "SELECT key, version, size, written, inode FROM files"
_BELOW = f"{_ALL} WHERE key = ? OR (key > ? AND key < ?)"


@dataclass(frozen=True, slots=True)
class Row:
    """`looks`: size, time of the last write in ns, and inode."""

    version: str
    looks: tuple[int, int, int]


class KnownFiles:
    """Kept in an SQLite file, for all processes of this machine. Any thread may ask."""

    def __init__(self, path: Path) -> None:
        self._mutex = threading.Lock()
        self._file = sqlite3.connect(path, timeout=_WAIT_S, isolation_level=None, check_same_thread=False)
        self._file.execute("PRAGMA journal_mode = WAL")
        self._file.execute("PRAGMA synchronous = OFF")  # a row that is lost is a file that is fetched once more
        self._file.execute(
            "CREATE TABLE IF NOT EXISTS files (key TEXT PRIMARY KEY, version TEXT, size INT, written INT, inode INT)"
        )

    def get(self, key: str) -> Row | None:
        with self._mutex:
            found = self._file.execute("SELECT version, size, written, inode FROM files WHERE key = ?", (key,)).fetchone()
        return Row(found[0], (found[1], found[2], found[3])) if found else None

    def below(self, prefix: str) -> dict[str, Row]:
        """Every row of a prefix, which is empty, a key or a folder."""
        with self._mutex:
            inside = (prefix, f"{prefix}/", f"{prefix}0")  # 0 comes after the slash
            rows = self._file.execute(*((_BELOW, inside) if prefix else (_ALL, ()))).fetchall()
        return {key: Row(version, (size, written, inode)) for key, version, size, written, inode in rows}

    def note(self, key: str, version: str, file: Path) -> None:
        with self._mutex:
            self._file.execute("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?)", (key, version, *looks_of(file)))

    def forget(self, keys: Iterable[str]) -> None:
        with self._mutex:
            self._file.executemany("DELETE FROM files WHERE key = ?", [(key,) for key in keys])


def looks_of(file: Path) -> tuple[int, int, int]:
    stat = file.stat()
    return stat.st_size, stat.st_mtime_ns, stat.st_ino


def looks_so(file: Path, row: Row | None) -> bool:
    """Whether a file is still what was noted."""
    try:
        return row is not None and looks_of(file) == row.looks
    except OSError:
        return False
