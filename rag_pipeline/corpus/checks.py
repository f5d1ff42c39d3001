"""What must hold of the corpus. It is read back from what is stored, and does not trust what was written."""

from collections.abc import Iterator
from itertools import pairwise

import polars as pl

from rag_pipeline.corpus.tables import chunks_table, vectors_table
from rag_pipeline.home import Home
from rag_pipeline.ingest.tables import source_tables
from rag_pipeline.lake import collected, in_batches, in_buckets

_CHARACTERS = 64_000_000
"""Characters of documents that are checked together. Each part reads the ids of every chunk once more, so not too few."""

_SAMPLED = 100
"""Ids of chunks that are looked at for each part."""
_READ = 262_144

Broken = list[tuple[str, str]]
"""(chunk id, document id)"""


def chunks_outside_their_document(home: Home, sources: list[str]) -> Broken:
    """Chunks whose text is not `text[start:end]` of a stored document, or whose document is not stored."""
    table = chunks_table(home)
    chunks = table.scan()
    tables = [source_tables(home, source).documents.scan().select("document_id", "text") for source in sources]
    wrong: Broken = []
    for mine in _parts(chunks, table.rows()):
        texts = {document: text for one in tables for document, text in one.filter(mine).pipe(collected).iter_rows()}
        spans = chunks.filter(mine).select("chunk_id", "document_id", "start", "end", "text").pipe(collected)
        wrong += [
            (chunk, document)
            for chunk, document, start, end, text in spans.iter_rows()
            if document not in texts or texts[document][start:end] != text
        ]
    return wrong


def _parts(chunks: pl.LazyFrame, rows: int) -> Iterator[pl.Expr]:
    """Ranges of document ids that divide them all, each with about as much text; told from a sample of the ids."""
    characters = int(chunks.select((pl.col("end") - pl.col("start")).sum()).pipe(collected).item() or 0)
    parts = characters // _CHARACTERS + 1
    every = max(1, rows // (parts * _SAMPLED)) if parts > 1 else max(1, rows)
    sample = sorted(
        one for batch in in_batches(chunks.select("document_id"), _READ) for one in batch["document_id"][::every]
    )
    cuts = sorted({sample[part * len(sample) // parts] for part in range(1, parts)}) if sample else []
    document = pl.col("document_id")
    for low, high in pairwise([None, *cuts, None]):
        from_low = pl.lit(value=True) if low is None else document >= low
        yield from_low if high is None else from_low & (document < high)


def chunks_without_vector(home: Home, model: str) -> Broken:
    """Chunks whose text has no vector of a model, looked up by buckets of texts' hashes."""
    vectors = vectors_table(home).scan().filter(pl.col("model") == model).select("text_hash")
    chunks = chunks_table(home).scan().select("text_hash", "chunk_id", "document_id")
    rows = max(chunks_table(home).rows(), vectors_table(home).rows())
    broken: Broken = []
    for here, there in in_buckets((chunks, vectors), "text_hash", rows, home.scratch):
        broken += here.join(there, on="text_hash", how="anti").select("chunk_id", "document_id").rows()
    return broken
