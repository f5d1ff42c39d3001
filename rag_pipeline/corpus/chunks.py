"""Keeping the chunks table equal to what the documents say, cutting only what changed."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import polars as pl
import pyarrow as pa

from rag_pipeline.corpus.chunking import Chunker, Chunkers
from rag_pipeline.corpus.tables import CHUNKS, chunks_table
from rag_pipeline.files import fingerprint
from rag_pipeline.home import Home
from rag_pipeline.ingest.tables import source_tables
from rag_pipeline.lake import RowsFingerprint, Table, collected, in_buckets
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
        wanted = _documents(home, sources).select("document_id", "content_hash", "source").pipe(collected)
        stored = _stored(table)
        cut_by = pl.col("source").replace_strict(
            {source: chunkers.of(source).fingerprint for source in sources}, default="", return_dtype=pl.String
        )
        whole = (pl.col("chunker") == cut_by) & (pl.col("parts") == pl.col("found"))
        current = stored.filter(whole & (pl.len().over("document_id") == 1))  # a lost commit can leave it cut in two ways
        left = wanted.join(
            current, left_on=["document_id", "content_hash"], right_on=["document_id", "document_hash"], how="anti"
        )
        stale = left["document_id"]
        gone = stored.join(wanted, on="document_id", how="anti")["document_id"].unique()
        outdated = stored.filter(pl.col("document_id").is_in(stale.implode()))["document_id"].unique()
        changed = pl.concat([gone, outdated, stale])
        # A frame of the files as they are now, which stay: it is computed when all is done.
        before = table.scan().select("chunk_id") if len(changed) else None
        _delete(table, pl.concat([gone, outdated]).to_list(), everything=stored["document_id"].n_unique())
        _cut(table, home, sources, stale, chunkers)
        return _report(home, before, wanted.height, left["source"])


def _stored(table: Table) -> pl.DataFrame:
    """Every way each document is stored cut, with the chunks it was cut into and the chunks found."""
    cut = table.scan().group_by("document_id", "document_hash", "chunker", "source")
    return cut.agg(pl.col("parts").max(), found=pl.len().cast(pl.Int64)).pipe(collected)


def _documents(home: Home, sources: list[str]) -> pl.LazyFrame:
    frames = [source_tables(home, source).documents.scan().with_columns(source=pl.lit(source)) for source in sorted(sources)]
    return pl.concat(frames)


def _delete(table: Table, documents: list[str], *, everything: int) -> None:
    if documents and len(documents) == everything:
        table.delete("true")
        return
    for start in range(0, len(documents), _DELETE_IDS):
        quoted = ", ".join("'" + name.replace("'", "''") + "'" for name in documents[start : start + _DELETE_IDS])
        table.delete(f"document_id in ({quoted})")


def _cut(table: Table, home: Home, sources: list[str], stale: pl.Series, chunkers: Chunkers) -> None:
    rows: list[dict[str, Any]] = []
    documents = _documents(home, sources).filter(pl.col("document_id").is_in(stale.implode()))
    with progress("cutting documents", len(stale), unit="documents") as advance:
        for batch in table.batches(documents, _READ_DOCUMENTS):
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


def _report(home: Home, before: pl.LazyFrame | None, documents: int, cut: pl.Series) -> ChunkReport:
    """`before`: ids of the chunks there were; None when nothing was written. `cut`: the source of each document cut.

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
        documents_cut=len(cut),
        added=added,
        removed=removed,
        by_source=dict(sorted(sources.items())),
        cut_by_source=dict(sorted(cut.value_counts().iter_rows())),
        duplicate_texts=sources.total() - texts,
        data_version=digest.hex(),
    )
