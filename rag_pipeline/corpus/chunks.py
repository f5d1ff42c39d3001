"""Keeping the chunks table equal to what the documents say, cutting only what changed."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import polars as pl
import pyarrow as pa

from rag_pipeline.corpus.chunking import Chunker, Chunkers
from rag_pipeline.corpus.outdated import Outdated, outdated
from rag_pipeline.corpus.tables import CHUNKS, chunks_table
from rag_pipeline.files import fingerprint
from rag_pipeline.home import Home
from rag_pipeline.lake import RowsFingerprint, Table, in_buckets
from rag_pipeline.progress import progress

_COMMIT_CHUNKS = 20_000
_READ_DOCUMENTS = 200
_DELETE_IDS = 1_000


@dataclass(frozen=True, slots=True)
class ChunkReport:
    """What one update of the chunks table did."""

    total: int
    documents: int
    documents_cut: int
    added: int
    removed: int
    by_source: dict[str, int]
    cut_by_source: dict[str, int]
    """Documents that were cut now, of the sources that had any."""
    duplicate_texts: int
    data_version: str


_NONE: Mapping[str, Chunker] = MappingProxyType({})


def update_chunks(home: Home, sources: list[str], chunker: Chunker, own: Mapping[str, Chunker] = _NONE) -> ChunkReport:
    """Cut every document that is new, changed, or was cut another way; drop the chunks of those that are gone.

    `own`: chunkers of the sources that are not cut by `chunker`. What to do is derived from what is stored, so a run killed
    half way is finished by the next one.
    """
    chunkers = Chunkers(chunker, own)
    with home.exclusive_table(home.chunks, wait_s=600):
        table = chunks_table(home)
        table.heal()
        whole = {source: chunkers.of(source).fingerprint for source in sources}
        with outdated(home, sources, table, whole) as found:
            # A frame of the files as they are now, which stay: it is computed when all is done.
            before = table.scan().select("chunk_id") if found.removed or found.to_cut else None
            _delete(table, found)
            _cut(table, found, chunkers)
            return _report(home, before, found.documents, found.to_cut)


def _delete(table: Table, found: Outdated) -> None:
    if found.removed and found.removed == found.stored:
        table.delete("true")
        return
    for some in found.ids_removed(_DELETE_IDS):
        quoted = ", ".join("'" + name.replace("'", "''") + "'" for name in some)
        table.delete(f"document_id in ({quoted})")


def _cut(table: Table, found: Outdated, chunkers: Chunkers) -> None:
    rows: list[dict[str, Any]] = []
    with progress("cutting documents", found.to_cut.total(), unit="documents") as advance:
        for batch in found.cut(_READ_DOCUMENTS):
            for document in batch.iter_rows(named=True):
                rows += chunks_of(document, chunkers.of(document["source"]))
                advance()
            if len(rows) >= _COMMIT_CHUNKS:
                table.append(pa.Table.from_pylist(rows, CHUNKS))
                rows = []
    if rows or not table.exists:
        table.append(pa.Table.from_pylist(rows, CHUNKS))


def chunks_of(document: dict[str, Any], chunker: Chunker) -> Iterator[dict[str, Any]]:
    """Rows of the chunks table for one row of a documents table (with its `source`)."""
    seen: Counter[str] = Counter()
    spans = list(chunker.spans(document["text"]))
    for span in spans:
        text = document["text"][span.start : span.end]
        ordinal = seen[text]
        seen[text] += 1
        payload = {
            "title": document["title"],
            "uri": document["uri"],
            "metadata": document["metadata"],
            "heading": " > ".join(span.heading),
            "start": span.start,
            "end": span.end,
        }
        yield payload | {
            "chunk_id": fingerprint(document["document_id"], text, ordinal),
            "document_id": document["document_id"],
            "source": document["source"],
            "text": text,
            "text_hash": fingerprint(text),
            "payload_hash": fingerprint(payload, length=16),
            "document_hash": document["content_hash"],
            "chunker": chunker.fingerprint,
            "parts": len(spans),
        }


def _report(home: Home, before: pl.LazyFrame | None, documents: int, cut: Counter[str]) -> ChunkReport:
    """`before`: ids of the chunks there were; None when nothing was written. `cut`: source -> documents cut.

    By buckets of ids, and of texts' hashes, so that it never holds those of all chunks.
    """
    table = chunks_table(home)
    now, rows, digest, sources = table.scan(), table.rows(), RowsFingerprint(), Counter[str]()
    added = removed = 0
    ids = now.select("chunk_id", "payload_hash", "source")
    for here, was in in_buckets((ids, before if before is not None else ids.head(0)), "chunk_id", rows, home.scratch):
        digest.add(here.sort("chunk_id").select("chunk_id", "payload_hash"))
        sources.update(dict(here["source"].value_counts().iter_rows()))
        if before is not None:
            added += here.join(was, on="chunk_id", how="anti").height
            removed += was.join(here, on="chunk_id", how="anti").height
    hashes = in_buckets((now.select("text_hash"),), "text_hash", rows, home.scratch)
    texts = sum(one["text_hash"].n_unique() for (one,) in hashes)
    return ChunkReport(
        total=sources.total(),
        documents=documents,
        documents_cut=cut.total(),
        added=added,
        removed=removed,
        by_source=dict(sorted(sources.items())),
        cut_by_source=dict(sorted(cut.items())),
        duplicate_texts=sources.total() - texts,
        data_version=digest.hex(),
    )
