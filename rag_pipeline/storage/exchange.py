"""Files that any machine makes and one takes: each goes to the bucket once, and lies nowhere but there until it is taken."""

import os
import secrets
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from rag_pipeline.storage.locks import Locks
from rag_pipeline.storage.objects import Objects

_AT_ONCE = 4
"""Transfers under way at a time."""


class BucketExchange:
    """The objects below one prefix. `locks`: asked before anything is removed."""

    def __init__(self, objects: Objects, locks: Locks, prefix: str) -> None:
        self._objects, self._locks, self._prefix = objects, locks, prefix

    def send(self, path: Path) -> None:
        """Made where there is none: a file that a killed process sent and did not remove is sent again to no effect.

        Raises `Overtaken` when another file has its name; it stays here then.
        """
        self._objects.create(f"{self._prefix}/{path.name}", path)
        path.unlink(missing_ok=True)  # of two processes that send what a third one left, the other may have been first

    def waiting(self) -> dict[str, float]:
        below = f"{self._prefix}/"
        found = {one.key.removeprefix(below): one.modified_at.timestamp() for one in self._objects.list(self._prefix)}
        return {name: at for name, at in sorted(found.items()) if "/" not in name}

    def bring(self, names: Iterable[str], into: Path) -> None:
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="fetch") as threads:
            list(threads.map(lambda name: self._fetched(name, into), names))

    def remove(self, names: Iterable[str]) -> None:
        self._locks.check()
        self._objects.remove([f"{self._prefix}/{name}" for name in names])

    def _fetched(self, name: str, into: Path) -> None:
        temporary = into / f".{name}.{secrets.token_hex(8)}"
        try:
            told, _ = self._objects.download(f"{self._prefix}/{name}", temporary)
            written = told.modified_at.timestamp()
            os.utime(temporary, (written, written))
            temporary.replace(into / name)
        except FileNotFoundError:
            pass
        finally:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
