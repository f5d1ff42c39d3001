from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rag_pipeline.contracts.read import read_contracts
from rag_pipeline.corpus import checks
from rag_pipeline.corpus.checks import chunks_outside_their_document, chunks_without_vector
from rag_pipeline.corpus.chunks import ChunkReport, update_chunks
from rag_pipeline.corpus.tables import CHUNKS, chunks_table
from rag_pipeline.ingest.load import load_source
from tests.conftest import Workspace, files_contract
from tests.corpus.small import NOW, chunker, store_documents

LONG = "\n\n".join(f"## Part {number}\n\n" + f"sentence {number} says something. " * 9 for number in range(3))


def update(home: Path, *sources: str, size: int = 40) -> ChunkReport:
    return update_chunks(home, list(sources or ("handbook",)), chunker(size))


def rows(home: Path, *columns: str) -> list[tuple[object, ...]]:
    return chunks_table(home).scan().select(columns or CHUNKS.names).collect().sort("chunk_id").rows()


def ids(home: Path, document: str) -> set[str]:
    found = chunks_table(home).scan().filter(pl.col("document_id") == document).select("chunk_id").collect()
    return set(found["chunk_id"])


def test_chunks_of_real_files_are_spans_of_the_documents_that_were_loaded(workspace: Workspace) -> None:
    pages = workspace.pages({"a.md": LONG, "b.md": "# Émile 🙂\r\n\r\nnaïve café " * 40})
    workspace.contract("handbook", files_contract(pages))
    for contract in read_contracts(workspace.settings.contracts):
        load_source(contract, workspace.home, run_id="test", now=NOW)
    report = update(workspace.home)
    assert report.documents == report.documents_cut == 2
    assert report.total == report.added == report.by_source["handbook"] > 4
    assert chunks_outside_their_document(workspace.home, ["handbook"]) == []


def test_a_chunk_that_is_no_span_of_its_document_is_found(tmp_path: Path) -> None:
    store_documents(tmp_path, "handbook", {"a": LONG})
    update(tmp_path)
    store_documents(tmp_path, "handbook", {"a": "x" + LONG})
    broken = chunks_outside_their_document(tmp_path, ["handbook"])
    assert {chunk for chunk, _ in broken} == ids(tmp_path, "handbook/a")
    assert {chunk for chunk, _ in chunks_without_vector(tmp_path, "small")} == ids(tmp_path, "handbook/a")


@pytest.mark.parametrize("characters", [1, 300, 64_000_000])
def test_every_chunk_is_looked_at_however_few_documents_are_read_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, characters: int
) -> None:
    monkeypatch.setattr(checks, "_CHARACTERS", characters)
    pages = {f"page{number}": f"# Page {number}\n\n{LONG}" for number in range(4)}
    store_documents(tmp_path, "handbook", pages | {"empty": ""})
    store_documents(tmp_path, "wiki", pages)
    update(tmp_path, "handbook", "wiki")
    assert chunks_outside_their_document(tmp_path, ["handbook", "wiki"]) == []
    store_documents(tmp_path, "wiki", pages | {"page2": f"# Page\n\n{LONG}"})
    store_documents(tmp_path, "handbook", {name: text for name, text in pages.items() if name != "page3"})
    broken = chunks_outside_their_document(tmp_path, ["handbook", "wiki"])
    assert {document for _, document in broken} == {"wiki/page2", "handbook/page3"}, "one edited, one gone"
    assert {chunk for chunk, _ in broken} == ids(tmp_path, "wiki/page2") | ids(tmp_path, "handbook/page3")
    gone = {chunk for chunk, _ in chunks_outside_their_document(tmp_path, ["handbook"])}
    assert gone > ids(tmp_path, "wiki/page0"), "chunks of a source that is gone"


texts = st.lists(st.sampled_from(["# A\n\none", "# B\n\ntwo", "same", "same", "", "🙂 " * 60]), max_size=4).map("\n\n".join)
corpora = st.dictionaries(st.sampled_from(["a", "b", "it's", 'x"\\y']), texts, max_size=4)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(history=st.lists(st.tuples(corpora, corpora), min_size=2, max_size=3))
def test_updating_night_by_night_ends_in_the_same_chunks_as_starting_from_nothing(
    history: list[tuple[dict[str, str], dict[str, str]]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    nightly, fresh = tmp_path_factory.mktemp("nightly"), tmp_path_factory.mktemp("fresh")
    for first, second in history:
        store_documents(nightly, "first", first)
        store_documents(nightly, "second", second)
        report = update(nightly, "first", "second")
    store_documents(fresh, "first", history[-1][0])
    store_documents(fresh, "second", history[-1][1])
    assert update(fresh, "first", "second").data_version == report.data_version
    assert rows(nightly) == rows(fresh)
    assert report.total == len(rows(nightly)) == len({row[0] for row in rows(nightly)})


def test_only_the_document_that_was_edited_is_cut_again(tmp_path: Path) -> None:
    store_documents(tmp_path, "handbook", {"a": LONG, "b": "# B\n\nstays", "c": "# C\n\nstays"})
    first = update(tmp_path)
    before = {name: ids(tmp_path, f"handbook/{name}") for name in "abc"}
    store_documents(
        tmp_path, "handbook", {"a": LONG.replace("sentence 1", "phrase 1"), "b": "# B\n\nstays", "c": "# C\n\nstays"}
    )
    second = update(tmp_path)
    assert (second.documents, second.documents_cut) == (3, 1)
    assert second.added == second.removed > 0
    assert second.data_version != first.data_version
    assert [ids(tmp_path, f"handbook/{name}") == before[name] for name in "abc"] == [False, True, True]
    assert len(ids(tmp_path, "handbook/a") & before["a"]) == len(before["a"]) - second.removed


def test_an_update_without_a_change_writes_nothing(tmp_path: Path) -> None:
    store_documents(tmp_path, "handbook", {"a": LONG})
    first = update(tmp_path)
    version = chunks_table(tmp_path).version()
    again = update(tmp_path)
    assert chunks_table(tmp_path).version() == version
    assert (again.documents_cut, again.added, again.removed) == (0, 0, 0)
    assert again.data_version == first.data_version


def test_equal_texts_in_one_document_are_different_chunks(tmp_path: Path) -> None:
    section = "## Same\n\n" + "word " * 30
    store_documents(tmp_path, "handbook", {"a": "\n\n".join([section] * 3), "b": section})
    report = update(tmp_path)
    found = rows(tmp_path, "chunk_id", "text_hash")
    assert len({chunk for chunk, _ in found}) == 4
    assert len({text for _, text in found}) == 1
    assert report.duplicate_texts == 3


def test_moving_a_paragraph_changes_payloads_and_no_id(tmp_path: Path) -> None:
    parts = ["# One\n\nfirst", "# Two\n\nsecond", "# Three\n\nthird"]
    store_documents(tmp_path, "handbook", {"a": "\n\n".join(parts)})
    first = update(tmp_path)
    before = dict(rows(tmp_path, "chunk_id", "payload_hash"))
    store_documents(tmp_path, "handbook", {"a": "\n\n".join(reversed(parts))})
    second = update(tmp_path)
    after = dict(rows(tmp_path, "chunk_id", "payload_hash"))
    assert after.keys() == before.keys()
    assert sum(after[chunk] != before[chunk] for chunk in after) >= 2
    assert (second.added, second.removed) == (0, 0)
    assert second.data_version != first.data_version


def test_a_source_that_is_gone_loses_its_chunks_and_no_other_does(tmp_path: Path) -> None:
    store_documents(tmp_path, "first", {"a": "# A\n\none"})
    store_documents(tmp_path, "second", {"a": "# A\n\none"})
    update(tmp_path, "first", "second")
    kept = ids(tmp_path, "second/a")
    report = update(tmp_path, "second")
    assert (report.total, report.removed) == (1, 1)
    assert {row[0] for row in rows(tmp_path)} == kept


def test_a_source_that_became_empty_leaves_an_empty_table(tmp_path: Path) -> None:
    store_documents(tmp_path, "handbook", {"a": "# A\n\none"})
    update(tmp_path)
    store_documents(tmp_path, "handbook", {})
    report = update(tmp_path)
    assert (report.total, report.removed, rows(tmp_path)) == (0, 1, [])


def test_a_changed_chunker_cuts_every_document_again(tmp_path: Path) -> None:
    store_documents(tmp_path, "handbook", {"a": LONG, "b": "# B\n\nstays"})
    update(tmp_path)
    report = update(tmp_path, size=12)
    assert report.documents_cut == 2
    assert {row[0] for row in rows(tmp_path, "chunker", "chunk_id")} == {chunker(12).fingerprint}
    assert chunks_outside_their_document(tmp_path, ["handbook"]) == []


@pytest.mark.parametrize("key", ["it's.md", "''", "a\\'b", "x' or '1'='1", "日本/ü.md"])
def test_a_document_with_an_awkward_name_is_replaced_and_nothing_else_goes(tmp_path: Path, key: str) -> None:
    store_documents(tmp_path, "handbook", {key: "old", "other": "# Other\n\nstays"})
    update(tmp_path)
    store_documents(tmp_path, "handbook", {key: "new", "other": "# Other\n\nstays"})
    assert update(tmp_path).documents_cut == 1
    found = {row[:2] for row in rows(tmp_path, "document_id", "text", "chunk_id")}
    assert found == {(f"handbook/{key}", "new"), ("handbook/other", "# Other\n\nstays")}


def test_a_run_killed_between_two_commits_is_finished_by_the_next_one(tmp_path: Path) -> None:
    store_documents(tmp_path, "handbook", {"a": LONG, "b": "# B\n\nstays"})
    whole = update(tmp_path)
    kept = chunks_table(tmp_path).scan().filter(pl.col("document_id") == "handbook/b").collect()
    chunks_table(tmp_path).overwrite(kept)
    again = update(tmp_path)
    assert again.documents_cut == 1
    assert again.data_version == whole.data_version


def test_a_chunk_lost_from_the_table_is_noticed_and_cut_again(tmp_path: Path) -> None:
    text = "\n\n".join(f"# Part {number}\n\n" + f"words of part {number} " * 12 for number in range(4))
    store_documents(tmp_path, "handbook", {"long.md": text, "other.md": "# Other\n\nstays"})
    update_chunks(tmp_path, ["handbook"], chunker())
    before = chunks_table(tmp_path).scan().collect().sort("chunk_id")
    long = before.filter(pl.col("document_id") == "handbook/long.md")
    assert long.height > 2
    chunks_table(tmp_path).delete(f"chunk_id = '{long['chunk_id'][0]}'")
    report = update_chunks(tmp_path, ["handbook"], chunker())
    assert (report.documents_cut, report.added, report.removed) == (1, 1, 0)
    assert chunks_table(tmp_path).scan().collect().sort("chunk_id").equals(before)
