"""Whether a kept release is what it was when it was built: its bytes, its content, and what a reader finds in it."""

import sqlite3
from contextlib import closing
from pathlib import Path

import polars as pl

from rag_pipeline.errors import ReleaseError
from rag_pipeline.home import CHROMA_FOLDER, CHUNKS_FILE, DATABASE, LEXICAL_FOLDER, Home
from rag_pipeline.index.build import recipe_of
from rag_pipeline.index.chroma import COLLECTION
from rag_pipeline.index.manifest import Manifest, damaged_files, read_manifest
from rag_pipeline.index.prove import expect, expect_scopes, prove_scopes
from rag_pipeline.index.prove_lexical import prove_words
from rag_pipeline.index.release_chunks import contents
from rag_pipeline.index.scopes import scopes_of
from rag_pipeline.index.views import name_in_release, view
from rag_pipeline.index.words import word_folders
from rag_pipeline.lake import collected

_SAMPLE = 2_000


def verify_release(home: Home, release_id: str, *, with_vectors: bool = True) -> tuple[str, ...]:
    """Everything that does not hold of a release, in words; nothing when it is intact.

    Files against their checksums, the content against the release's fingerprint, ids both ways, texts, payloads and
    vectors of a sample, self-retrieval. The index is opened only if its files are the right ones: a torn file can take
    the process that opens it down. `with_vectors=False`: the vectors table is damaged itself, so it proves nothing.
    """
    release = home.release(release_id)
    try:
        manifest = read_manifest(release)
    except ReleaseError as error:
        return (str(error),)
    if manifest.id != release_id:
        return (f"{release_id} holds the manifest of {manifest.id}",)
    damaged = damaged_files(release, manifest)
    found = [_says(release, manifest, name) for name in damaged]
    if CHUNKS_FILE not in manifest.files or damaged:
        return (
            *found,
            *(_lost_records(release, manifest) if CHUNKS_FILE in manifest.files and CHUNKS_FILE not in damaged else ()),
        )
    rows = contents(release, manifest)
    if recipe_of(manifest).fingerprint(rows) != manifest.fingerprint:
        found.append(f"{CHUNKS_FILE} does not give the release's fingerprint")
    if not with_vectors:
        return tuple(found)
    try:
        _prove(home, manifest, rows)
    except ReleaseError as error:
        found.append(str(error))
    return tuple(found)


def _prove(home: Home, manifest: Manifest, rows: pl.LazyFrame) -> None:
    """Raises `ReleaseError`."""
    scopes, language = manifest.scopes, manifest.lexical.language
    if scopes:
        if scopes_of(rows) != scopes:
            raise ReleaseError(f"{CHUNKS_FILE} does not give the scopes that the manifest names")
        expected = expect_scopes(home, rows, scopes, manifest.model, size=_SAMPLE)
    else:
        expected = {COLLECTION: expect(home, rows, manifest.model, size=_SAMPLE)}
    with view(home, manifest, CHROMA_FOLDER) as vectors:
        probes = prove_scopes(vectors, expected)
    with view(home, manifest, LEXICAL_FOLDER) as words:
        prove_words(word_folders(words, scopes), language, rows, expected, probes)


def _says(release: Path, manifest: Manifest, name: str) -> str:
    path, entry = release / name, manifest.files.get(name)
    if entry is None:
        return f"{name} does not belong to the release"
    if not path.is_file():
        return f"{name} is missing"
    if (size := path.stat().st_size) != entry.size_bytes:
        return f"{name} has {size:,} bytes instead of {entry.size_bytes:,}"
    return f"{name} has other bytes than it was built with"


def _lost_records(release: Path, manifest: Manifest) -> tuple[str, ...]:
    """The records that a damaged store lost or gained, read from its SQLite file alone, which cannot crash this process."""
    expected = set(contents(release, manifest).select("chunk_id").pipe(collected)["chunk_id"])
    name = name_in_release(f"{CHROMA_FOLDER}/{DATABASE}", manifest)
    file = release / name
    try:
        with closing(sqlite3.connect(f"file:{file}?mode=ro&immutable=1", uri=True)) as opened:
            stored = {row[0] for row in opened.execute("SELECT embedding_id FROM embeddings")}
    except sqlite3.Error as error:
        return (f"{name} cannot be read: {error}",)
    told = (("gone from the store", expected - stored), ("in the store that do not belong there", stored - expected))
    return tuple(f"{len(ids)} records are {what} (first: {min(ids)})" for what, ids in told if ids)
