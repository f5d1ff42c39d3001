"""Writing small files so that a killed process leaves the old one or the new one, never half of either."""

import hashlib
import json
import os
import secrets
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from rag_pipeline.errors import PipelineError
from rag_pipeline.mirrored import keeper_of, published


def absolute(path: Path) -> Path:
    """An absolute path without `..`, as people are shown it. Links stay as they are named, unless a `..` counts from one."""
    path = path.absolute()
    if ".." not in path.parts:
        return path
    short = Path(os.path.abspath(path))  # noqa: PTH100  (`absolute` keeps ..)
    real = path.resolve()
    return short if short.resolve() == real else real


def fingerprint(*parts: object, length: int = 32) -> str:
    """Hex SHA-256 of the parts as canonical JSON, cut to `length` characters. Same parts, same fingerprint."""
    canonical = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()[:length]


def fingerprint_lines(lines: Iterable[str], length: int = 32) -> str:
    """Hex SHA-256 of many lines, in the order given, without holding them all."""
    digest = hashlib.sha256()
    for line in lines:
        digest.update(line.encode("utf-8", "surrogatepass"))
        digest.update(b"\n")
    return digest.hexdigest()[:length]


def file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


_SETTLED_NS = 2_000_000_000
"""A file changed less than this before it was read may be changed again within the same tick of the system's clock."""


def known_sha256(path: Path) -> str:
    """`file_sha256`, read once by this process as long as the system says that nobody wrote to the file since.

    The time of the last change to a file's inode cannot be set back, unlike that of its content. One refresh holds the
    serving release against its manifest in several steps; on a night when nothing changed that was most of its work.
    """
    found = path.stat()
    if time.time_ns() - found.st_ctime_ns < _SETTLED_NS:
        return file_sha256(path)
    return _sha256(path, found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


@lru_cache(maxsize=4_096)
def _sha256(path: Path, *_as_it_was: int) -> str:
    return file_sha256(path)


def write_json(path: Path, value: Any, *, mode: int = 0o666) -> None:
    """Write JSON atomically and durably: temporary file beside it, fsync, rename, fsync of the folder."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n", mode=mode)


def write_text(path: Path, text: str, *, mode: int = 0o666) -> None:
    """Write a file atomically and durably, with what the umask leaves of `mode`: readers may be of another account."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        with published(path, temporary):
            temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync(path.parent)


def private_folder(folder: Path) -> Path:
    """A folder that no other account may look into, made if need be."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    _no_more_than(folder, 0o700)
    return folder


def private_file(path: Path) -> Path:
    """An empty file that no other account may read, to be written to by its name."""
    path.unlink(missing_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    return path


def close_to_others(folder: Path) -> None:
    """Let no other account read what lies in a folder, whatever library wrote it there."""
    private_folder(folder)
    for path in folder.rglob("*"):
        if not path.is_symlink():
            _no_more_than(path, 0o700 if path.is_dir() else 0o600)


def _no_more_than(path: Path, mode: int) -> None:
    with suppress(PermissionError, FileNotFoundError):  # another account's own business; a file that is gone by now
        now = stat.S_IMODE(path.stat().st_mode)
        if now & ~mode:
            path.chmod(now & mode)


def sync(path: Path) -> None:
    """Make a file's bytes, or the names in a folder, durable, so that they survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def exclusive(folder: Path, name: str, *, wait_s: float) -> Iterator[None]:
    """Hold the named lock of a folder; the system frees it when the process dies.

    Raises `PipelineError` when another process still holds it after `wait_s` seconds.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / f".{name}.lock")
    try:
        lock.acquire(timeout=wait_s)
    except Timeout as error:
        raise PipelineError(
            f"another process has been writing {name} in {folder} for {wait_s:.0f} s; wait for that run to end, "
            "or stop it, and try again"
        ) from error
    try:
        if keeper := keeper_of(folder):
            with keeper.everywhere(folder, name, wait_s):
                yield
        else:
            yield
    finally:
        lock.release()
