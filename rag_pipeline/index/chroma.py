"""Opening Chroma's directories to write and to read, so that its traps are handled in one place.

Chroma writes when a client merely opens a directory: always to its SQLite file (it records itself in `acquire_write`),
and to the vector files when they hold an unflushed tail. A release must stay byte for byte what was evaluated, so readers
open a private copy, a *view*. `fill`, `prove` and `retrieve` use the collections that are opened here.
"""

import math
import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rag_pipeline.contracts.labels import PUBLIC
from rag_pipeline.errors import ReleaseError
from rag_pipeline.files import sync
from rag_pipeline.home import CHROMA_FOLDER, DATABASE, SEALED_DATABASE, Home
from rag_pipeline.index.chroma_import import chromadb
from rag_pipeline.index.manifest import IndexParameters, Manifest
from rag_pipeline.index.stored_vectors import StoredVectors
from rag_pipeline.index.views import intact_view

if TYPE_CHECKING:
    from chromadb.api.models.Collection import Collection

COLLECTION = PUBLIC
"""One collection a scope; where no contract names an access column there is this one."""

_LARGEST_BATCH = 5_000
"""Rows in one `add`; Chroma takes at most 5,461 at a time."""

_LARGEST_TAIL = 1_000

_FEWEST = 2
"""The least that Chroma takes for a `sync_threshold`: a single operation would never be flushed."""

_WORDS = "embedding_fulltext_search"
_GRAPH_FORMAT = 1

_TAKEN_OVER = """
SELECT segments.collection, min(coalesce(max_seq_id.seq_id, 0)) FROM segments
LEFT JOIN max_seq_id ON max_seq_id.segment_id = segments.id GROUP BY segments.collection
"""
"""Collection -> how far all its segments have taken the queue over. One that never flushed still needs all."""

_EMPTY_QUEUE = """
UPDATE embeddings_queue SET vector = NULL, encoding = NULL, metadata = NULL WHERE topic LIKE '%/' || ? AND seq_id <= ?
"""


def batch_rows(rows: int) -> int:
    """Rows for each `add` so that all batches are about equal, and none is a small tail that Chroma keeps unflushed."""
    batches = max(1, math.ceil(rows / _LARGEST_BATCH))
    return max(1, math.ceil(rows / batches))


@contextmanager
def writer(folder: Path, parameters: IndexParameters, rows: int) -> Iterator["Collection"]:
    """A new collection for `rows` rows, to be added `batch_rows(rows)` at a time, on a path nobody else has opened.

    Closed, and so complete on disk, afterwards.
    """
    with client(folder) as opened:
        yield created(opened, COLLECTION, parameters, rows)


def created(opened: Any, name: str, parameters: IndexParameters, rows: int) -> "Collection":
    """A new collection of a client, for `rows` rows, to be added `batch_rows(rows)` at a time."""
    smallest_batch = rows - (math.ceil(rows / batch_rows(rows)) - 1) * batch_rows(rows)
    collection: Collection = opened.create_collection(
        name,
        embedding_function=None,
        configuration={
            "hnsw": {
                "space": parameters.space,
                "max_neighbors": parameters.max_neighbors,
                "ef_construction": parameters.ef_construction,
                "ef_search": parameters.ef_search,
                "sync_threshold": max(_FEWEST, min(_LARGEST_TAIL, smallest_batch)),
            }
        },
    )
    return collection


def touch(collection: "Collection") -> None:
    """One more operation, which changes nothing: a single one would never be flushed."""
    one = collection.get(limit=1, include=["metadatas"])
    collection.update(ids=one["ids"], metadatas=one["metadatas"])


def compact(folder: Path) -> None:
    """Write a closed collection's database anew, without a byte of what was deleted.

    SQLite leaves deleted texts in free pages and in the slack of others, and the full-text index lists the trigrams of a
    deleted row, with their places, until its segments are merged: together they spell the text. The queue keeps the last
    operation, whose number Chroma goes on from, with text and vector. After a whole build this gives up what the queue left
    empty, a quarter of what is copied and checksummed.
    """
    database, compacted = folder / DATABASE, folder / f"{DATABASE}.compacted"
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = OFF")  # of a staging directory: what is broken off is built again
        connection.execute("PRAGMA synchronous = OFF")  # sealing it makes it durable
        connection.executemany(_EMPTY_QUEUE, connection.execute(_TAKEN_OVER).fetchall())
        connection.execute(f"INSERT INTO {_WORDS}({_WORDS}) VALUES ('optimize')")
        connection.execute("VACUUM INTO ?", (str(compacted),))
    compacted.replace(database)


def clear_unused_slots(folder: Path) -> None:
    """Clears a closed graph: its file begins with room for a hundred records, and unused room holds what memory held before.

    That was seen to be vectors of a release built in the same process.
    """
    for header in folder.glob("*/header.bin"):
        version, _, _, records, record_bytes = struct.unpack_from("<iQQQQ", header.read_bytes())
        slots = header.with_name("data_level0.bin")
        unused = slots.stat().st_size - records * record_bytes
        if version != _GRAPH_FORMAT or unused < 0:
            raise ReleaseError(f"the graph is of a format this pipeline does not know ({version}, {header.name})")
        with slots.open("r+b") as file:
            file.seek(records * record_bytes)
            file.write(bytes(unused))


def seal(folder: Path) -> None:
    """Give a closed collection's database the name it has in a release: a client that is given the folder finds none.

    Chroma writes to what it opens, and root writes to what is read-only; so nothing that serves is where it would look.
    """
    (folder / DATABASE).rename(folder / SEALED_DATABASE)


@contextmanager
def editor(folder: Path, operations: int) -> Iterator["Collection"]:
    """The collection of a copy of another one at `folder`, for exactly this many removals and additions.

    Closed afterwards. Chroma flushes after `sync_threshold` operations; set to their number, no tail stays unflushed.
    """
    with client(folder) as opened:
        collection = opened.get_collection(COLLECTION, embedding_function=None)
        collection.modify(configuration={"hnsw": {"sync_threshold": max(_FEWEST, operations)}})
        yield collection
        if operations < _FEWEST:
            touch(collection)


@contextmanager
def reader(home: Home, manifest: Manifest) -> Iterator["Collection"]:
    """The collection of a release that has one, as `readers` opens it."""
    with readers(home, manifest) as opened:
        yield opened.collections[COLLECTION]


@dataclass(frozen=True, slots=True)
class Opened:
    """The collections of one view."""

    folder: Path
    dimensions: int
    collections: dict[str, "Collection"]
    """Scope -> its collection."""

    def vectors(self, scope: str) -> StoredVectors | None:
        """Its vectors, where its graph keeps them; None as long as it has none."""
        with closing(sqlite3.connect(f"file:{self.folder / DATABASE}?mode=ro", uri=True)) as database:
            found = database.execute(_GRAPH_OF, (str(self.collections[scope].id),)).fetchall()
        there = [self.folder / name for (name,) in found if (self.folder / name / "header.bin").is_file()]
        return StoredVectors.of(there[0], self.dimensions) if there else None


_GRAPH_OF = "SELECT id FROM segments WHERE collection = ? AND scope = 'VECTOR'"


@contextmanager
def readers(home: Home, manifest: Manifest) -> Iterator[Opened]:
    """Every scope's collection, through a view of a release's own that goes when the block ends.

    Raises `ReleaseError` when the bytes are not the ones the manifest names: better no answer than a wrong one.
    """
    names = list(manifest.scopes) or [COLLECTION]
    with intact_view(home, manifest, CHROMA_FOLDER) as folder:
        # Chroma flushes its database as it opens it, and lets nobody have the interpreter meanwhile: 60 ms for a copy of
        # 221 MB that is new. Flushed before, with the interpreter free, that is done in 4. It only saves time.
        with suppress(OSError):
            sync(folder / DATABASE)
        with client(folder) as opened:
            collections = {name: opened.get_collection(name, embedding_function=None) for name in names}
            yield Opened(folder, manifest.model.dimensions, collections)


@contextmanager
def client(folder: Path) -> Iterator[Any]:
    """Chroma upon a folder, closed afterwards.

    Raises `ReleaseError` when Chroma itself breaks off: a Rust panic is no `Exception`, so it would pass through
    Dagster too, and leave a run that never ends. What it says may quote a document, so that stays on stderr, where
    Rust writes it.
    """
    library = chromadb()
    settings = library.config.Settings(anonymized_telemetry=False)
    try:
        with closing(library.PersistentClient(str(folder), settings=settings)) as opened:
            yield opened
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # of a module that cannot be imported
            raise
        why = "its messages are on stderr. An overloaded machine can be the reason"
        raise ReleaseError(f"Chroma broke off in {folder}; {why}. What serves is untouched, so run it again") from None
