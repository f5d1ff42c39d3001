"""Documents that are cut into several chunks, and the table of chunks as it then is."""

from typing import Any

import polars as pl

from rag_pipeline.corpus.chunks import ChunkReport, update_chunks
from rag_pipeline.corpus.tables import CHUNKS, chunks_table
from rag_pipeline.home import Home
from tests.support.small_releases import chunker

LONG = "\n\n".join(f"## Part {number}\n\n" + f"sentence {number} says something. " * 9 for number in range(3))


def update(home: Home, *sources: str, size: int = 40) -> ChunkReport:
    return update_chunks(home, list(sources or ("handbook",)), chunker(size))


def rows(home: Home, *columns: str) -> list[tuple[Any, ...]]:
    return chunks_table(home).scan().select(columns or CHUNKS.names).collect().sort("chunk_id").rows()


def ids(home: Home, document: str) -> set[str]:
    found = chunks_table(home).scan().filter(pl.col("document_id") == document).select("chunk_id").collect()
    return set(found["chunk_id"])
