"""Retrieving from one release. A reader resolves a channel to a release and opens that; it never follows it."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from rag_pipeline.corpus.control import trusted
from rag_pipeline.corpus.model import Encoder, Model, Vectors, same_machine
from rag_pipeline.errors import ReleaseError
from rag_pipeline.home import Home
from rag_pipeline.index import chroma, lexical
from rag_pipeline.index.control import control_of
from rag_pipeline.index.fusion import Ranking, fuse
from rag_pipeline.index.lexical import LexicalIndex
from rag_pipeline.index.manifest import MODES, Manifest, Mode, read_manifest
from rag_pipeline.index.narrow import Catalogue, Chosen, Narrow
from rag_pipeline.index.nearest import nearest
from rag_pipeline.index.release_chunks import Chunk, contents, look_up
from rag_pipeline.index.rerank import reranker_of
from rag_pipeline.index.scopes import readable
from rag_pipeline.index.views import is_kept
from rag_pipeline.index.words import Words, open_words


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
    """A release open for reading. `device`: torch device of a re-ranker."""

    manifest: Manifest
    _home: Home
    device: str
    _collections: Mapping[str, Any]
    """Scope -> its collection, of those that may be read: what is not in here cannot be reached from here."""
    _words: Words | None
    _catalogue: Catalogue
    _chosen: Chosen | None = None
    """The rows that are left; None: all."""
    _hidden: frozenset[str] = frozenset()
    """Ids of chunks that are not told of, though the release holds them."""

    def readable_by(self, reads: Iterable[str]) -> "OpenRelease":
        """The same release, with nothing in it but the scopes that these words grant (`all`, `public`, labels)."""
        scopes = readable(self.manifest, reads) & self._collections.keys()
        return replace(self, _collections={name: self._collections[name] for name in sorted(scopes)}, _chosen=None)

    def narrowed(self, narrow: Narrow) -> "OpenRelease":
        """The same release, searched among some of its rows only. Raises as `Catalogue.choose` does."""
        return replace(self, _chosen=self._catalogue.choose(narrow, self._collections))

    def without(self, hidden: frozenset[str]) -> "OpenRelease":
        """The same release, as if it did not hold these chunks, but for the statistics of words."""
        return replace(self, _hidden=self._hidden | hidden) if hidden else self

    @property
    def scopes(self) -> frozenset[str]:
        """What of it is open: nothing else can be found or read."""
        return frozenset(self._collections)

    @property
    def modes(self) -> tuple[Mode, ...]:
        """The modes it is open in."""
        return MODES if self._words else ("dense",)

    def search(self, query: Query | Vectors, k: int, mode: Mode | None = None, *, rerank: bool = True) -> list[Hit]:
        """The `k` best chunks, best first, equals by chunk id; `mode` None: as the release serves; `rerank` False: without
        the re-ranker, if it names one.

        A bare vector is a query without text. Hybrid answers are as long as the two fused lists at most. Raises
        `ReleaseError` when the release cannot retrieve that way, `ValueError` when the query lacks what the mode needs.
        """
        asked = query if isinstance(query, Query) else Query("", query)
        said = self.manifest.retrieval
        found = self._first(asked, max(k, said.rerank_depth), mode or said.mode)
        if said.reranker and rerank:
            if not asked.text.strip():
                raise ValueError("a re-ranker reads the question; give its text")
            found = self.rerank(asked.text, found)
        return self._hits(found[:k])

    def ranked(self, queries: Sequence[Query], depth: int, mode: Literal["dense", "lexical"]) -> list[Ranking]:
        """The best `depth` (chunk id, score) for each query, best first, equals by id; scores as those of a hit."""
        deeper = depth + len(self._hidden)
        if mode == "lexical":
            words = self._lexical()
            among = self._chosen.among if self._chosen else None
            return [self._seen(words.search(query.text, deeper, among), depth) if words else [] for query in queries]
        rankings: list[Ranking] = []
        chosen = self._chosen
        if chosen is None and len(self._collections) > 1:
            chosen = self._catalogue.choose(Narrow(), self._collections)
        for start in range(0, len(queries), _QUERIES_AT_ONCE):
            vectors = np.stack([_vector_of(query) for query in queries[start : start + _QUERIES_AT_ONCE]])
            rankings += [self._seen(one, depth) for one in nearest(self._collections, vectors, deeper, chosen)]
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
        stored = self._stored([chunk_id for chunk_id, _ in first])
        scores = reranker_of(self.manifest, self.device).scores(query_text, [text for text, _ in stored.values()])
        best = sorted(zip(stored, scores, strict=True), key=lambda row: (-row[1], row[0]))
        lowest, step = best[-1][1], 10**-_DIGITS
        return best + [
            (chunk_id, round(lowest - place * step, _DIGITS)) for place, (chunk_id, _) in enumerate(rest, start=1)
        ]

    def read(self, *chunk_ids: str) -> list[Hit]:
        """Those of some chunks that the release has, from the files that are open, with a score of 0.

        One that is hidden, or lies in a scope that is not open, is looked for as one that is nowhere: with the same work.
        """
        return self._hits([(_NOBODY if chunk_id in self._hidden else chunk_id, 0.0) for chunk_id in chunk_ids])

    def look_up(self, chunk_ids: Iterable[str]) -> dict[str, Chunk]:
        """Chunk id -> chunk, of those the release holds, whoever may read them: for those who measure and judge.

        Raises `ReleaseError` when its chunks are gone or damaged.
        """
        return look_up(contents(self._home.release(self.manifest.id), self.manifest), chunk_ids)

    def chunks_of(self, documents: Collection[str]) -> frozenset[str]:
        """Ids of the chunks of some documents, as far as they can be read."""
        wanted = {"document_id": {"$in": sorted(documents)}}
        found = [one.get(where=wanted, include=[])["ids"] for one in self._collections.values() if documents]
        return frozenset(chunk_id for ids in found for chunk_id in ids)

    def _first(self, query: Query, depth: int, mode: Mode) -> Ranking:
        """The ranking before any re-ranker."""
        if mode != "hybrid":
            return self.ranked([query], depth, mode)[0]
        said = self.manifest.retrieval
        by_meaning, by_words = (self.ranked([query], said.depth, one)[0] for one in ("dense", "lexical"))
        return fuse(by_meaning, by_words, said, depth)

    def _seen(self, ranking: Ranking, depth: int) -> Ranking:
        """The first of a ranking, without what is hidden."""
        return [row for row in ranking if row[0] not in self._hidden][:depth]

    def _lexical(self) -> LexicalIndex | None:
        """The index over the scopes that can be read; None where there are none."""
        if self._words is None:
            raise ReleaseError(f"release {self.manifest.id} was not opened for lexical retrieval")
        return self._words.of(self.scopes) if self._collections else None

    def _stored(self, chunk_ids: list[str]) -> dict[str, tuple[str, Any]]:
        """Chunk id -> text and payload, of those that are there; each scope that can be read is asked for all of them."""
        found: dict[str, tuple[str, Any]] = {}
        for collection in self._collections.values() if chunk_ids else ():
            answer = collection.get(ids=chunk_ids, include=["documents", "metadatas"])
            held = zip(answer["documents"], answer["metadatas"], strict=True)
            found.update(zip(answer["ids"], held, strict=True))
        return found

    def _hits(self, ranking: Ranking) -> list[Hit]:
        stored = self._stored([chunk_id for chunk_id, _ in ranking])
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
            for rank, (chunk_id, score) in enumerate((row for row in ranking if row[0] in stored), start=1)
            for text, payload in [stored[chunk_id]]
        ]


_NOBODY = "0" * 32
"""An id as long as any other that no chunk has."""
_QUERIES_AT_ONCE, _DIGITS = 64, 6


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
    if not is_kept(home, release_id):
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
            words = stack.enter_context(open_words(home, manifest))
        opened = stack.enter_context(chroma.readers(home, manifest))  # the records themselves lie there
        catalogue = Catalogue(manifest, lambda: contents(folder, manifest), opened.vectors)
        yield OpenRelease(manifest, home, device, opened.collections, words, catalogue)


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
    """The encoder for queries to a release, after it gave the vectors of the release's control texts again.

    Raises as `refuse_other_model` does, and `PipelineError` when it gives other vectors: answers would be wrong.
    """
    refuse_other_model(manifest, model)
    control = control_of(home, manifest)
    return trusted(model, model.load, control) if control else model.load()


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
