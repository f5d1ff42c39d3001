"""Retrieving from one release. A reader resolves a channel to a release and opens that; it never follows it."""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from rag_pipeline.corpus.canary import trusted
from rag_pipeline.corpus.model import Encoder, Model, Vectors, same_machine
from rag_pipeline.errors import ReleaseError
from rag_pipeline.home import LEXICAL_FOLDER, Home
from rag_pipeline.index import chroma, lexical
from rag_pipeline.index.canary import canary_of
from rag_pipeline.index.fusion import Ranking, fuse
from rag_pipeline.index.lexical import LexicalIndex
from rag_pipeline.index.manifest import MODES, Manifest, Mode, read_manifest
from rag_pipeline.index.release_chunks import Chunk, contents, look_up
from rag_pipeline.index.rerank import reranker_of
from rag_pipeline.index.views import intact_view


@dataclass(frozen=True, slots=True)
class Query:
    """A question as it is asked: its text for words, its vector, shape (dimensions,), for meaning."""

    text: str
    vector: Vectors | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """One retrieved chunk.

    `score`: in dense mode the cosine similarity to the query, 1 at most; in lexical mode BM25; in hybrid mode what the
    fusion gives; with a re-ranker the cross-encoder's. Comparable within one answer only, but for the cosine.
    """

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
    heading: str = ""
    """Path of the headings above it, " > " between; empty where there are none."""
    metadata: dict[str, str | int | float | bool] = field(default_factory=dict, hash=False)
    """What the contract's other columns say of the document: values that are text, numbers or truth; others are left out."""


_FIXED = ("document_id", "source", "title", "uri", "heading", "start", "end", "payload_hash")
"""What a payload holds beside the document's own metadata."""


@dataclass(frozen=True, slots=True)
class OpenRelease:
    """A release open for reading."""

    manifest: Manifest
    _home: Home
    _device: str
    _collection: Any
    _words: LexicalIndex | None

    @property
    def modes(self) -> tuple[Mode, ...]:
        """The modes it is open in."""
        return MODES if self._words else ("dense",)

    def search(self, query: Query | Vectors, k: int, mode: Mode | None = None) -> list[Hit]:
        """The `k` best chunks, best first, equals by chunk id; `mode` None: as the release serves.

        A bare vector is a query without text. Hybrid answers are as long as the two fused lists at most. Raises
        `ReleaseError` when the release cannot retrieve that way, `ValueError` when the query lacks what the mode needs.
        """
        asked = query if isinstance(query, Query) else Query("", query)
        said = self.manifest.retrieval
        found = self._first(asked, max(k, said.rerank_depth), mode or said.mode)
        if said.reranker:
            if not asked.text.strip():
                raise ValueError("a re-ranker reads the question; give its text")
            found = self.rerank(asked.text, found)
        return self._hits(found[:k])

    def ranked(self, queries: Sequence[Query], depth: int, mode: Literal["dense", "lexical"]) -> list[Ranking]:
        """The best `depth` (chunk id, score) for each query, best first, equals by id; scores as those of a hit."""
        if mode == "lexical":
            words = self._lexical()
            return [words.search(query.text, depth) for query in queries]
        rankings: list[Ranking] = []
        for start in range(0, len(queries), _QUERIES_AT_ONCE):
            vectors = np.stack([_vector_of(query) for query in queries[start : start + _QUERIES_AT_ONCE]])
            found = self._collection.query(query_embeddings=vectors, n_results=depth, include=["distances"])
            for ids, distances in zip(found["ids"], found["distances"], strict=True):
                scores = [round(1.0 - distance, _DIGITS) for distance in distances]
                rankings.append(sorted(zip(ids, scores, strict=True), key=lambda row: (-row[1], row[0])))
        return rankings

    def rerank(self, query_text: str, ranking: Sequence[tuple[str, float]]) -> Ranking:
        """A ranking with its first `rerank_depth` ordered by the release's cross-encoder; unchanged if it names none.

        Those below keep their order, with scores just under the lowest of the first. Raises `ReleaseError` when the
        cross-encoder is not the one the release was evaluated with.
        """
        said = self.manifest.retrieval
        first, rest = list(ranking[: said.rerank_depth]), ranking[said.rerank_depth :]
        if not said.reranker or not first:
            return list(ranking)
        stored = self._collection.get(ids=[chunk_id for chunk_id, _ in first], include=["documents"])
        scores = reranker_of(self.manifest, self._device).scores(query_text, stored["documents"])
        best = sorted(zip(stored["ids"], scores, strict=True), key=lambda row: (-row[1], row[0]))
        lowest, step = best[-1][1], 10**-_DIGITS
        return best + [
            (chunk_id, round(lowest - place * step, _DIGITS)) for place, (chunk_id, _) in enumerate(rest, start=1)
        ]

    def read(self, chunk_id: str) -> Hit | None:
        """One chunk by its id, from the files that are open, with a score of 0; None when the release has no such."""
        there = self._collection.get(ids=[chunk_id], include=[])["ids"]
        return self._hits([(chunk_id, 0.0)])[0] if there else None

    def look_up(self, chunk_ids: Iterable[str]) -> dict[str, Chunk]:
        """Chunk id -> chunk, of those the release holds. Raises `ReleaseError` when its chunks are gone or damaged."""
        return look_up(contents(self._home.release(self.manifest.id), self.manifest), chunk_ids)

    def _first(self, query: Query, depth: int, mode: Mode) -> Ranking:
        """The ranking before any re-ranker."""
        if mode != "hybrid":
            return self.ranked([query], depth, mode)[0]
        said = self.manifest.retrieval
        by_meaning, by_words = (self.ranked([query], said.depth, one)[0] for one in ("dense", "lexical"))
        return fuse(by_meaning, by_words, said, depth)

    def _lexical(self) -> LexicalIndex:
        if self._words is None:
            raise ReleaseError(f"release {self.manifest.id} was not opened for lexical retrieval")
        return self._words

    def _hits(self, ranking: Ranking) -> list[Hit]:
        if not ranking:
            return []
        found = self._collection.get(ids=[chunk_id for chunk_id, _ in ranking], include=["documents", "metadatas"])
        stored = dict(zip(found["ids"], zip(found["documents"], found["metadatas"], strict=True), strict=True))
        return [
            Hit(
                rank=rank,
                chunk_id=chunk_id,
                document_id=str(payload["document_id"]),
                source=str(payload["source"]),
                score=score,
                text=text,
                title=str(payload["title"]),
                uri=payload.get("uri"),
                start=int(payload["start"]),
                end=int(payload["end"]),
                heading=str(payload.get("heading") or ""),
                metadata={name: value for name, value in payload.items() if name not in _FIXED},
            )
            for rank, (chunk_id, score) in enumerate(ranking, start=1)
            for text, payload in [stored[chunk_id]]
        ]


_QUERIES_AT_ONCE = 64
_DIGITS = 6


@contextmanager
def open_release(
    home: Home, release_id: str, modes: Collection[Mode] | Literal["readable"] | None = None, *, device: str = "cpu"
) -> Iterator[OpenRelease]:
    """Open a release for reading in some modes; None: in the one it serves; "readable": in that and all others that can be.

    `device`: torch device of a re-ranker.

    Raises `ReleaseError` when there is no such release, its files are not the ones it was built with, or a mode needs its
    lexical index, which another version of this pipeline made.
    """
    folder = home.release(release_id)
    if not re.fullmatch(r"\w[\w-]*", release_id) or not folder.is_dir():  # neither a path nor a staging directory
        raise ReleaseError(f"no release {release_id!r} below {home.releases}; `rag releases` lists them")
    manifest = read_manifest(folder)
    knows_words = manifest.lexical.analyzer == lexical.entry_of(manifest.lexical.language).analyzer
    if modes == "readable":
        modes = MODES if knows_words else [manifest.retrieval.mode]
    with ExitStack() as stack:
        words = None
        if set(modes or [manifest.retrieval.mode]) - {"dense"}:
            if not knows_words:
                raise ReleaseError(
                    f"the lexical index of {manifest.id} was made by another version of this pipeline and cannot be read by "
                    "this one; `rag refresh` builds one that can"
                )
            view = stack.enter_context(intact_view(home, manifest, LEXICAL_FOLDER))
            words = stack.enter_context(lexical.opened(view, manifest.lexical.language))
        collection = stack.enter_context(chroma.reader(home, manifest))  # the records themselves lie there
        yield OpenRelease(manifest, home, device, collection, words)


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
        backend=built_with.backend,
        precision=built_with.precision,
    )


def encoder_for(home: Home, manifest: Manifest, model: Model) -> Encoder:
    """The encoder for queries to a release, after it gave the vectors of the release's canary again.

    Raises as `refuse_other_model` does, and `PipelineError` when it gives other vectors: answers would be wrong.
    """
    refuse_other_model(manifest, model)
    canary = canary_of(home, manifest)
    return trusted(model, model.load, canary) if canary else model.load()


def refuse_other_model(manifest: Manifest, model: Model) -> None:
    """Raises `ReleaseError` if the model is not the one a release was built with."""
    if model.fingerprint != manifest.model.fingerprint:
        raise ReleaseError(
            f"release {manifest.id} was built with the model {manifest.model.name} ({manifest.model.fingerprint[:12]}), "
            f"but this one is {model.fingerprint[:12]}: other weights, tokenizer, pooling, prompts, sequence length, "
            "back end or precision; vectors of different models cannot be compared. Put that model back, or refresh"
        )


def _vector_of(query: Query) -> Vectors:
    if query.vector is None:
        raise ValueError("dense retrieval needs the query's vector")
    return query.vector.reshape(-1)
