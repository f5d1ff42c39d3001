from collections.abc import Iterator

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rag_pipeline.contracts.read import read_contracts
from rag_pipeline.corpus import checks, chunks, outdated
from rag_pipeline.corpus.checks import chunks_outside_their_document, chunks_without_vector
from rag_pipeline.corpus.chunking import Chunker
from rag_pipeline.corpus.chunks import ChunkReport, update_chunks
from rag_pipeline.corpus.tables import chunks_table
from rag_pipeline.files import fingerprint
from rag_pipeline.home import Home
from rag_pipeline.ingest.load import load_source
from rag_pipeline.ingest.tables import DOCUMENTS, source_tables
from rag_pipeline.lake import buckets
from tests.conftest import Workspace, files_contract
from tests.support.cut_chunks import LONG, ids, rows, update
from tests.support.small_releases import NOW, chunker, document, store_documents


def test_chunks_of_real_files_are_spans_of_the_documents_that_were_loaded(workspace: Workspace) -> None:
    pages = workspace.pages({"a.md": LONG, "b.md": "# Émile 🙂\r\n\r\nnaïve café " * 40})
    workspace.contract("handbook", files_contract(pages))
    for contract in read_contracts(workspace.settings.contracts):
        load_source(contract, workspace.home, run_id="test", now=NOW)
    report = update(workspace.home)
    assert report.documents == report.documents_cut == 2
    assert report.total == report.added == report.by_source["handbook"] > 4
    assert chunks_outside_their_document(workspace.home, ["handbook"]) == []


def test_two_sources_are_cut_differently_and_a_changed_way_to_cut_is_of_one_source_only(home: Home) -> None:
    def night(**own: Chunker) -> ChunkReport:
        return update_chunks(home, ["handbook", "wiki"], chunker(40), own)

    def ways(source: str) -> set[str]:
        held = chunks_table(home).scan().filter(pl.col("source") == source).select("chunker", "text").collect()
        return set(held["chunker"])

    for source in ("handbook", "wiki"):
        store_documents(home, source, {"a": LONG, "b": LONG})
    first = night(wiki=chunker(12))
    assert first.cut_by_source == {"handbook": 2, "wiki": 2}
    assert first.by_source["wiki"] > first.by_source["handbook"] > 0
    assert (ways("handbook"), ways("wiki")) == ({chunker(40).fingerprint}, {chunker(12).fingerprint})
    before = rows(home)
    again = night(wiki=chunker(12))
    assert (again.documents_cut, again.cut_by_source, again.data_version) == (0, {}, first.data_version)
    assert rows(home) == before
    changed = night(wiki=chunker(20))
    assert changed.cut_by_source == {"wiki": 2}
    assert [row for row in rows(home) if row[2] == "handbook"] == [row for row in before if row[2] == "handbook"]
    back = night()
    assert back.cut_by_source == {"wiki": 2} and ways("wiki") == ways("handbook")
    assert update_chunks(home, ["handbook", "wiki"], chunker(40)).documents_cut == 0


def test_a_chunk_that_is_no_span_of_its_document_is_found(home: Home) -> None:
    store_documents(home, "handbook", {"a": LONG})
    update(home)
    store_documents(home, "handbook", {"a": "x" + LONG})
    broken = chunks_outside_their_document(home, ["handbook"])
    assert {chunk for chunk, _ in broken} == ids(home, "handbook/a")
    assert {chunk for chunk, _ in chunks_without_vector(home, "small")} == ids(home, "handbook/a")


@pytest.mark.parametrize("characters", [1, 300, 64_000_000])
def test_every_chunk_is_looked_at_however_few_documents_are_read_together(
    home: Home, monkeypatch: pytest.MonkeyPatch, characters: int
) -> None:
    monkeypatch.setattr(checks, "_CHARACTERS", characters)
    pages = {f"page{number}": f"# Page {number}\n\n{LONG}" for number in range(4)}
    store_documents(home, "handbook", pages | {"empty": ""})
    store_documents(home, "wiki", pages)
    update(home, "handbook", "wiki")
    assert chunks_outside_their_document(home, ["handbook", "wiki"]) == []
    store_documents(home, "wiki", pages | {"page2": f"# Page\n\n{LONG}"})
    store_documents(home, "handbook", {name: text for name, text in pages.items() if name != "page3"})
    broken = chunks_outside_their_document(home, ["handbook", "wiki"])
    assert {document for _, document in broken} == {"wiki/page2", "handbook/page3"}, "one edited, one gone"
    assert {chunk for chunk, _ in broken} == ids(home, "wiki/page2") | ids(home, "handbook/page3")
    gone = {chunk for chunk, _ in chunks_outside_their_document(home, ["handbook"])}
    assert gone > ids(home, "wiki/page0"), "chunks of a source that is gone"


texts = st.lists(st.sampled_from(["# A\n\none", "# B\n\ntwo", "same", "same", "", "🙂 " * 60]), max_size=4).map("\n\n".join)
corpora = st.dictionaries(st.sampled_from(["a", "b", "it's", 'x"\\y']), texts, max_size=4)


@pytest.fixture(scope="module", params=["one bucket", "many buckets"])
def _buckets(request: pytest.FixtureRequest) -> Iterator[None]:
    """All ids in one bucket, as few rows have them, or a few in each, and documents that are told by their places alone."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "many buckets":
            patch.setattr(buckets, "AT_ONCE", 2)
            patch.setattr(outdated, "_FEW", 0)
            patch.setattr(chunks, "_DELETE_IDS", 2)
        yield


@pytest.mark.usefixtures("_buckets")
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(history=st.lists(st.tuples(corpora, corpora), min_size=2, max_size=3))
def test_updating_night_by_night_ends_in_the_same_chunks_as_starting_from_nothing(
    history: list[tuple[dict[str, str], dict[str, str]]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    nightly, fresh = Home(tmp_path_factory.mktemp("nightly")), Home(tmp_path_factory.mktemp("fresh"))
    for first, second in history:
        store_documents(nightly, "first", first)
        store_documents(nightly, "second", second)
        report = update(nightly, "first", "second")
    store_documents(fresh, "first", history[-1][0])
    store_documents(fresh, "second", history[-1][1])
    assert update(fresh, "first", "second").data_version == report.data_version
    assert rows(nightly) == rows(fresh)
    assert report.total == len(rows(nightly)) == len({row[0] for row in rows(nightly)})


def test_only_the_document_that_was_edited_is_cut_again(home: Home) -> None:
    store_documents(home, "handbook", {"a": LONG, "b": "# B\n\nstays", "c": "# C\n\nstays"})
    first = update(home)
    before = {name: ids(home, f"handbook/{name}") for name in "abc"}
    store_documents(
        home, "handbook", {"a": LONG.replace("sentence 1", "phrase 1"), "b": "# B\n\nstays", "c": "# C\n\nstays"}
    )
    second = update(home)
    assert (second.documents, second.documents_cut) == (3, 1)
    assert second.added == second.removed > 0
    assert second.data_version != first.data_version
    assert [ids(home, f"handbook/{name}") == before[name] for name in "abc"] == [False, True, True]
    assert len(ids(home, "handbook/a") & before["a"]) == len(before["a"]) - second.removed


def test_an_update_without_a_change_writes_nothing(home: Home) -> None:
    store_documents(home, "handbook", {"a": LONG})
    first = update(home)
    version = chunks_table(home).version()
    again = update(home)
    assert chunks_table(home).version() == version
    assert (again.documents_cut, again.added, again.removed) == (0, 0, 0)
    assert again.data_version == first.data_version


def test_equal_texts_in_one_document_are_different_chunks(home: Home) -> None:
    section = "## Same\n\n" + "word " * 30
    store_documents(home, "handbook", {"a": "\n\n".join([section] * 3), "b": section})
    report = update(home)
    found = rows(home, "chunk_id", "text_hash")
    assert len({chunk for chunk, _ in found}) == 4
    assert len({text for _, text in found}) == 1
    assert report.duplicate_texts == 3


def test_moving_a_paragraph_changes_payloads_and_no_id(home: Home) -> None:
    parts = ["# One\n\nfirst", "# Two\n\nsecond", "# Three\n\nthird"]
    store_documents(home, "handbook", {"a": "\n\n".join(parts)})
    first = update(home)
    before = dict(rows(home, "chunk_id", "payload_hash"))
    store_documents(home, "handbook", {"a": "\n\n".join(reversed(parts))})
    second = update(home)
    after = dict(rows(home, "chunk_id", "payload_hash"))
    assert after.keys() == before.keys()
    assert sum(after[chunk] != before[chunk] for chunk in after) >= 2
    assert (second.added, second.removed) == (0, 0)
    assert second.data_version != first.data_version


def test_a_source_that_is_gone_loses_its_chunks_and_no_other_does(home: Home) -> None:
    store_documents(home, "first", {"a": "# A\n\none"})
    store_documents(home, "second", {"a": "# A\n\none"})
    update(home, "first", "second")
    kept = ids(home, "second/a")
    report = update(home, "second")
    assert (report.total, report.removed) == (1, 1)
    assert {row[0] for row in rows(home)} == kept


def test_a_source_that_became_empty_leaves_an_empty_table(home: Home) -> None:
    store_documents(home, "handbook", {"a": "# A\n\none"})
    update(home)
    store_documents(home, "handbook", {})
    report = update(home)
    assert (report.total, report.removed, rows(home)) == (0, 1, [])


def test_a_changed_chunker_cuts_every_document_again(home: Home) -> None:
    store_documents(home, "handbook", {"a": LONG, "b": "# B\n\nstays"})
    update(home)
    report = update(home, size=12)
    assert report.documents_cut == 2
    assert {row[0] for row in rows(home, "chunker", "chunk_id")} == {chunker(12).fingerprint}
    assert chunks_outside_their_document(home, ["handbook"]) == []


@pytest.mark.parametrize("key", ["it's.md", "''", "a\\'b", "x' or '1'='1", "日本/ü.md"])
def test_a_document_with_an_awkward_name_is_replaced_and_nothing_else_goes(home: Home, key: str) -> None:
    store_documents(home, "handbook", {key: "old", "other": "# Other\n\nstays"})
    update(home)
    store_documents(home, "handbook", {key: "new", "other": "# Other\n\nstays"})
    assert update(home).documents_cut == 1
    found = {row[:2] for row in rows(home, "document_id", "text", "chunk_id")}
    assert found == {(f"handbook/{key}", "new"), ("handbook/other", "# Other\n\nstays")}


def test_a_run_killed_between_two_commits_is_finished_by_the_next_one(home: Home) -> None:
    store_documents(home, "handbook", {"a": LONG, "b": "# B\n\nstays"})
    whole = update(home)
    kept = chunks_table(home).scan().filter(pl.col("document_id") == "handbook/b").collect()
    chunks_table(home).overwrite(kept)
    again = update(home)
    assert again.documents_cut == 1
    assert again.data_version == whole.data_version


def test_a_chunk_lost_from_the_table_is_noticed_and_cut_again(home: Home) -> None:
    text = "\n\n".join(f"# Part {number}\n\n" + f"words of part {number} " * 12 for number in range(4))
    store_documents(home, "handbook", {"long.md": text, "other.md": "# Other\n\nstays"})
    update_chunks(home, ["handbook"], chunker())
    before = chunks_table(home).scan().collect().sort("chunk_id")
    long = before.filter(pl.col("document_id") == "handbook/long.md")
    assert long.height > 2
    chunks_table(home).delete(f"chunk_id = '{long['chunk_id'][0]}'")
    report = update_chunks(home, ["handbook"], chunker())
    assert (report.documents_cut, report.added, report.removed) == (1, 1, 0)
    assert chunks_table(home).scan().collect().sort("chunk_id").equals(before)


def test_ids_of_chunks_are_what_they_were(home: Home) -> None:
    """Evidence, traces and releases name chunks by them; the second of two equal texts is told apart by its place."""
    store_documents(home, "handbook", {"a": "# One\n\nfirst\n\n# Two\n\nsecond\n\n# Two\n\nsecond\n"})
    update(home)
    assert rows(home, "chunk_id", "text") == [
        ("09d2ff64fbf640871a0bb367f5de3cb3", "# One\n\nfirst"),
        ("231cc578fd6edaac4e42aa9c9a9bb930", "# Two\n\nsecond"),
        ("2a59e669343eea2da8c825068031eebb", "# Two\n\nsecond"),
    ]


def test_a_chunk_has_what_its_document_says_and_where_it_stands_in_it(home: Home) -> None:
    text, said = "# One\n\nfirst\n\n## Two\n\nsecond\n", {"title": "A page", "metadata": '{"team": "docs"}'}
    page = document("handbook", "a", text, **said)
    source_tables(home, "handbook").documents.overwrite(pa.Table.from_pylist([page], DOCUMENTS))
    update(home)
    found = chunks_table(home).scan().collect().sort("start").to_dicts()
    for row, start, end, heading in zip(found, (0, 14), (12, 28), ("One", "One > Two"), strict=True):
        assert row == {
            "chunk_id": fingerprint("handbook/a", text[start:end], 0),
            "document_id": "handbook/a",
            "source": "handbook",
            "text": text[start:end],
            "text_hash": fingerprint(text[start:end]),
            "start": start,
            "end": end,
            "heading": heading,
            "uri": "file:///a",
            "payload_hash": fingerprint(
                {"uri": "file:///a", "heading": heading, "start": start, "end": end, **said}, length=16
            ),
            "document_hash": page["content_hash"],
            "chunker": chunker(40).fingerprint,
            "parts": 2,
            **said,
        }
    assert [len(row["payload_hash"]) for row in found] == [16, 16]
