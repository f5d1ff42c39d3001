"""A corpus in memory that answers as a release of it would.

Cut and embedded by the product's own parts, searched by meaning exactly (or through a graph of Chroma's), by words through
tantivy, fused and scored by the product. What a release could be instead is other documents, other chunks or other vectors.
"""

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchmarks.judged import Judged
from rag_pipeline.contracts.read import read_contracts
from rag_pipeline.corpus.chunking import chunkers_of
from rag_pipeline.corpus.chunks import chunks_of
from rag_pipeline.corpus.model import Model, Vectors, model_of
from rag_pipeline.corpus.query_vectors import query_vectors
from rag_pipeline.corpus.tables import vectors_table
from rag_pipeline.evaluate.chunk_spans import Places
from rag_pipeline.evaluate.measure import Rankings, evaluate_way
from rag_pipeline.files import fingerprint
from rag_pipeline.golden.made_probes import Asked, Draw, Known, probes_of
from rag_pipeline.golden.named import named_documents
from rag_pipeline.golden.read import read_golden_set
from rag_pipeline.golden.resolve import ResolvedSet, corpus_for, resolve
from rag_pipeline.home import Home
from rag_pipeline.index import chroma, lexical
from rag_pipeline.index.fusion import Ranking
from rag_pipeline.index.manifest import IndexParameters, Manifest, Mode, RetrievalParameters, read_manifest
from rag_pipeline.index.release_chunks import contents
from rag_pipeline.ingest.tables import source_tables
from rag_pipeline.settings import Settings

DEPTH = 100
"""Chunks ranked for a question, as the product does for ten documents."""
KEPT = 30
"""Documents of a list."""
NONE = -1
"""In a list that is shorter."""

_MADE = 1_000
"""Questions made by rule at most, of which each golden set has some as its probes."""

Answers = NDArray[np.int32]
"""Shape (questions, KEPT): which documents each question brings, best first, as places in `Library.names`."""
Document = dict[str, Any]


@dataclass(frozen=True)
class Chunks:
    """What a release would hold, and the vector of each."""

    frame: pl.DataFrame
    vectors: Vectors

    def only(self, documents: Iterable[str], *, without: bool = False) -> "Chunks":
        """Those of some documents, or all but those."""
        named = self.frame["document_id"].is_in(sorted(documents))
        keep = ~named if without else named
        return Chunks(self.frame.filter(keep), self.vectors[keep.to_numpy()])

    def moved(self, vectors: Vectors) -> "Chunks":
        """The same with other vectors, brought to length 1."""
        return Chunks(self.frame, np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32))


@dataclass
class Library:
    """Documents, and questions to ask them: judged ones first, then those made by rule (`rag golden probes`)."""

    name: str
    living: ResolvedSet
    """The judged questions, as the release that serves can answer them."""
    asked: dict[str, str]
    """question id -> text, of all"""
    vectors: Vectors
    """Of the questions, in their order."""
    documents: list[Document]
    chunks: Chunks
    settings: Settings
    model: Model
    names: list[str]
    """Every document there is or could be."""
    embedded: Path
    """Folder of the vectors that were made here, for the next time."""
    made_from: dict[str, str] = field(default_factory=dict)
    """id of a question that was made by rule -> the document it was made from"""
    known: dict[str, Vectors] = field(default_factory=dict)
    """hash of a text -> its vector"""

    @cached_property
    def judged(self) -> int:
        """How many questions are judged; they come first."""
        return len(self.living.qrels)

    @property
    def everybody(self) -> NDArray[np.int64]:
        """The judged questions, as places among all."""
        return np.arange(self.judged)

    @cached_property
    def place(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.names)}

    def unasked(self) -> list[str]:
        """Documents that no question is about, in order of their names."""
        about = {document for grades in self.living.qrels.values() for document in grades}
        return sorted(one["document_id"] for one in self.documents if one["document_id"] not in about)

    def cut(self, documents: list[Document], tokens: int = 0) -> Chunks:
        """Documents cut anew and embedded, what is known already from memory.

        `tokens`: 0 as the release is, each source as its contract says; else every source alike.
        """
        settings = self.settings.model_copy(update={"chunk_tokens": tokens}) if tokens else self.settings
        chunkers = chunkers_of(settings, () if tokens else read_contracts(settings.contracts))
        rows = [row for one in documents for row in chunks_of(one, chunkers.of(one["source"]))]
        frame = pl.DataFrame(rows, infer_schema_length=None)
        texts = dict(zip(frame["text_hash"], frame["text"], strict=True))
        new = {one: text for one, text in texts.items() if one not in self.known}
        if new:
            order = sorted(new, key=lambda one: len(new[one]))
            self._remember(dict(zip(order, self.model.load().documents([new[one] for one in order]), strict=True)))
        return Chunks(frame, np.stack([self.known[one] for one in frame["text_hash"]]))

    def _remember(self, vectors: dict[str, Vectors]) -> None:
        """Also for the next time this runs."""
        file = self.embedded / f"{fingerprint(sorted(vectors))}.npz"
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savez(file, hashes=np.array(list(vectors)), vectors=np.stack(list(vectors.values())))
        self.known |= vectors

    def recall(self) -> "Library":
        """With the vectors that were made when this ran before."""
        for file in sorted(self.embedded.glob("*.npz")):
            with np.load(file) as stored:
                self.known |= dict(zip(stored["hashes"].tolist(), stored["vectors"], strict=True))
        return self

    def answers(self, chunks: Chunks, *modes: Mode, graph: int | None = None) -> dict[Mode, Answers]:
        """What every question brings, in each way to retrieve. `graph`: seed of the order in which a graph is built."""
        rankings = Rankings(
            self._nearest(chunks) if graph is None else self._through_a_graph(chunks, graph), self._by_words(chunks)
        )
        rows = chunks.frame.select("chunk_id", "document_id", "start", "end").iter_rows()
        places = Places({row[0]: row[1:] for row in rows}, {})
        found: dict[Mode, Answers] = {}
        for mode in modes:
            way = RetrievalParameters(mode=mode)
            measured = evaluate_way(None, places, self.living, rankings, way, [f"judged@{KEPT}"])  # type: ignore[arg-type]
            found[mode] = self.packed([measured.retrieved[question] for question in self.asked])
        return found

    def packed(self, lists: list[list[str]]) -> Answers:
        """Lists of documents as numbers."""
        answers = np.full((len(lists), KEPT), NONE, dtype=np.int32)
        for row, documents in enumerate(lists):
            answers[row, : len(documents)] = [self.place[one] for one in documents[:KEPT]]
        return answers

    def _nearest(self, chunks: Chunks) -> dict[str, Ranking]:
        """Exact search by meaning."""
        ids, names, depth = chunks.frame["chunk_id"].to_list(), list(self.asked), min(DEPTH, chunks.frame.height)
        found: dict[str, Ranking] = {}
        for start in range(0, len(names), 512):
            nearness = self.vectors[start : start + 512] @ chunks.vectors.T
            best = np.argpartition(-nearness, depth - 1, axis=1)[:, :depth]
            for row, name in enumerate(names[start : start + 512]):
                found[name] = _ordered((ids[place], round(float(nearness[row, place]), 6)) for place in best[row])
        return found

    def _through_a_graph(self, chunks: Chunks, seed: int) -> dict[str, Ranking]:
        """Approximate search, through a graph that was built in an order of its own."""
        order = np.random.default_rng(seed).permutation(chunks.frame.height)
        ids, vectors = [chunks.frame["chunk_id"][int(place)] for place in order], chunks.vectors[order]
        found: dict[str, Ranking] = {}
        with tempfile.TemporaryDirectory() as folder:
            step = chroma.batch_rows(len(ids))
            with chroma.writer(Path(folder), IndexParameters(), len(ids)) as collection:
                for start in range(0, len(ids), step):
                    collection.add(ids=ids[start : start + step], embeddings=vectors[start : start + step])
            with chroma.client(Path(folder)) as opened:
                collection = opened.get_collection(chroma.COLLECTION, embedding_function=None)
                names = list(self.asked)
                for start in range(0, len(names), 64):
                    part = self.vectors[start : start + 64]
                    brought = collection.query(query_embeddings=part, n_results=min(DEPTH, len(ids)), include=["distances"])
                    for name, keys, distances in zip(
                        names[start : start + 64], brought["ids"], brought["distances"] or [], strict=True
                    ):
                        pairs = zip(keys, distances, strict=True)
                        found[name] = _ordered((key, round(1.0 - distance, 6)) for key, distance in pairs)
        return found

    def _by_words(self, chunks: Chunks) -> dict[str, Ranking]:
        """BM25, through an index made for these chunks."""
        language = self.settings.lexical_language
        with tempfile.TemporaryDirectory() as folder:
            lexical.fill_whole(Path(folder) / "words", chunks.frame.lazy(), language)
            with lexical.opened(Path(folder) / "words", language) as words:
                return {name: words.search(text, DEPTH) for name, text in self.asked.items()}


def _ordered(ranking: Iterable[tuple[str, float]]) -> Ranking:
    return sorted(ranking, key=lambda one: (-one[1], one[0]))


def library_of(judged: Judged, limit: int, work: Path) -> Library:
    """What a release holds, with `limit` of its judged questions at most (drawn at random), and probes made from it.

    `work`: folder below which its vectors are remembered.
    """
    settings, model = judged.settings, model_of(judged.settings)
    manifest = read_manifest(settings.home.release(judged.release))
    golden = read_golden_set(settings.evals / judged.name)
    living = _some(resolve(golden, corpus_for(settings.home, list(manifest.sources), (golden,))), limit)
    asked = {query: golden.queries[query] for query in living.qrels}
    named = [one for source in sorted(manifest.sources) for one in named_documents(settings.home, source)]
    judged_documents = {one for grades in living.qrels.values() for one in grades}
    made = probes_of(Asked(settings.home), named, Known(golden.queries.values(), judged_documents), Draw(_MADE))
    asked |= {one.id: one.text for one in made}
    vectors = query_vectors(settings.home, manifest.model.fingerprint, model.load, list(asked.values()))
    documents = [
        row | {"source": source}
        for source in sorted(manifest.sources)
        for row in source_tables(settings.home, source).documents.scan().collect().iter_rows(named=True)
    ]
    documents.sort(key=lambda one: str(one["document_id"]))
    chunks = _chunks(settings.home, judged.release, manifest)
    return Library(
        name=judged.name,
        living=living,
        asked=asked,
        vectors=vectors,
        documents=documents,
        chunks=chunks,
        settings=settings,
        model=model,
        names=[str(one["document_id"]) for one in documents],
        embedded=work / judged.name / "embedded",
        made_from={one.id: one.document for one in made},
        known=dict(zip(chunks.frame["text_hash"], chunks.vectors, strict=True)),
    ).recall()


def _chunks(home: Home, release: str, manifest: Manifest) -> Chunks:
    frame = contents(home.release(release), manifest).collect()
    stored = vectors_table(home).scan().filter(pl.col("model") == manifest.model.fingerprint)
    one_each = stored.select("text_hash", "vector").unique("text_hash").collect()
    both = frame.select("text_hash").join(one_each, on="text_hash", how="left", maintain_order="left")
    vectors = both["vector"].explode().to_numpy().reshape(both.height, -1).astype(np.float32)
    return Chunks(frame, vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def _some(living: ResolvedSet, limit: int) -> ResolvedSet:
    """The set with as many questions at most, drawn at random."""
    queries = list(living.qrels)
    if len(queries) <= limit:
        return living
    drawn = sorted(np.random.default_rng(3).permutation(len(queries))[:limit])
    return ResolvedSet(living.golden, {queries[place]: living.qrels[queries[place]] for place in drawn}, living.unresolved)
