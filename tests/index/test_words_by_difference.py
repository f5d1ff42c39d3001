"""The words of a release: built upon those of the release before, proven, or built whole."""

from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from tantivy import Index

from rag_pipeline.errors import ReleaseError
from rag_pipeline.home import Home
from rag_pipeline.index import lexical
from rag_pipeline.index.build import build_release, recipe_of
from rag_pipeline.index.manifest import MODES
from rag_pipeline.index.retrieve import Query, open_release
from rag_pipeline.index.verify import verify_release
from tests.support.numbered_chunks import NUMBERS, hold, release, whole
from tests.support.small_releases import NOW
from tests.support.zoo import served_as


def test_another_mode_is_another_release_built_upon_the_first_with_nothing_removed_or_added(
    home: Home, tmp_path: Path
) -> None:
    first = release(home, range(60))
    vectors = (tmp_path / "releases" / first.id / "chroma").rglob("data_level0.bin")
    second = served_as(home, first, mode="hybrid", dense_weight=0.3)
    assert second.fingerprint != first.fingerprint
    assert (second.origin.base, second.origin.removed, second.origin.added, second.origin.dead_slots) == (first.id, 0, 0, 0)
    assert (second.retrieval.mode, second.retrieval.dense_weight) == ("hybrid", 0.3)
    same = {name: one for name, one in second.files.items() if name.startswith("lexical/") or name.endswith(".bin")}
    assert same and all(first.files[name] == one for name, one in same.items() if name.startswith("lexical/"))
    assert [path.name for path in vectors] == ["data_level0.bin"]
    assert verify_release(home, second.id) == ()
    query = Query("text of c00007", NUMBERS[7])
    with open_release(home, second.id) as opened:
        best = opened.search(query, 5)
        assert best == opened.search(query, 5, "hybrid")
    assert best[0].chunk_id == "c00007" and best[0].score == pytest.approx(1 / 61)
    third = served_as(home, second, night=2)
    assert third == second, "the same parameters are the same release"


def test_a_further_night_builds_upon_the_release_of_the_other_mode(home: Home) -> None:
    second = served_as(home, release(home, range(60)), mode="lexical")
    hold(home, range(5, 65))
    third = build_release(home, recipe_of(second), run_id="test", now=NOW + timedelta(days=2)).manifest
    assert (third.origin.base, third.origin.removed, third.origin.added) == (second.id, 5, 5)
    with open_release(home, third.id) as opened:
        names = [hit.chunk_id for hit in opened.search(Query("text"), 100)]
        assert opened.search(Query("c00003"), 5) == []
    assert names == [f"c{number:05d}" for number in range(5, 65)], "all score the same, so they come by id"


def test_words_of_a_release_by_difference_are_those_of_one_built_whole(tmp_path: Path) -> None:
    nightly, nothing = Home(tmp_path / "nights"), Home(tmp_path / "nothing")
    release(nightly, range(100))
    second = release(nightly, range(5, 120), moved=range(50, 54), night=1)
    fresh = release(nothing, range(5, 120), moved=range(50, 54), night=1)
    assert not whole(nightly, second) and whole(nothing, fresh)
    assert (second.probe.lexical_stored, second.probe.lexical_asked) == (115, 115)
    homes = (nightly, second), (nothing, fresh)
    one, two = (open_release(home, manifest.id, MODES) for home, manifest in homes)
    with one as nights, two as once:
        for text in ("text", "c00050", "c00110 text", "c00001 of"):
            found, expected = (opened.search(Query(text), 200, "lexical") for opened in (nights, once))
            assert [hit.chunk_id for hit in found] == [hit.chunk_id for hit in expected]


def test_another_language_builds_the_words_whole_and_the_vectors_by_difference(home: Home) -> None:
    first = release(home, range(40))
    second = served_as(home, first, language="none")
    assert second.origin.base == first.id
    assert second.lexical.language == "none"
    assert not {name for name in first.files if name.endswith(".idx")} & second.files.keys()
    assert verify_release(home, second.id) == ()


def test_words_another_version_of_tantivy_wrote_are_not_built_upon(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    first = release(home, range(40))
    monkeypatch.setattr(lexical, "_ANALYZER", 99)
    second = release(home, range(41), night=1)
    assert second.origin.base == first.id
    assert not {name for name in first.files if name.endswith(".idx")} & second.files.keys()


HARMS = {
    "a record lost": (["c00050"], {}, "does not hold what was put in"),
    "a record too many": ([], {"old": "x"}, "does not hold what was put in"),
    "one for another": (["c00101"], {"new": "x"}, "does not hold what was put in"),
    "another text": (["c00101"], {"c00101": "something else"}, "1 of 107 records do not have the terms"),
    "a record twice": ([], {"c00101": "text of c00101"}, "does not hold what was put in"),
}


@pytest.mark.parametrize("what", HARMS)
def test_words_whose_proof_fails_after_a_difference_are_built_whole_and_refuse_a_whole_build(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    gone, new, says = HARMS[what]
    first = release(home, range(100))
    by_difference, as_whole = lexical.fill_by_difference, lexical.fill_whole

    def harm(folder: Path) -> None:
        rows = pl.LazyFrame({"chunk_id": list(new), "text": list(new.values())}, schema={"chunk_id": str, "text": str})
        with lexical._writer(folder, Index.open(str(folder)), "english") as writer:
            for name in gone:
                writer.delete_documents_by_term("chunk_id", name)
            lexical._add(writer, rows)

    def harmed_difference(base: Path, folder: Path, *rest: object, **named: object) -> None:
        by_difference(base, folder, *rest, **named)  # type: ignore[arg-type]
        harm(folder)

    def harmed_whole(folder: Path, *rest: object) -> None:
        as_whole(folder, *rest)  # type: ignore[arg-type]
        harm(folder)

    monkeypatch.setattr(lexical, "fill_by_difference", harmed_difference)
    second = release(home, range(3, 110), night=1)
    assert second.origin.rebuilt_because.startswith(f"the difference to {first.id} did not hold: ")
    assert says in second.origin.rebuilt_because
    assert verify_release(home, second.id) == ()
    monkeypatch.setattr(lexical, "fill_whole", harmed_whole)
    (tmp_path / "other").mkdir()
    with pytest.raises(ReleaseError, match=says):
        release(Home(tmp_path / "other"), range(3, 110))
