"""Titles and headings of what is loaded."""

from collections import defaultdict
from collections.abc import Iterator

import polars as pl

from rag_pipeline.corpus.tables import chunks_table
from rag_pipeline.golden.known_items import Named
from rag_pipeline.home import Home
from rag_pipeline.ingest.tables import source_tables
from rag_pipeline.lake import collected


def named_documents(home: Home, source: str) -> Iterator[Named]:
    """Titles and headings of a source's documents as loaded and cut now, by document id."""
    chunks = chunks_table(home).scan().filter((pl.col("source") == source) & (pl.col("heading") != ""))
    headings: defaultdict[str, list[tuple[str, ...]]] = defaultdict(list)
    for document, heading in (
        chunks.select("document_id", "heading").unique().sort("document_id", "heading").pipe(collected).iter_rows()
    ):
        headings[document].append(tuple(heading.split(" > ")))
    titles = source_tables(home, source).documents.scan().select("document_id", "title").pipe(collected)
    for document, title in titles.sort("document_id").iter_rows():
        yield Named(source, document, title or "", tuple(headings[document]))
