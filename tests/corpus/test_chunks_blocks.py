"""The chunks table is written and cleared in blocks: none is lost, none comes twice, and what goes on is told."""

import polars as pl
import pytest

from rag_pipeline import progress
from rag_pipeline.corpus import chunks
from rag_pipeline.corpus.tables import CHUNKS, chunks_table
from rag_pipeline.home import Home
from rag_pipeline.ingest.tables import source_tables
from tests.corpus.test_chunks import LONG, ids, rows, update
from tests.support.small_releases import chunker, store_documents


def test_what_is_committed_in_between_is_kept(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table of many documents is written in several commits, each of as many chunks as are held in memory at most."""
    pages = {f"page{number}": f"# Page {number}\n\n{LONG}" for number in range(5)}
    store_documents(home, "handbook", pages)
    monkeypatch.setattr(chunks, "_COMMIT_CHUNKS", 3)
    monkeypatch.setattr(chunks, "_READ_DOCUMENTS", 2)
    report = update(home)
    stored = source_tables(home, "handbook").documents.scan().with_columns(source=pl.lit("handbook")).collect()
    wanted = [row for document in stored.iter_rows(named=True) for row in chunks.chunks_of(document, chunker())]
    assert rows(home) == sorted(tuple(row[name] for name in CHUNKS.names) for row in wanted)
    assert (report.total, report.documents, report.documents_cut) == (len(wanted), 5, 5)
    assert set(stored["document_id"]) == {row[0] for row in rows(home, "document_id", "chunk_id")}
    assert chunks_table(home).version() > 1, "in one commit nothing would be tested"


def test_chunks_of_many_documents_go_in_blocks_each_once(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"page{number}" for number in range(6)]
    store_documents(home, "handbook", dict.fromkeys(names, "# One\n\nold") | {"other": "# Other\n\nstays"})
    update(home)
    before, stays = chunks_table(home).version(), ids(home, "handbook/other")
    monkeypatch.setattr(chunks, "_DELETE_IDS", 2)
    store_documents(home, "handbook", dict.fromkeys(names[1:], "# One\n\nnew") | {"other": "# Other\n\nstays"})
    report = update(home)
    assert (report.documents_cut, report.added, report.removed) == (5, 5, 6)
    assert {row[0] for row in rows(home, "text", "chunk_id")} == {"# One\n\nnew", "# Other\n\nstays"}
    assert ids(home, "handbook/other") == stays
    assert chunks_table(home).version() == before + 4, "three blocks that are deleted, and one that is written"


def test_a_table_of_no_document_is_there_and_empty(home: Home) -> None:
    store_documents(home, "handbook", {})
    report = update(home)
    assert (report.total, report.added, report.removed, report.by_source) == (0, 0, 0, {})
    assert chunks_table(home).exists
    assert chunks_table(home).scan().collect_schema().names() == CHUNKS.names


def test_how_many_documents_were_cut_is_told_while_it_goes_on(
    home: Home, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(progress, "_LOG_EVERY_S", 0.0)
    store_documents(home, "handbook", {"a": "# One\n\nfirst", "b": "# Two\n\nsecond"})
    with caplog.at_level("INFO", "rag_pipeline"):
        update(home)
    assert [message.split(",")[0] for message in caplog.messages if message.startswith("cutting")] == [
        "cutting documents: 1 of 2 documents",
        "cutting documents: 2 of 2 documents",
    ]
