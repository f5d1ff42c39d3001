"""A release's manifest: what it holds, how it was built, and the checksum of every file of it."""

import importlib.metadata
import logging
import re
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from operator import not_
from pathlib import Path
from typing import Literal, get_args

from pydantic import Field, ValidationError

from rag_pipeline.errors import ReleaseError, first_problem
from rag_pipeline.files import known_sha256
from rag_pipeline.home import CHROMA_FOLDER, DATABASE, MANIFEST_FILE, SEALED_DATABASE
from rag_pipeline.mirrored import elsewhere, seen, sound
from rag_pipeline.records import Record

log = logging.getLogger("rag_pipeline")


class ModelEntry(Record):
    name: str
    fingerprint: str
    dimensions: int
    query_prompt: str = ""
    document_prompt: str = ""
    backend: str = "torch"
    precision: str = "fp32"


class IndexParameters(Record):
    """Every HNSW parameter, stated: Chroma's own defaults use l2 and a smaller graph."""

    space: Literal["cosine"] = "cosine"
    max_neighbors: int = 32
    ef_construction: int = 200
    ef_search: int = 200


Mode = Literal["dense", "lexical", "hybrid"]
"""How a release retrieves: by meaning (vectors in Chroma), by words (BM25 in tantivy), or both lists fused."""

MODES: tuple[Mode, ...] = get_args(Mode)


class RetrievalParameters(Record):
    """How a release answers. Part of its fingerprint: what was evaluated with other ones is another release."""

    mode: Mode = "dense"
    dense_weight: float = Field(default=0.5, ge=0, le=1)
    """Share of the dense list in the fusion; the lexical list has the rest."""
    rrf_k: int = Field(default=60, ge=1)
    """Constant of the fusion: the larger, the less the first places stand out."""
    depth: int = Field(default=100, ge=1)
    """How many places of each list are fused."""
    language: str = "english"
    """Stemmer of the lexical index; `none` leaves words as they are."""
    reranker: str = ""
    """Folder of a cross-encoder that orders the first hits again; none if empty."""
    reranker_fingerprint: str = ""
    rerank_depth: int = Field(default=0, ge=0)
    """How many of the first hits are ordered again."""


class CutEntry(Record):
    """How one source was cut whose contract says it: tokens of the model, and the fingerprint of the chunker."""

    chunker: str
    tokens: int
    min_tokens: int
    splitter: str


class LexicalEntry(Record):
    """What a lexical index was made with: only the like is built upon."""

    tantivy_version: str
    language: str
    analyzer: int
    """Version of our own way of cutting texts into terms."""


class SourceEntry(Record):
    """The state of one source that a release was built from."""

    documents: int
    chunks: int
    data_version: str
    contract_id: str
    contract_version: str
    filterable: tuple[str, ...] = Field(default=(), exclude_if=not_)
    """Columns that a question may be narrowed by."""


class SourceRows(Record):
    """What one scope holds of one source."""

    documents: int
    chunks: int


class ScopeEntry(Record):
    """The rows of a release that have the same readers: an index of their own."""

    labels: tuple[str, ...]
    """Who may read them: whoever was granted one of these. Empty for `public`: the rows of sources without labels."""
    documents: int
    chunks: int
    sources: dict[str, SourceRows]
    content: str
    """Hash of its sorted chunk ids with their payload hashes."""


class FileEntry(Record):
    sha256: str
    size_bytes: int

    def is_of(self, path: Path) -> bool:
        """Whether a file holds these very bytes."""
        return path.stat().st_size == self.size_bytes and known_sha256(path) == self.sha256


class Probe(Record):
    """What was proved after the build, on the closed files, as a reader opens them."""

    ids_expected: int
    ids_stored: int
    self_retrieval_asked: int
    self_retrieval_found: int
    self_retrieval_alike: int = 0
    """Records of a crowd of near-duplicates, whose own vector brought ten of the crowd instead."""
    self_retrieval_missed: int = 0
    """Records that approximate search does not reach: one in a hundred of the sample at most."""
    vectors_checked: int = 0
    """Vectors that are finite, not zero and of the model's length: all of them."""
    records_compared: int = 0
    """Records whose text, payload hash and vector were read back and are the ones put in."""
    deleted_asked: int = 0
    """Records of the base that left, whose own vectors were asked for: none came back."""
    recall_at_10: float | None = None
    """Share of the ten truly nearest that the index finds, by exact search, over the sample."""
    lexical_stored: int = 0
    """Live records of the lexical index."""
    lexical_asked: int = 0
    """Records looked up in the lexical index by id and by every term of their text: all were found."""

    @property
    def holds(self) -> bool:
        stored = {self.ids_stored, self.lexical_stored}
        answered = self.self_retrieval_found + self.self_retrieval_alike + self.self_retrieval_missed
        return stored == {self.ids_expected} and answered == self.self_retrieval_asked


class Origin(Record):
    """How a release came to be: from a base by copy and difference, or whole from stored vectors, and then why."""

    base: str | None = None
    rebuilt_because: str = ""
    added: int = 0
    removed: int = 0
    dead_slots: int = 0
    """Deleted records whose places in the graph are never used again; they add up along a chain of bases."""
    compacted: bool = False
    """Whether no file holds the text of a removed record: releases of an older pipeline do not say so."""
    erased: int = 0
    """How many notes of erased documents there were when the graph was last built whole: none of them is in it, nor in a
    slot that is dead, and no release with another number is built upon."""


class Manifest(Record):
    """Everything there is to know about a release without opening it."""

    format: Literal[1] = 1
    id: str
    fingerprint: str
    sequence: int = 0
    """What orders releases, from 1, whatever the clock said. 0: an older pipeline built it; those come first, by time."""
    created_at: datetime
    run_id: str
    documents: int
    chunks: int
    model: ModelEntry
    chunker: str
    """Fingerprint of the way that sources are cut whose contract says nothing of it."""
    cut: dict[str, CutEntry] = Field(default={}, exclude_if=not_)
    """source -> how its contract has it cut"""
    index: IndexParameters
    retrieval: RetrievalParameters
    sources: dict[str, SourceEntry]
    scopes: dict[str, ScopeEntry] = Field(default={}, exclude_if=not_)
    """scope -> what it holds, in the order of the rows; none where everybody may read every row"""
    chroma_version: str
    lexical: LexicalEntry
    build_seconds: float
    origin: Origin = Origin()
    probe: Probe
    files: dict[str, FileEntry]

    @property
    def size_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files.values())


def chroma_version() -> str:
    """The version of the installed library: only the version that built a release builds upon it."""
    return importlib.metadata.version("chromadb")


def read_manifest(release: Path) -> Manifest:
    """The manifest of a release directory. Raises `ReleaseError` when there is none or it is not one."""
    seen(release / MANIFEST_FILE)
    try:
        return Manifest.model_validate_json((release / MANIFEST_FILE).read_bytes())
    except FileNotFoundError as error:
        raise ReleaseError(f"{release} is not a release: it has no {MANIFEST_FILE}") from error
    except ValidationError as error:
        raise ReleaseError(f"{release / MANIFEST_FILE} is damaged: {first_problem(error)}") from error


def all_manifests(releases: Path) -> list[Manifest]:
    """Every complete release, newest first by sequence; one whose manifest cannot be read is left out with a warning.

    A folder without a manifest is no release, nor is one whose name starts with a dot.
    """
    manifests = []
    for folder in release_folders(releases):
        try:
            manifest = read_manifest(folder)
        except ReleaseError as error:
            log.warning("%s", error)
            continue
        if manifest.id == folder.name:
            manifests.append(manifest)
        else:
            log.warning("%s is left alone: it is a copy of release %s, not a release of this pipeline", folder, manifest.id)
    return sorted(manifests, key=lambda one: (one.sequence, one.created_at, one.id), reverse=True)


def next_sequence(releases: Path) -> int:
    """The number of the next release. The caller holds the build lock, so that none is given twice."""
    return max((manifest.sequence for manifest in all_manifests(releases)), default=0) + 1


def release_folders(releases: Path) -> list[Path]:
    """Folders that are releases or claim to be, also those whose manifest is damaged."""
    if not releases.is_dir():
        return []
    return sorted(path for path in releases.iterdir() if (path / MANIFEST_FILE).is_file() and not path.name.startswith("."))


def holds_nothing(path: Path) -> bool:
    """Whether a file is the lock of a lexical index: a thread of tantivy's reader may leave one when all else is closed.

    It is empty, and part of no release: neither sealed, nor damage, nor somebody else's.
    """
    return path.name in (".tantivy-meta.lock", ".tantivy-writer.lock") and not path.is_symlink() and not path.stat().st_size


def of_a_client(name: str, files: Collection[str]) -> bool:
    """Whether a file in a release's folder is what a Chroma client made that was given the folder, and so harmless.

    `files`: those the manifest names. A client finds no database in a release, as that has another name there, and begins
    one of its own. In a release of an older pipeline it finds one: what lies beside that may be a journal, which SQLite
    replays.
    """
    sealed = f"{CHROMA_FOLDER}/{SEALED_DATABASE}" in files
    return sealed and name not in files and _A_CLIENT_S.fullmatch(name) is not None


_A_CLIENT_S = re.compile(
    rf"({CHROMA_FOLDER}/)?({re.escape(DATABASE)}(-journal|-wal|-shm)?|[0-9a-f]{{8}}(-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}/[^/]+)"
)


def foreign_files(release: Path, manifest: Manifest) -> tuple[str, ...]:
    """Files in a release's folder that its manifest does not name: somebody else's."""
    files = (path for path in release.rglob("*") if not path.is_dir() or path.is_symlink())
    every = (path.relative_to(release).as_posix() for path in files if not holds_nothing(path))
    return tuple(sorted(set(every) - manifest.files.keys() - {MANIFEST_FILE}))


def damaged_files(release: Path, manifest: Manifest, *, deep: bool = False) -> tuple[str, ...]:
    """Files of a release that are missing, whose bytes are not the ones its manifest names, or that it does not name.

    What a Chroma client made that was given the folder is none of them. `deep`: bytes are read in a bucket too.
    """
    files = (path for path in release.rglob("*") if not path.is_dir() and not holds_nothing(path))
    every = {path.relative_to(release).as_posix() for path in files} - {MANIFEST_FILE}
    found = {name for name in every if not of_a_client(name, manifest.files)}
    both = manifest.files.keys() & found
    with ThreadPoolExecutor(4) as threads:  # hashing leaves the interpreter free, and a promotion waits for it
        intact = dict(
            zip(both, threads.map(lambda name: sound(release, name, manifest.files[name].is_of), both), strict=True)
        )
    intact |= elsewhere(release, manifest.files.keys() - found, deep=deep)
    return tuple(sorted(name for name in manifest.files.keys() | found | intact.keys() if not intact.get(name)))
