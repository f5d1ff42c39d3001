"""States that many tests begin with: built once in each test process, then put back for every test at the same path.

The path stays the same because a home knows where its documents lie: those of a copy somewhere else would be others.
A copied file counts as touched: the next load reads it once more and finds nothing changed in it. A test of which files
are read makes its first refresh itself.
"""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

State = TypeVar("State")


class BuiltOnce:
    """The states of one test process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._results: dict[Path, Any] = {}

    def empty(self, name: str) -> Path:
        """A folder that has this name in every test, without what the test before left in it."""
        root = self._folder / name / "now"
        _remove(root)
        root.mkdir(parents=True)
        return root

    def state(self, root: Path, name: str, build: Callable[[], State]) -> State:
        """Leave `root`, which `empty` gave, as `build` leaves it; give what `build` gives, which no test may change."""
        kept = root.parent / f"kept-{name}"
        if kept not in self._results:
            result = build()
            shutil.copytree(root, kept, symlinks=True)
            self._results[kept] = result
        else:
            _remove(root)
            shutil.copytree(kept, root, symlinks=True)
        return self._results[kept]


def content_of(root: Path) -> str:
    """A name for the files below a folder: another file, or another byte of one, gives another name."""
    found = hashlib.sha256()
    for path in sorted(path for path in root.rglob("*") if path.is_file()):
        found.update(repr((path.relative_to(root).as_posix(), path.read_bytes())).encode())
    return found.hexdigest()[:12]


def _remove(root: Path) -> None:
    """Remove a folder; what cannot be removed (a test took its rights away) is set aside."""
    shutil.rmtree(root, ignore_errors=True)
    if root.exists():
        root.rename(root.with_name(f"left-{len(list(root.parent.iterdir()))}"))
