"""From a chunk back to its source row and forward to the releases that hold it."""

import shutil
from datetime import timedelta
from typing import Any

import pytest

from rag_pipeline.corpus.embeddings import update_embeddings
from rag_pipeline.corpus.tables import chunks_table
from rag_pipeline.errors import PipelineError
from rag_pipeline.home import CHUNKS_FILE
from rag_pipeline.index.retrieve import open_release
from rag_pipeline.release.retention import collect
from rag_pipeline.release.trace import trace_chunk
from tests.support.office import PAGES, Office
from tests.support.release_damage import cut_in_half
from tests.support.small_releases import NOW, SMALL, SmallModel, bag_of_words, release_of


def chunk_of(office: Office, document: str) -> dict[str, Any]:
    rows = chunks_table(office.home).scan().collect().to_dicts()
    [found] = [row for row in rows if row["document_id"] == document]
    return found


def without_cats(office: Office) -> str:
    pages = {name: text for name, text in PAGES.items() if name != "cats.md"}
    return release_of(office.home, {**pages, "new.md": "# New\n\nnewer"}, now=NOW + timedelta(days=1)).manifest.id


def test_a_chunk_that_was_retrieved_is_traced_to_its_row_contract_run_model_and_releases(office: Office) -> None:
    office.serve(office.first)
    with open_release(office.home, office.first) as release:
        hit = release.search(bag_of_words("cats purr"), 1)[0]
    found = trace_chunk(office.workspace.settings, hit.chunk_id)
    stored = chunk_of(office, "handbook/cats.md")
    assert found["chunk"] == {
        name: stored[name]
        for name in ("chunk_id", "document_id", "source", "start", "end", "heading", "text_hash", "chunker", "text")
    }
    assert found["chunk"]["text"] == hit.text == PAGES["cats.md"].strip()[: hit.end]
    assert found["document"]["document_id"] == "handbook/cats.md"
    assert found["document"]["uri"] == hit.uri
    assert found["document"]["content_hash"] == stored["document_hash"]
    assert found["row"] | {"row_hash": ""} == {"item": "cats.md", "key": "cats.md", "row_hash": ""}
    assert found["contract"] == {
        "id": "handbook",
        "version": "1.0.0",
        "file": str(office.workspace.settings.contracts / "handbook.odcs.yaml"),
    }
    assert found["run"] == {"run_id": "run"}
    assert found["models"] == [{"fingerprint": "small", "name": "small"}]
    [release_holding] = found["releases"]
    assert release_holding == {
        "release": office.first,
        "built": "2026-03-01 02:00:00",
        "run_id": "test",
        "channels": ["production"],
    }


def test_every_kept_release_that_holds_a_chunk_is_named_newest_first_and_no_other(office: Office) -> None:
    cats, dogs = chunk_of(office, "handbook/cats.md"), chunk_of(office, "handbook/dogs.md")
    second = without_cats(office)
    settings = office.workspace.settings
    holding = [one["release"] for one in trace_chunk(settings, cats["chunk_id"])["releases"]]
    assert holding == [office.first]
    assert [one["release"] for one in trace_chunk(settings, dogs["chunk_id"])["releases"]] == [second, office.first]


def test_a_chunk_that_left_the_sources_is_told_from_the_newest_release_that_holds_it(office: Office) -> None:
    chunk = chunk_of(office, "handbook/cats.md")
    without_cats(office)
    found = trace_chunk(office.workspace.settings, chunk["chunk_id"])
    assert found["chunk"]["text"] == chunk["text"]
    assert (found["document"], found["row"], found["run"]) == (None, None, None), "not known any more"
    assert found["contract"] == {
        "id": "handbook",
        "version": "1.0.0",
        "file": str(office.workspace.settings.contracts / "handbook.odcs.yaml"),
    }
    assert [one["release"] for one in found["releases"]] == [office.first]
    assert found["models"] == [{"fingerprint": "small", "name": "small"}]


def test_a_chunk_whose_last_release_was_collected_is_not_known_any_more(office: Office) -> None:
    chunk = chunk_of(office, "handbook/cats.md")
    without_cats(office)
    collect(office.home, keep=1, days=30, model=SMALL.fingerprint)
    with pytest.raises(PipelineError, match=f"no chunk '{chunk['chunk_id']}', neither in the tables nor in a kept release"):
        trace_chunk(office.workspace.settings, chunk["chunk_id"])


@pytest.mark.parametrize("name", ["", "nope", "handbook/cats.md", "x' or '1'='1", "../manifest.json"])
def test_an_unknown_id_is_said_to_be_unknown(office: Office, name: str) -> None:
    with pytest.raises(PipelineError, match="`rag query --json` gives ids"):
        trace_chunk(office.workspace.settings, name)


def test_a_chunk_that_is_in_no_release_yet_is_traced_all_the_same(office: Office) -> None:
    later = release_of(office.home, {**PAGES, "new.md": "# New\n\nnewer"}, now=NOW + timedelta(days=1)).manifest
    newest = chunk_of(office, "handbook/new.md")
    shutil.rmtree(office.home.release(later.id))
    found = trace_chunk(office.workspace.settings, newest["chunk_id"])
    assert found["releases"] == []
    assert found["document"]["document_id"] == "handbook/new.md"
    assert found["models"] == [{"fingerprint": "small", "name": "small"}]


def test_every_model_that_has_a_vector_of_the_text_is_named(office: Office) -> None:
    other = SmallModel(fingerprint="other")
    update_embeddings(office.home, other, other.load)  # type: ignore[arg-type]
    found = trace_chunk(office.workspace.settings, chunk_of(office, "handbook/cats.md")["chunk_id"])
    assert found["models"] == [
        {"fingerprint": "other", "name": "in no kept release"},
        {"fingerprint": "small", "name": "small"},
    ]


@pytest.mark.parametrize("harm", ["torn", "gone", "empty"])
def test_a_release_that_cannot_say_what_it_holds_does_not_hide_the_others(office: Office, harm: str) -> None:
    chunk = chunk_of(office, "handbook/dogs.md")
    second = release_of(office.home, {**PAGES, "new.md": "# New\n\nnewer"}, now=NOW + timedelta(days=1)).manifest
    file = office.home.release(office.first) / CHUNKS_FILE
    if harm == "torn":
        cut_in_half(file)
    elif harm == "gone":
        file.unlink()
    else:
        file.chmod(0o644)
        file.write_bytes(b"")
    found = trace_chunk(office.workspace.settings, chunk_of(office, "handbook/dogs.md")["chunk_id"])
    assert [one["release"] for one in found["releases"]] == [second.id]
    assert found["chunk"]["text"] == chunk["text"]


def test_tracing_changes_nothing(office: Office) -> None:
    before = sorted(path for path in office.home.root.rglob("*"))
    trace_chunk(office.workspace.settings, chunk_of(office, "handbook/cats.md")["chunk_id"])
    assert sorted(path for path in office.home.root.rglob("*")) == before
