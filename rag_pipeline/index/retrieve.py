"""Retrieving from one release. A reader resolves a channel to a release and opens that; it never follows it."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rag_pipeline.corpus.model import Encoder, Model, Vectors, same_machine
from rag_pipeline.errors import ReleaseError
from rag_pipeline.index import chroma
from rag_pipeline.index.manifest import Manifest, read_manifest


@dataclass(frozen=True, slots=True)
class Hit:
    """One retrieved chunk. `score` is the cosine similarity to the query, 1 at most."""

    rank: int
    chunk_id: str
    document_id: str
    source: str
    score: float
    text: str
    title: str
    uri: str | None
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class OpenRelease:
    """A release open for reading."""

    manifest: Manifest
    _collection: Any

    def search(self, query: Vectors, k: int) -> list[Hit]:
        """The `k` nearest chunks to one query vector, shape (dimensions,). Ties are broken by chunk id."""
        found = self._collection.query(
            query_embeddings=query.reshape(1, -1), n_results=k, include=["documents", "metadatas", "distances"]
        )
        rows = zip(found["ids"][0], found["documents"][0], found["metadatas"][0], found["distances"][0], strict=True)
        ordered = sorted(rows, key=lambda row: (row[3], row[0]))
        return [
            Hit(
                rank=rank,
                chunk_id=chunk_id,
                document_id=str(payload["document_id"]),
                source=str(payload["source"]),
                score=round(1.0 - distance, 6),
                text=text,
                title=str(payload["title"]),
                uri=payload.get("uri"),
                start=int(payload["start"]),
                end=int(payload["end"]),
            )
            for rank, (chunk_id, text, payload, distance) in enumerate(ordered, start=1)
        ]

    def documents(self, queries: Vectors, k: int) -> list[list[str]]:
        """For each query vector, shape (queries, dimensions), the `k` documents whose best chunk is nearest."""
        found = self._collection.query(
            query_embeddings=queries, n_results=k * _CHUNKS_A_DOCUMENT, include=["metadatas", "distances"]
        )
        return [
            _best_documents(zip(ids, payloads, distances, strict=True), k)
            for ids, payloads, distances in zip(found["ids"], found["metadatas"], found["distances"], strict=True)
        ]


_CHUNKS_A_DOCUMENT = 10
"""Chunks fetched for each document wanted, since many chunks of one document may come first."""


@contextmanager
def open_release(home: Path, release_id: str) -> Iterator[OpenRelease]:
    """Open a release for reading.

    Raises `ReleaseError` when there is no such release, or its files are not the ones it was built with.
    """
    folder = home / "releases" / release_id
    if not re.fullmatch(r"\w[\w-]*", release_id) or not folder.is_dir():  # neither a path nor a staging directory
        raise ReleaseError(f"no release {release_id!r} below {home / 'releases'}; `rag releases` lists them")
    manifest = read_manifest(folder)
    with chroma.reader(home, manifest) as collection:
        yield OpenRelease(manifest, collection)


def own_model(manifest: Manifest, configured: Model) -> Model:
    """The model a release was built with, as far as its name leads to it: another one may be configured by now.

    Raises `PipelineError` when it is not on this machine. `encoder_for` finds out whether its weights are still the same.
    """
    built_with = manifest.model
    if configured.fingerprint == built_with.fingerprint:
        return configured
    return same_machine(
        configured,
        name=built_with.name,
        query_prompt=built_with.query_prompt,
        document_prompt=built_with.document_prompt,
    )


def encoder_for(manifest: Manifest, model: Model) -> Encoder:
    """The encoder for queries to a release. Raises `ReleaseError` if the model is not the one it was built with."""
    if model.fingerprint != manifest.model.fingerprint:
        raise ReleaseError(
            f"release {manifest.id} was built with the model {manifest.model.name} ({manifest.model.fingerprint[:12]}), "
            f"but this one is {model.fingerprint[:12]}: other weights, tokenizer, pooling, prompts or sequence length; "
            "vectors of different models cannot be compared. Put the files of that model back, or refresh"
        )
    return model.load()


def _best_documents(rows: Iterator[tuple[str, Any, float]], k: int) -> list[str]:
    best: dict[str, float] = {}
    for _, payload, distance in rows:
        document = str(payload["document_id"])
        best[document] = min(distance, best.get(document, distance))
    return sorted(best, key=lambda document: (best[document], document))[:k]
