"""A release's manifest: what it holds, how it was built, and the checksum of every file of it."""

from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from rag_pipeline.errors import ReleaseError

FILE = "manifest.json"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelEntry(_Frozen):
    name: str
    fingerprint: str
    dimensions: int
    query_prompt: str = ""
    document_prompt: str = ""


class IndexParameters(_Frozen):
    """Every HNSW parameter, stated: Chroma's own defaults use l2 and a smaller graph."""

    space: Literal["cosine"] = "cosine"
    max_neighbors: int = 32
    ef_construction: int = 200
    ef_search: int = 200


class RetrievalParameters(_Frozen):
    mode: Literal["dense"] = "dense"


class SourceEntry(_Frozen):
    """The state of one source that a release was built from."""

    documents: int
    chunks: int
    data_version: str
    contract_id: str
    contract_version: str


class FileEntry(_Frozen):
    sha256: str
    size_bytes: int


class Probe(_Frozen):
    """What was proved after the build, on the closed files, as a reader opens them."""

    ids_expected: int
    ids_stored: int
    self_retrieval_asked: int
    self_retrieval_found: int

    @property
    def holds(self) -> bool:
        return self.ids_stored == self.ids_expected and self.self_retrieval_found == self.self_retrieval_asked


class Manifest(_Frozen):
    """Everything there is to know about a release without opening it."""

    format: Literal[1] = 1
    id: str
    fingerprint: str
    created_at: datetime
    run_id: str
    documents: int
    chunks: int
    model: ModelEntry
    chunker: str
    index: IndexParameters
    retrieval: RetrievalParameters
    sources: dict[str, SourceEntry]
    chroma_version: str
    build_seconds: float
    probe: Probe
    files: dict[str, FileEntry]

    @property
    def size_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files.values())


def read_manifest(release: Path) -> Manifest:
    """The manifest of a release directory. Raises `ReleaseError` when there is none or it is not one."""
    try:
        return Manifest.model_validate_json((release / FILE).read_bytes())
    except FileNotFoundError as error:
        raise ReleaseError(f"{release} is not a release: it has no {FILE}") from error
    except ValueError as error:
        raise ReleaseError(f"{release / FILE} is damaged: {error}") from error


def all_manifests(releases: Path) -> list[Manifest]:
    """Every complete release, newest first. A folder without a manifest is none, nor is one whose name starts with a dot."""
    if not releases.is_dir():
        return []
    folders = [path for path in releases.iterdir() if (path / FILE).is_file() and not path.name.startswith(".")]
    return sorted((read_manifest(path) for path in folders), key=lambda m: (m.created_at, m.id), reverse=True)
