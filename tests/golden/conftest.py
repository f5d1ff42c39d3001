"""Documents as a load leaves them, without the load."""

from collections.abc import Callable

import polars as pl
import pytest

from rag_pipeline.corpus.chunking import sections
from rag_pipeline.corpus.tables import CHUNKS, chunks_table
from rag_pipeline.home import Home
from rag_pipeline.ingest.tables import DOCUMENTS, source_tables
from rag_pipeline.lake import Table
from tests.conftest import Workspace

Load = Callable[[str, dict[str, tuple[str, str]]], None]


def _append(table: Table, rows: list[dict[str, object]]) -> None:
    schema = pl.DataFrame(table.schema.empty_table()).schema
    table.append(pl.DataFrame([{name: row.get(name) for name in schema} for row in rows], schema=schema))


@pytest.fixture
def load(workspace: Workspace) -> Load:
    """Write documents of a source, key -> (title, text), and their chunks, one a section."""

    def write(source: str, documents: dict[str, tuple[str, str]]) -> None:
        home: Home = workspace.home
        rows: list[dict[str, object]] = []
        chunks: list[dict[str, object]] = []
        for key, (title, text) in documents.items():
            document = f"{source}/{key}"
            rows.append({"document_id": document, "key": key, "title": title, "text": text})
            for span, part in sections(text):
                path = " > ".join(span.heading)
                chunks.append(
                    {
                        "chunk_id": f"{document}{span.start}",
                        "document_id": document,
                        "source": source,
                        "heading": path,
                        "text": part,
                    }
                )
        assert DOCUMENTS.names
        assert CHUNKS.names
        _append(source_tables(home, source).documents, rows)
        _append(chunks_table(home), chunks)

    return write
