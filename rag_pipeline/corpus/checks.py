"""What must hold of the corpus, read back from what is stored rather than believed of what was written."""

from pathlib import Path

import polars as pl

from rag_pipeline.corpus.tables import chunks_table, vectors_table
from rag_pipeline.ingest.tables import source_tables

_DOCUMENTS = 200

Broken = list[tuple[str, str]]
"""(chunk id, document id)"""


def chunks_outside_their_document(home: Path, sources: list[str]) -> Broken:
    """Chunks whose text is not `text[start:end]` of a stored document, or whose document is not stored."""
    chunks = chunks_table(home)
    spans = chunks.scan().select("chunk_id", "document_id", "start", "end", "text")
    wrong: Broken = []
    looked_at = 0
    for source in sources:
        documents = source_tables(home, source).documents
        for batch in documents.batches(documents.scan().select("document_id", "text"), _DOCUMENTS):
            texts = dict(batch.iter_rows())
            rows = spans.filter(pl.col("document_id").is_in(list(texts))).collect()
            looked_at += rows.height
            wrong += [
                (chunk, document)
                for chunk, document, start, end, text in rows.iter_rows()
                if texts[document][start:end] != text
            ]
    stored = int(chunks.scan().select(pl.len()).collect().item())
    if stored != looked_at:
        known = {document for source in sources for document in _ids(home, source)}
        orphans = spans.filter(~pl.col("document_id").is_in(list(known))).select("chunk_id", "document_id")
        wrong += orphans.collect().rows()
    return wrong


def _ids(home: Path, source: str) -> list[str]:
    return source_tables(home, source).documents.scan().select("document_id").collect()["document_id"].to_list()


def chunks_without_vector(home: Path, model: str) -> Broken:
    """Chunks whose text has no vector of a model."""
    vectors = vectors_table(home).scan().filter(pl.col("model") == model).select("text_hash")
    rows = chunks_table(home).scan().join(vectors, on="text_hash", how="anti").select("chunk_id", "document_id")
    return rows.collect().rows()
