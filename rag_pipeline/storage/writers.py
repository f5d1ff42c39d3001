"""One writer on this machine: while the copy and the bucket differ in something, nobody here looks whether they do."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock


class Writers:
    """Locks of files in `folder`, one for each table, each release, and all small files. A thread may come again."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self._folder = folder
        self._locks: dict[str, FileLock] = {}

    @contextmanager
    def alone(self, unit: str) -> Iterator[None]:
        """Hold the lock of a unit (`areas.unit_of`)."""
        with self._lock(unit):
            yield

    @contextmanager
    def alone_unless_writing(self, unit: str, *, wait: bool) -> Iterator[bool]:
        """The same; False where this thread holds it: what is here is not there yet. Raises `Timeout` unless `wait`."""
        lock = self._lock(unit)
        if lock.is_locked:  # by this thread
            yield False
            return
        with lock.acquire(timeout=-1 if wait else 0):
            yield True

    def _lock(self, unit: str) -> FileLock:
        return self._locks.setdefault(unit, FileLock(self._folder / f"{unit.replace('/', '~')}.lock"))
