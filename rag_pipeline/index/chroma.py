"""The one place that talks to Chroma, so that its traps are handled once.

Chroma writes when a client merely opens a directory: to its SQLite file always (it records itself in
`acquire_write`), to the vector files when they hold an unflushed tail. A release must stay byte for byte what was
evaluated, so readers open a private copy, a *view*; copying 100 MB takes about 0.1 s. A view also outlives its
release, so that collecting old releases never disturbs a reader.
"""

import errno
import math
import os
import shutil
import sqlite3
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from rag_pipeline.errors import ReleaseError
from rag_pipeline.index.manifest import IndexParameters, Manifest

if TYPE_CHECKING:
    from chromadb.api.models.Collection import Collection

COLLECTION = "public"
"""One collection an access scope; until a contract names an `access` column there is this one."""

_LARGEST_BATCH = 5_000
"""Rows in one `add`; Chroma takes at most 5,461 at a time."""

_LARGEST_TAIL = 1_000

FOLDER = "chroma"
_DATABASE = "chroma.sqlite3"


def batch_rows(rows: int) -> int:
    """Rows for each `add` so that all batches are about equal, and none is a small tail that Chroma keeps unflushed."""
    batches = max(1, math.ceil(rows / _LARGEST_BATCH))
    return max(1, math.ceil(rows / batches))


@contextmanager
def writer(folder: Path, parameters: IndexParameters, rows: int) -> Iterator["Collection"]:
    """A new collection for `rows` rows, to be added `batch_rows(rows)` at a time, on a path nobody else has opened.

    Closed, and so complete on disk, afterwards.
    """
    smallest_batch = rows - (math.ceil(rows / batch_rows(rows)) - 1) * batch_rows(rows)
    with client(folder) as opened:
        yield opened.create_collection(
            COLLECTION,
            embedding_function=None,
            configuration={
                "hnsw": {
                    "space": parameters.space,
                    "max_neighbors": parameters.max_neighbors,
                    "ef_construction": parameters.ef_construction,
                    "ef_search": parameters.ef_search,
                    "sync_threshold": max(2, min(_LARGEST_TAIL, smallest_batch)),
                }
            },
        )


def compact(folder: Path) -> None:
    """Give up the pages Chroma's queue left empty in a closed collection: a quarter of what is copied and checksummed."""
    database, compacted = folder / _DATABASE, folder / f"{_DATABASE}.compacted"
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("VACUUM INTO ?", (str(compacted),))
    compacted.replace(database)


@contextmanager
def editor(base: Path, folder: Path, operations: int) -> Iterator["Collection"]:
    """The collection of a copy of `base` at `folder`, for exactly this many removals and additions.

    Closed afterwards. Chroma flushes after `sync_threshold` operations; set to their number, no tail stays unflushed.
    """
    _copy_files(base, folder)
    with client(folder) as opened:
        collection = opened.get_collection(COLLECTION, embedding_function=None)
        collection.modify(configuration={"hnsw": {"sync_threshold": max(2, operations)}})
        yield collection


@contextmanager
def reader(home: Path, manifest: Manifest) -> Iterator["Collection"]:
    """A release's collection, through a view of its own that goes when the block ends.

    Raises `ReleaseError` when the bytes are not the ones the manifest names: better no answer than a wrong one.
    """
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(view(home / "releases" / manifest.id / FOLDER, home))
        except FileNotFoundError as error:
            raise ReleaseError(f"release {manifest.id} was removed while it was being opened") from error
        if damaged := _damaged(folder, manifest):
            raise ReleaseError(
                f"release {manifest.id} is damaged ({', '.join(damaged)}) and cannot answer; `rag refresh` rebuilds it, "
                "`rag rollback` goes back to the release before"
            )
        opened = stack.enter_context(client(folder))
        yield opened.get_collection(COLLECTION, embedding_function=None)


def _damaged(view: Path, manifest: Manifest) -> list[str]:
    """Files of a view that are not the manifest's; one too many may be a journal, which SQLite would replay."""
    wanted = {name: entry for name, entry in manifest.files.items() if name.startswith(f"{FOLDER}/")}
    found = {f"{FOLDER}/{path.relative_to(view).as_posix()}": path for path in view.rglob("*") if path.is_file()}
    odd = wanted.keys() ^ found.keys()
    return sorted(odd | {name for name in wanted.keys() & found.keys() if not wanted[name].is_of(found[name])})


@contextmanager
def view(folder: Path, home: Path) -> Iterator[Path]:
    """A copy of `folder` to open, removed when the block ends, or by the next reader if this process dies.

    It lies below `home`; where that is full or read-only, in the system's temporary folder, so that readers go on.
    """
    with ExitStack() as stack:
        try:
            target = _copied(folder, home / "views", stack)
        except OSError as error:
            if error.errno not in _NO_PLACE:
                raise
            target = _copied(folder, Path(tempfile.gettempdir()) / f"rag-views-{os.getuid()}", stack)
        yield target


_ROOM_TO_OPEN = 4_000_000
"""Bytes: Chroma writes to what it opens."""

_NO_PLACE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}


def _copied(folder: Path, views: Path, stack: ExitStack) -> Path:
    views.mkdir(parents=True, exist_ok=True, mode=0o700)
    sweep(views)
    needed = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) + _ROOM_TO_OPEN
    if shutil.disk_usage(views).free < needed:
        raise OSError(errno.ENOSPC, f"No space left on device: {needed:,} bytes are needed to open a release", str(views))
    target = views / uuid.uuid4().hex
    lock = FileLock(target.with_suffix(_ALIVE))
    stack.enter_context(lock)
    stack.callback(target.with_suffix(_ALIVE).unlink, missing_ok=True)
    stack.callback(shutil.rmtree, target, ignore_errors=True)
    try:
        _copy_files(folder, target)
    except OSError:
        shutil.rmtree(target, ignore_errors=True)  # a full disk needs the room now
        raise
    return target


_ALIVE = ".lock"
"""A view's lock is held as long as its process lives, in whatever container; the system lets go of it."""


def sweep(views: Path) -> None:
    """Remove the views of processes that are no more."""
    for path in views.iterdir() if views.is_dir() else ():
        if path.suffix != _ALIVE:
            alive = path.with_suffix(_ALIVE)  # made before the view, so a view without one is nobody's
        else:
            alive, path = path, path.with_suffix("")
        with suppress(OSError, Timeout), FileLock(alive, timeout=0):
            shutil.rmtree(path, ignore_errors=True)
            alive.unlink(missing_ok=True)


@contextmanager
def client(folder: Path) -> Iterator[Any]:
    import chromadb
    from chromadb.config import Settings

    opened = chromadb.PersistentClient(str(folder), settings=Settings(anonymized_telemetry=False))
    try:
        yield opened
    finally:
        opened.close()


def _copy_files(folder: Path, target: Path) -> None:
    """Copy a directory's files (in the file system itself where it can share them), writable whatever they were."""
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            _copy_files(path, target / path.name)
        else:
            _copy(path, target / path.name)


def _copy(source: Path, target: Path) -> None:
    with source.open("rb") as reading, target.open("wb") as writing:
        try:
            while os.copy_file_range(reading.fileno(), writing.fileno(), 1 << 30):
                pass
        except (OSError, AttributeError):  # across file systems, or not on Linux
            reading.seek(0)
            writing.seek(0)
            writing.truncate()
            shutil.copyfileobj(reading, writing, 1 << 20)
