"""Small stand-ins the tests below corpus, index, evaluate and release share: an encoder that counts, rows, releases."""

import functools
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa

from rag_pipeline.corpus.chunking import Chunker
from rag_pipeline.corpus.chunks import update_chunks
from rag_pipeline.corpus.embeddings import update_embeddings
from rag_pipeline.corpus.model import Encoder, Model, Vectors, model_of
from rag_pipeline.corpus.tables import CHUNKS, VECTORS, chunks_table, vectors_table
from rag_pipeline.files import fingerprint
from rag_pipeline.home import Home
from rag_pipeline.index.build import Built, Recipe, build_release
from rag_pipeline.index.manifest import ModelEntry, SourceEntry
from rag_pipeline.ingest.tables import DOCUMENTS, source_tables
from rag_pipeline.settings import Settings

NOW = datetime(2026, 3, 1, 2, 0, tzinfo=UTC)
"""The night all tests run in."""

DIMENSIONS = 256


def bag_of_words(text: str) -> Vectors:
    """A vector of a text's words alone: texts that share words are near, whatever stands beside them."""
    vector = np.full(DIMENSIONS, 1e-3, dtype=np.float32)
    for word in text.lower().split():
        vector[hashlib.sha256(word.strip(".,#?").encode()).digest()[0]] += 1
    return vector / np.linalg.norm(vector)


@dataclass
class CountingEncoder:
    """Deterministic and instant; remembers every text it was given, and can die after some."""

    dies_after: int | None = None
    seen: list[str] = field(default_factory=list)

    def documents(self, texts: list[str]) -> Vectors:
        if self.dies_after is not None and len(self.seen) >= self.dies_after:
            raise RuntimeError("the machine went away")
        self.seen += texts
        return np.stack([bag_of_words(text) for text in texts])

    def queries(self, texts: list[str]) -> Vectors:
        return np.stack([bag_of_words(text) for text in texts])


@dataclass(frozen=True)
class SmallModel:
    """What the pipeline needs of a model, without a model."""

    fingerprint: str = "small"
    dimensions: int = DIMENSIONS

    def load(self) -> Encoder:
        return CountingEncoder()


SMALL = SmallModel()


def entry(model: SmallModel) -> ModelEntry:
    return ModelEntry(name="small", fingerprint=model.fingerprint, dimensions=model.dimensions)


@functools.cache
def real_model() -> Model:
    """The default model as sentence-transformers runs it; its tokenizer is cheap, its weights are not."""
    return replace(model_of(Settings()), exports=Path())


@functools.cache
def real_encoder() -> Encoder:
    return real_model().load()


@functools.cache
def chunker(max_tokens: int = 40, min_tokens: int = 0) -> Chunker:
    return Chunker(real_model(), max_tokens, min_tokens)


def document(source: str, key: str, text: str, **changes: str) -> dict[str, object]:
    """One row of a documents table."""
    row = {"title": key, "uri": f"file:///{key}", "metadata": "{}", **changes}
    return {
        **dict.fromkeys(DOCUMENTS.names, ""),
        **row,
        "document_id": f"{source}/{key}",
        "key": key,
        "text": text,
        "modified_at": NOW,
        "content_hash": fingerprint(text, row),
    }


def store_documents(home: Home, source: str, texts: Mapping[str, str]) -> None:
    """Make a source hold exactly these documents."""
    rows = [document(source, key, text) for key, text in texts.items()]
    source_tables(home, source).documents.overwrite(pa.Table.from_pylist(rows, DOCUMENTS))


def store_vectors(home: Home, vectors: Vectors, model: str = "small") -> list[str]:
    """Chunks `c00000`, `c00001`, … with these vectors, one document each, straight into the tables; their ids."""
    ids = [f"c{number:05d}" for number in range(len(vectors))]
    rows = [
        {
            **dict.fromkeys(CHUNKS.names, "x"),
            "chunk_id": name,
            "document_id": f"numbers/{name}",
            "source": "numbers",
            "text": f"text of {name}",
            "text_hash": fingerprint(f"text of {name}"),
            "start": 0,
            "end": 14,
            "parts": 1,
            "metadata": "{}",
        }
        for name in ids
    ]
    chunks_table(home).overwrite(pa.Table.from_pylist(rows, CHUNKS))
    stored = [
        {"model": model, "text_hash": fingerprint(f"text of {name}"), "vector": row.tolist()}
        for name, row in zip(ids, vectors, strict=True)
    ]
    vectors_table(home).overwrite(pa.Table.from_pylist(stored, VECTORS))
    return ids


def unit_vectors(count: int, dimensions: int = 8, seed: int = 7) -> Vectors:
    vectors = np.random.default_rng(seed).normal(size=(count, dimensions)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def recipe(model: SmallModel = SMALL, sources: Sequence[str] = ("handbook",)) -> Recipe:
    said = SourceEntry(documents=1, chunks=1, data_version="1", contract_id="handbook", contract_version="1.0.0")
    return Recipe(model=entry(model), chunker="small", sources=dict.fromkeys(sources, said))


def build(home: Home, *, now: datetime = NOW, model: SmallModel = SMALL) -> Built:
    """The release of what the tables hold, whatever the length of its vectors."""
    lengths = vectors_table(home).scan().select(pl.col("vector").list.len()).head(1).collect().to_series()
    model = replace(model, dimensions=int(lengths[0]) if len(lengths) else DIMENSIONS)
    return build_release(home, recipe(model), run_id="test", now=now)


def release_of(home: Home, texts: Mapping[str, str], *, now: datetime = NOW, model: SmallModel = SMALL) -> Built:
    """The release of a source `handbook` that holds exactly these documents: cut, embedded, built."""
    store_documents(home, "handbook", texts)
    update_chunks(home, ["handbook"], chunker())
    update_embeddings(home, model, model.load)  # type: ignore[arg-type]
    return build(home, now=now, model=model)
