"""What must hold of the corpus. It is read back from what is stored, and does not trust what was written."""

import polars as pl

from rag_pipeline.corpus.tables import chunks_table, vectors_table
from rag_pipeline.home import Home
from rag_pipeline.ingest.tables import source_tables
from rag_pipeline.lake import collected, in_buckets

_CHARACTERS = 64_000_000
"""Characters of documents that are checked together. Each part reads the ids of every chunk once more, so not too few."""

Broken = list[tuple[str, str]]
"""(chunk id, document id)"""


def chunks_outside_their_document(home: Home, sources: list[str]) -> Broken:
    """Chunks whose text is not `text[start:end]` of a stored document, or whose document is not stored."""
    chunks = chunks_table(home).scan()
    documents = [source_tables(home, source).documents for source in sources]
    tables = [one.scan().select("document_id", "text") for one in documents]
    wrong: Broken = []
    parts = _parts(chunks, sum(one.rows() for one in documents))
    for part in range(parts):
        mine = pl.col("document_id").hash(seed=0) % parts == part
        texts = {document: text for table in tables for document, text in table.filter(mine).pipe(collected).iter_rows()}
        spans = chunks.filter(mine).select("chunk_id", "document_id", "start", "end", "text").pipe(collected)
        wrong += [
            (chunk, document)
            for chunk, document, start, end, text in spans.iter_rows()
            if document not in texts or texts[document][start:end] != text
        ]
    return wrong


def _parts(chunks: pl.LazyFrame, documents: int) -> int:
    """In how many parts documents are looked at, by hashes of their ids: the ids of all of them are never held."""
    characters = int(chunks.select((pl.col("end") - pl.col("start")).sum()).pipe(collected).item())
    return max(1, min(characters // _CHARACTERS + 1, documents))


def chunks_without_vector(home: Home, model: str) -> Broken:
    """Chunks whose text has no vector of a model, looked up by buckets of texts' hashes."""
    vectors = vectors_table(home).scan().filter(pl.col("model") == model).select("text_hash")
    chunks = chunks_table(home).scan().select("text_hash", "chunk_id", "document_id")
    rows = max(chunks_table(home).rows(), vectors_table(home).rows())
    broken: Broken = []
    for here, there in in_buckets((chunks, vectors), "text_hash", rows, home.scratch):
        broken += here.join(there, on="text_hash", how="anti").select("chunk_id", "document_id").rows()
    return broken
