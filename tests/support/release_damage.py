"""Ways a release comes to harm behind our back: what disks, people and other Chroma clients do to it."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from rag_pipeline.files import file_sha256, write_json
from rag_pipeline.home import CHROMA_FOLDER, DATABASE, MANIFEST_FILE
from rag_pipeline.index import chroma
from rag_pipeline.index.manifest import FileEntry, read_manifest

SQLITE = "chroma/sealed.sqlite3"


def writable(path: Path) -> Path:
    """A release is read-only; whoever harms it is not stopped by that."""
    path.chmod(0o755 if path.is_dir() else 0o644)
    return path


@contextmanager
def store(release: Path) -> Iterator[Any]:
    """The collection of a release, to write to: as by a Chroma client, had the database the name one looks for."""
    for path in (release / CHROMA_FOLDER).rglob("*"):
        writable(path)
    (release / SQLITE).rename(release / CHROMA_FOLDER / DATABASE)
    try:
        with chroma.client(release / CHROMA_FOLDER) as opened:
            yield opened.get_collection(chroma.COLLECTION, embedding_function=None)
    finally:
        (release / CHROMA_FOLDER / DATABASE).rename(release / SQLITE)


def delete_records(release: Path, count: int) -> list[str]:
    """Delete that many records from the store; their ids."""
    with store(release) as collection:
        ids = sorted(collection.get(include=[])["ids"])[:count]
        collection.delete(ids=ids)
    return ids


def overwrite_a_vector(release: Path) -> str:
    """Give the first record the vector that is farthest from its own; its id."""
    with store(release) as collection:
        found = collection.get(include=["embeddings"])
        first = min(range(len(found["ids"])), key=lambda place: found["ids"][place])
        collection.update(ids=[found["ids"][first]], embeddings=[-found["embeddings"][first]])
    return str(found["ids"][first])


def cut_in_half(path: Path) -> None:
    content = path.read_bytes()
    writable(path).write_bytes(content[: len(content) // 2])


def flip_a_bit(path: Path, place: int = -1) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    writable(path).write_bytes(bytes(content))


def vectors_file(release: Path) -> Path:
    """The file of the graph that holds the vectors."""
    [found] = (release / CHROMA_FOLDER).rglob("data_level0.bin")
    return found


def reseal(release: Path) -> None:
    """Make the manifest vouch for the files as they are now, as a build that went wrong unnoticed would."""
    manifest = read_manifest(release)
    found = [path for path in release.rglob("*") if path.is_file() and path.name != MANIFEST_FILE]
    files = {
        path.relative_to(release).as_posix(): FileEntry(sha256=file_sha256(path), size_bytes=path.stat().st_size)
        for path in found
    }
    write_json(release / MANIFEST_FILE, manifest.model_copy(update={"files": files}).model_dump(mode="json"))


def journal_that_changes_every_text(release: Path, elsewhere: Path) -> None:
    """Put a rollback journal beside the untouched store: whoever opens it with SQLite gets other texts."""
    copy = elsewhere / "sealed.sqlite3"
    shutil.copy(release / SQLITE, copy)
    writable(copy)
    with closing(sqlite3.connect(copy, isolation_level=None)) as opened:
        change = "UPDATE embedding_metadata SET string_value = 'forged' || ? WHERE key = 'chroma:document'"
        opened.execute(change, ("",))
        opened.execute("PRAGMA cache_size = 1")  # so that the journal, with the forged texts, is written to disk
        opened.execute("BEGIN")
        opened.execute(change, (" again",))
        opened.execute("CREATE TABLE large (x)")
        opened.executemany("INSERT INTO large VALUES (?)", [("x" * 4_000,)] * 500)
        shutil.copy(copy.with_name("sealed.sqlite3-journal"), release / f"{SQLITE}-journal")
