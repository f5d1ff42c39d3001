"""Releases whose rows are divided by who may read them: what they hold, and that a reader sees its rows alone."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rag_pipeline.corpus.tables import vectors_table
from rag_pipeline.errors import ReleaseError
from rag_pipeline.home import CHUNKS_FILE, Home
from rag_pipeline.index import scopes
from rag_pipeline.index.build import rebuild_release
from rag_pipeline.index.manifest import MODES, Manifest, damaged_files
from rag_pipeline.index.retrieve import Hit, OpenRelease, Query, open_release
from rag_pipeline.index.verify import verify_release
from rag_pipeline.release.export import readme
from tests.support.labelled import Page, build_labelled, hold_pages, labelled_release, permitted
from tests.support.release_damage import writable
from tests.support.small_releases import NOW, bag_of_words

PAGES: dict[str, Page] = {
    "cats.md": ("# Cats\n\nCats purr, and cats sleep.", None),
    "dogs.md": ("# Dogs\n\nDogs bark at cats.", None),
    "pay.md": ("# Pay\n\nSalaries of cats rise in May.", "HR"),
    "fired.md": ("# Leaving\n\nWho leaves gives back the zanzibarite key.", "hr, Board"),
    "plan.md": ("# Plan\n\nWe buy the dogs next year.", '["board"]'),
}


def ask(text: str) -> Query:
    return Query(text, bag_of_words(text))


def told(hits: list[Hit]) -> list[tuple[str, str, float, int]]:
    return [(hit.document_id, hit.text, hit.score, hit.rank) for hit in hits]


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, Manifest]:
    """A release nobody may change."""
    home = Home(tmp_path_factory.mktemp("office"))
    return home, labelled_release(home, PAGES)


def test_a_release_says_which_scopes_it_holds(office: tuple[Home, Manifest]) -> None:
    _, manifest = office
    found = {(one.labels, one.documents, tuple(one.sources)) for one in manifest.scopes.values()}
    assert found == {
        ((), 2, ("open",)),
        (("hr",), 1, ("closed",)),
        (("board", "hr"), 1, ("closed",)),
        (("board",), 1, ("closed",)),
    }
    assert "public" in manifest.scopes and sum(one.chunks for one in manifest.scopes.values()) == manifest.chunks


@pytest.mark.parametrize("reads", [("hr",), ("public", "board"), ("all",)])
def test_a_reader_sees_what_an_index_of_its_rows_alone_gives(
    office: tuple[Home, Manifest], tmp_path: Path, reads: tuple[str, ...]
) -> None:
    home, manifest = office
    alone = Home(tmp_path)
    alike = labelled_release(alone, permitted(PAGES, reads))
    with open_release(home, manifest.id, MODES) as opened, open_release(alone, alike.id, MODES) as other:
        reader = opened.readable_by(reads)
        for question in ("cats that sleep", "zanzibarite key", "dogs of the board", "nothing of it"):
            for mode in MODES:
                assert told(reader.search(ask(question), 10, mode)) == told(other.search(ask(question), 10, mode)), mode


words = st.lists(st.sampled_from(["cat", "dog", "owl", "fox", "hen", "ant", "bee"]), min_size=1, max_size=6).map(" ".join)
access = st.none() | st.lists(st.sampled_from(["a", "b", "C"]), min_size=1, max_size=3).map(",".join)
corpora = st.dictionaries(st.integers(0, 99).map(lambda n: f"p{n}.md"), st.tuples(words, access), min_size=1, max_size=8)
readers = st.lists(st.sampled_from(["all", "public", "a", "b", "c", "d"]), max_size=3).map(tuple)


@pytest.mark.slow
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(pages=corpora, reads=readers, question=words)
def test_whatever_the_rows_and_the_reader_hits_are_those_of_the_permitted_rows(
    tmp_path_factory: pytest.TempPathFactory, pages: dict[str, Page], reads: tuple[str, ...], question: str
) -> None:
    home, alone = Home(tmp_path_factory.mktemp("all")), Home(tmp_path_factory.mktemp("alone"))
    manifest = labelled_release(home, pages)
    mine = permitted(pages, reads)
    with open_release(home, manifest.id, MODES) as opened:
        reader = opened.readable_by(reads)
        found = {mode: told(reader.search(ask(question), 50, mode)) for mode in MODES}
    if not mine:
        assert not any(found.values())
        return
    with open_release(alone, labelled_release(alone, mine).id, MODES) as other:
        assert found == {mode: told(other.search(ask(question), 50, mode)) for mode in MODES}


def test_what_a_reader_may_not_read_is_not_there(office: tuple[Home, Manifest]) -> None:
    home, manifest = office
    with open_release(home, manifest.id, MODES) as opened:
        every = opened.search(ask("cats dogs key"), 10)
        for hit in every:
            mine = {one.document_id for one in reader_of(opened, "hr").search(ask("cats dogs key"), 10)}
            assert (reader_of(opened, "hr").read(hit.chunk_id) != []) == (hit.document_id in mine)
            assert reader_of(opened, "public", "HR", "*", "", "hr ").read(hit.chunk_id) == [] or hit.source == "open"
        assert not reader_of(opened).search(ask("cats"), 10) and not reader_of(opened).scopes
        widened = reader_of(opened, "hr").readable_by(["all"])
        assert widened.scopes == reader_of(opened, "hr").scopes, "a reader cannot be widened again"


def reader_of(opened: OpenRelease, *reads: str) -> OpenRelease:
    return opened.readable_by(reads)


def test_no_payload_tells_a_label(office: tuple[Home, Manifest]) -> None:
    home, manifest = office
    with open_release(home, manifest.id) as opened:
        hits = opened.search(ask("cats dogs key"), 10)
    assert len(hits) == 5 and all(set(hit.metadata) == {"team"} for hit in hits)


def test_a_divided_release_is_verified_and_repaired(tmp_path: Path) -> None:
    home = Home(tmp_path)
    manifest = labelled_release(home, PAGES)
    assert verify_release(home, manifest.id) == ()
    [meta] = [name for name in manifest.files if name.startswith("lexical/public/") and name.endswith("meta.json")]
    file = writable(home.release(manifest.id) / meta)
    file.write_text(file.read_text().replace("english", "german") + " ")
    assert damaged_files(home.release(manifest.id), manifest) == (meta,)
    twin = rebuild_release(home, manifest, run_id="r", now=NOW).manifest
    assert twin.scopes == manifest.scopes and verify_release(home, twin.id) == ()


def test_a_changed_label_moves_its_chunks_and_embeds_nothing(tmp_path: Path) -> None:
    home = Home(tmp_path)
    first = labelled_release(home, PAGES)
    before = vectors_table(home).scan().collect().height
    hold_pages(home, PAGES | {"pay.md": (PAGES["pay.md"][0], "board")})
    second = build_labelled(home)
    assert vectors_table(home).scan().collect().height == before
    assert second.fingerprint != first.fingerprint and second.origin.base is None
    with open_release(home, first.id) as old, open_release(home, second.id) as new:
        assert old.readable_by(["hr"]).search(ask("salaries"), 1)[0].document_id == "closed/pay.md"
        assert "closed/pay.md" not in {hit.document_id for hit in new.readable_by(["hr"]).search(ask("salaries"), 9)}


def test_a_release_without_labels_says_nothing_of_scopes(tmp_path: Path) -> None:
    home = Home(tmp_path)
    odd: dict[str, Page] = {"a.md": (f'The text "__labels": ["hr"] is a text {json.dumps({"__labels": 1})}', None)}
    manifest = labelled_release(home, odd)
    assert manifest.scopes == {} and "scopes" not in manifest.model_dump(mode="json")
    with open_release(home, manifest.id, MODES) as opened:
        assert reader_of(opened, "public").search(ask("text"), 1) and not reader_of(opened, "hr").search(ask("text"), 1)
    after = labelled_release(home, odd | PAGES)
    last = labelled_release(home, odd | {"b.md": ("# B\n\nOne more.", None)})
    assert (after.origin.base, last.origin.base) == (None, manifest.id), "what is divided is neither built upon nor upon"


def test_more_sets_of_labels_than_a_release_holds_are_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scopes, "MOST_SCOPES", 3)
    with pytest.raises(ReleaseError, match=r"have 4 sets of labels, and 3 are the most: .* RAG_HOME of its own"):
        labelled_release(Home(tmp_path), PAGES)


def test_a_label_that_was_edited_in_a_release_is_found(tmp_path: Path) -> None:
    home = Home(tmp_path)
    manifest = labelled_release(home, PAGES)
    file = writable(home.release(manifest.id) / CHUNKS_FILE)
    rows = pl.read_parquet(file)
    rows.with_columns(pl.col("metadata").str.replace("hr", "board")).write_parquet(file)
    assert any("other bytes" in says or "bytes instead" in says for says in verify_release(home, manifest.id))


class Counted:
    """A collection that tells how often it was asked for what."""

    def __init__(self, real: Any, calls: list[tuple[str, int]]) -> None:
        self._real, self._calls = real, calls

    def get(self, **asked: Any) -> Any:
        self._calls.append((",".join(asked["include"]), len(asked["ids"])))
        return self._real.get(**asked)


def test_a_hidden_chunk_costs_the_work_of_one_that_is_nowhere(office: tuple[Home, Manifest]) -> None:
    home, manifest = office
    with open_release(home, manifest.id) as opened:
        names = {hit.document_id: hit.chunk_id for hit in opened.search(ask("cats dogs key"), 10)}
        calls: list[tuple[str, int]] = []
        counted = {name: Counted(one, calls) for name, one in opened.readable_by(["public"])._collections.items()}
        reader = replace(opened.readable_by(["public"]), _collections=counted).without(frozenset({names["open/cats.md"]}))
        work = []
        for name in (names["closed/pay.md"], names["open/cats.md"], "f" * 32):
            assert reader.read(name) == []
            work.append(list(calls))
            calls.clear()
    assert work[0] == work[1] == work[2] == [("documents,metadatas", 1)]


def test_a_copy_for_others_names_each_collection_and_says_that_it_guards_nothing(office: tuple[Home, Manifest]) -> None:
    _, manifest = office
    told = readme(manifest, "production", NOW)
    assert "nothing here keeps anybody out" in told and f"get_collection({next(iter(manifest.scopes))!r}" in told
    assert all(f"| `{name}` | {', '.join(one.labels) or 'everybody'} |" in told for name, one in manifest.scopes.items())
