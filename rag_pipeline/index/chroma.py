"""The one place that talks to Chroma, so that its traps are handled once.

Chroma writes when a client merely opens a directory: to its SQLite file always (it records itself in
`acquire_write`), to the vector files when they hold an unflushed tail. A release must stay byte for byte what was
evaluated, so readers open a private copy, a *view*; copying 100 MB takes about 0.1 s. A view also outlives its
release, so that collecting old releases never disturbs a reader.
"""

import math
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rag_pipeline.index.manifest import IndexParameters

if TYPE_CHECKING:
    from chromadb.api.models.Collection import Collection

COLLECTION = "public"
"""One collection an access scope; until a contract names an `access` column there is this one."""

_LARGEST_BATCH = 5_000
"""Rows in one `add`; Chroma takes at most 5,461 at a time."""

_LARGEST_TAIL = 1_000

FOLDER = "chroma"


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


@contextmanager
def reader(release: Path, views: Path) -> Iterator["Collection"]:
    """A release's collection, through a view of its own that goes when the block ends."""
    with view(release / FOLDER, views) as folder, client(folder) as opened:
        yield opened.get_collection(COLLECTION, embedding_function=None)


@contextmanager
def view(folder: Path, views: Path) -> Iterator[Path]:
    """A copy of `folder` to open, removed when the block ends, or by the next reader if this process dies."""
    views.mkdir(parents=True, exist_ok=True)
    _sweep(views)
    target = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=views))
    try:
        shutil.copytree(folder, target, copy_function=_copy, dirs_exist_ok=True)
        yield target
    finally:
        shutil.rmtree(target, ignore_errors=True)


@contextmanager
def client(folder: Path) -> Iterator[Any]:
    import chromadb
    from chromadb.config import Settings

    opened = chromadb.PersistentClient(str(folder), settings=Settings(anonymized_telemetry=False))
    try:
        yield opened
    finally:
        opened.close()


def _copy(source: str, target: str) -> None:
    """Copy a file's bytes (in the file system itself where it can share them), writable whatever the original is."""
    with Path(source).open("rb") as reading, Path(target).open("wb") as writing:
        try:
            while os.copy_file_range(reading.fileno(), writing.fileno(), 1 << 30):
                pass
        except (OSError, AttributeError):  # across file systems, or not on Linux
            reading.seek(0)
            writing.seek(0)
            writing.truncate()
            shutil.copyfileobj(reading, writing, 1 << 20)


def _sweep(views: Path) -> None:
    """Remove the views of processes that are no more."""
    for path in views.iterdir():
        process = path.name.split("-")[0]
        if process.isdigit() and not Path(f"/proc/{process}").exists() and Path("/proc/self").exists():
            shutil.rmtree(path, ignore_errors=True)
