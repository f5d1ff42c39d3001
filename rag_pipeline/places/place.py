"""Where files are: a local folder, or what is below a prefix of a bucket (`bucket.py`). Readers see no difference."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Protocol

from rag_pipeline.errors import SourceUnavailable, Unreadable
from rag_pipeline.places.walk import walk

MIB = 1024 * 1024

Wanted = Callable[[PurePosixPath], bool]
"""Whether a file of this name, relative to its place, is of interest."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One file as listed. `key` is its path below the place; `version` changes whenever its content may have."""

    key: str
    version: str


@dataclass(frozen=True, slots=True)
class Content:
    """One file as read."""

    data: bytes
    modified_at: datetime


class Place(Protocol):
    """What a connector may ask of wherever its files lie."""

    def entries(self, pattern: str, wanted: Wanted) -> Iterator[Entry]:
        """The files a pattern such as `**/*.md` matches. Raises `SourceUnavailable` when they cannot be known."""
        ...

    def entry(self, key: str) -> Entry:
        """One file by its name. Raises `SourceUnavailable` when it is not there."""
        ...

    def expect(self, keys: Sequence[str]) -> None:
        """Hears whose content will be asked for, in this order."""
        ...

    def content(self, key: str) -> Content:
        """A whole file, if it is no larger than the contract allows.

        Raises `Unreadable` when this one cannot be had or is too large, `SourceUnavailable` when none can be had.
        """
        ...

    def file(self, key: str) -> AbstractContextManager[Path]:
        """A file of any size: where it lies, or a copy for as long as the block runs. Raises as `content` does."""
        ...

    def uri(self, key: str) -> str:
        """Where a file is, for whoever is shown its text."""
        ...


def has_wildcard(name: str) -> bool:
    return any(character in name for character in "*?[")


def too_large(size_bytes: int, max_bytes: int) -> Unreadable:
    return Unreadable(f"larger than {max_bytes / MIB:g} MiB ({size_bytes:,} bytes); split it, or raise maxMegabytes")


class Folder:
    """A local folder. `confined`: what lies outside, or a link leads to there, is listed and never read."""

    def __init__(self, path: Path, max_bytes: int, *, confined: bool) -> None:
        self._path, self._max_bytes, self._confined = path, max_bytes, confined
        self._paths: dict[str, Path] = {}
        self._problems: dict[str, str] = {}

    def entries(self, pattern: str, wanted: Wanted) -> Iterator[Entry]:
        if self._confined:
            self._check()
        root = self._path.resolve() if self._confined else None
        for path, problem in walk(self._path, pattern, root):
            if problem:  # a folder nobody may go into: the files that were below it must not vanish without a word
                yield self._entry_of_none(path, problem)
            elif not wanted(PurePosixPath(path.relative_to(self._path))):
                continue
            elif trouble := _problem(path, root):
                yield self._entry_of_none(path, trouble)
            else:
                yield self._entry(path)

    def entry(self, key: str) -> Entry:
        path = self._path / key
        if not path.is_file():
            raise SourceUnavailable(f"{path}: no such file; check `path` in the contract")
        return self._entry(path)

    def expect(self, keys: Sequence[str]) -> None:
        """Nothing to do: the system reads ahead."""

    def content(self, key: str) -> Content:
        path = self._sound(key)
        try:
            stat = path.stat()
            if stat.st_size > self._max_bytes:
                raise too_large(stat.st_size, self._max_bytes)
            return Content(path.read_bytes(), datetime.fromtimestamp(stat.st_mtime, UTC))
        except OSError as error:
            raise Unreadable(f"cannot be read: {error.strerror}") from error

    @contextmanager
    def file(self, key: str) -> Iterator[Path]:
        yield self._sound(key)

    def uri(self, key: str) -> str:
        return self._of(key).absolute().as_uri()

    def _check(self) -> None:
        if not self._path.is_dir():
            raise SourceUnavailable(f"{self._path} is not a folder that can be read; check `path` in the contract")
        if not os.access(self._path, os.R_OK | os.X_OK):
            raise SourceUnavailable(f"{self._path}: permission denied; let this user read it")

    def _entry(self, path: Path) -> Entry:
        """Its version is all that the system tells for free about a change.

        Size and time of change alone can stay as they were while the content changes (rsync -t, tar with a fixed time,
        reproducible builds); nobody can set back the time at which the inode changed.
        """
        stat = path.stat()
        return Entry(self._key(path), f"{stat.st_size}:{stat.st_mtime_ns}:{stat.st_ctime_ns}:{stat.st_ino}")

    def _entry_of_none(self, path: Path, problem: str) -> Entry:
        """Something that has the name of a file and cannot be read as one: listed, so that it is told."""
        key = self._key(path)
        self._problems[key] = problem
        return Entry(key, problem)

    def _key(self, path: Path) -> str:
        key = path.relative_to(self._path).as_posix()
        key = key.encode("utf-8", "backslashreplace").decode()  # a name need not be UTF-8
        self._paths[key] = path
        return key

    def _sound(self, key: str) -> Path:
        if key in self._problems:
            raise Unreadable(self._problems[key])
        return self._of(key)

    def _of(self, key: str) -> Path:
        return self._paths.get(key, self._path / key)


def _problem(path: Path, root: Path | None) -> str | None:
    """Why something with the name of a file is none that may be read; None when it is. `root`: what it must lie below."""
    try:
        if root is not None and path.exists() and not path.resolve().is_relative_to(root):
            return "lies outside the folder, or is a link that leads out of it; copy it in"
        if path.is_file():
            return None
        path.stat()
    except (OSError, RuntimeError):  # Python before 3.13 has a RuntimeError for a loop
        return "is a link that leads nowhere, or to itself; fix or remove it"
    return "is not a file (a pipe, socket or device); remove it"
