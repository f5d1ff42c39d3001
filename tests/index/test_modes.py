"""Releases that answer by meaning, by words and by both: built, built upon, opened and damaged."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rag_pipeline.corpus.model import model_of
from rag_pipeline.corpus.tables import chunks_table
from rag_pipeline.errors import ReleaseError
from rag_pipeline.home import Home
from rag_pipeline.index import build as build_module
from rag_pipeline.index.build import rebuild_release
from rag_pipeline.index.fusion import fuse
from rag_pipeline.index.manifest import MODES, Manifest, Mode, RetrievalParameters, damaged_files
from rag_pipeline.index.prove_lexical import prove_lexical
from rag_pipeline.index.recipe import recipe_now, retrieval_of
from rag_pipeline.index.retrieve import Query, open_release
from rag_pipeline.index.verify import verify_release
from rag_pipeline.settings import Settings
from tests.support.numbered_chunks import NUMBERS, bytes_of, hold, release
from tests.support.release_damage import writable
from tests.support.small_releases import NOW, bag_of_words, recipe, release_of

PAGES = {
    "cats.md": "# Cats\n\nCats purr, and cats sleep.",
    "dogs.md": "# Dogs\n\nDogs bark at cats.",
    "both.md": "# Both\n\nAnimals of all kinds live here.",
    "form.md": "# Forms\n\nForm XK-4711 is for refunds.",
}


def ask(text: str) -> Query:
    return Query(text, bag_of_words(text))


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, Manifest]:
    """A release nobody may change."""
    home = Home(tmp_path_factory.mktemp("zoo"))
    return home, release_of(home, PAGES).manifest


def test_a_release_can_be_asked_in_every_mode(zoo: tuple[Home, Manifest]) -> None:
    home, manifest = zoo
    query = ask("refunds with form xk 4711")
    vector = query.vector
    assert vector is not None
    with open_release(home, manifest.id, MODES) as opened:
        assert opened.search(query, 4) == opened.search(query, 4, "dense") == opened.search(vector, 4)
        by_words = opened.search(Query(query.text), 4, "lexical")
        assert [hit.document_id for hit in by_words][:1] == ["handbook/form.md"]
        fused = opened.search(query, 4, "hybrid")
        dense, words = (opened.ranked([query], 100, mode)[0] for mode in ("dense", "lexical"))
        expected = fuse(dense, words, manifest.retrieval, 4)
    assert [(hit.chunk_id, hit.score) for hit in fused] == expected
    assert [hit.rank for hit in fused] == [1, 2, 3, 4]
    assert by_words[0].text == PAGES["form.md"] and by_words[0].uri == "file:///form.md"


def test_rankings_of_a_batch_are_those_of_single_searches(zoo: tuple[Home, Manifest]) -> None:
    home, manifest = zoo
    queries = [ask(text) for text in ("cats", "dogs bark", "!!!", *["animals"] * 70)]
    with open_release(home, manifest.id, MODES) as opened:
        for mode in ("dense", "lexical"):
            found = opened.ranked(queries, 3, mode)
            assert found == [[(hit.chunk_id, hit.score) for hit in opened.search(one, 3, mode)] for one in queries]
        assert opened.ranked([], 3, "dense") == opened.ranked([], 3, "lexical") == []
        assert opened.search(ask("!!!"), 3, "lexical") == []


def test_a_mode_that_was_not_opened_or_lacks_its_question_is_refused(zoo: tuple[Home, Manifest]) -> None:
    home, manifest = zoo
    with open_release(home, manifest.id) as opened:
        with pytest.raises(ReleaseError, match="was not opened for lexical retrieval"):
            opened.search(ask("cats"), 3, "lexical")
        with pytest.raises(ValueError, match="needs the query's vector"):
            opened.search(Query("cats"), 3)


def test_the_lexical_index_is_copied_only_for_modes_that_need_it(zoo: tuple[Home, Manifest]) -> None:
    home, manifest = zoo

    def views() -> int:
        return sum(path.is_dir() for path in home.views.iterdir())

    with open_release(home, manifest.id):
        assert views() == 1
    with open_release(home, manifest.id, ["lexical"]):
        assert views() == 2
    assert views() == 0


def test_reading_words_leaves_every_byte_as_it_was(zoo: tuple[Home, Manifest]) -> None:
    home, manifest = zoo
    before = bytes_of(home, manifest)
    with open_release(home, manifest.id, MODES) as opened:
        assert opened.search(ask("cats"), 2, "hybrid")
    assert bytes_of(home, manifest) == before
    assert any(name.startswith("lexical/") for name in manifest.files)
    assert not [name for name in manifest.files if name.endswith(".lock")]
    assert verify_release(home, manifest.id) == ()


def test_a_lock_that_a_late_thread_of_the_index_left_is_no_part_of_a_release(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen once in CI on a busy machine: the file was listed, went a moment later, and the release counted as damaged."""
    prove = prove_lexical

    def and_leave_a_lock(folder: Path, *rest: object) -> object:
        proved = prove(folder, *rest)  # type: ignore[arg-type]
        (folder / ".tantivy-meta.lock").touch()
        return proved

    monkeypatch.setattr(build_module, "prove_lexical", and_leave_a_lock)
    manifest = release_of(home, PAGES).manifest
    assert not [name for name in manifest.files if name.endswith(".lock")]
    assert verify_release(home, manifest.id) == ()


def test_chunks_are_looked_up_by_id_with_all_that_was_put_in(zoo: tuple[Home, Manifest]) -> None:
    home, manifest = zoo
    rows = {row["chunk_id"]: row for row in chunks_table(home).scan().collect().iter_rows(named=True)}
    with open_release(home, manifest.id) as opened:
        found = opened.look_up([*rows, "nobody", *rows])
        assert opened.look_up([]) == {}
    assert found.keys() == rows.keys()
    for name, chunk in found.items():
        assert {field: getattr(chunk, field) for field in chunk.__slots__} == {
            field: rows[name][field] for field in chunk.__slots__
        }


@pytest.mark.parametrize("mode", ["lexical", "hybrid"])
@pytest.mark.parametrize("suffix", ["idx", "term", "store", "json", "new"])
def test_a_damaged_lexical_file_is_named_and_nothing_is_answered(
    home: Home, tmp_path: Path, suffix: str, mode: Mode
) -> None:
    manifest = release(home, range(20))
    folder = tmp_path / "releases" / manifest.id / "lexical"
    path = next((path for path in folder.iterdir() if path.name.endswith(f".{suffix}")), folder / "stray.new")
    writable(path).write_bytes(b"rot" + path.read_bytes()[3:]) if path.exists() else path.write_bytes(b"")
    name = f"lexical/{path.name}"
    assert damaged_files(folder.parent, manifest) == (name,)
    with pytest.raises(ReleaseError, match=f"damaged .*{name}.* cannot answer"), open_release(home, manifest.id, [mode]):
        pass
    assert any(name in problem for problem in verify_release(home, manifest.id))
    twin = rebuild_release(home, manifest, run_id="repair", now=NOW).manifest
    with open_release(home, twin.id, [mode]) as opened:
        assert opened.search(Query("c00004", NUMBERS[4]), 1, mode)[0].chunk_id == "c00004"


def test_ties_of_equal_texts_come_by_id_in_every_mode(home: Home) -> None:
    pages = {f"copy{number:02}.md": "# Twice\n\nSaid again and again." for number in range(14)}
    manifest = release_of(home, pages).manifest
    with open_release(home, manifest.id, MODES) as opened:
        for mode in ("dense", "lexical"):
            names = [hit.chunk_id for hit in opened.search(ask("said again"), 14, mode)]
            assert names == sorted(names) and len(names) == 14
        assert [hit.chunk_id for hit in opened.search(ask("said again"), 14, "hybrid")] == names


def test_settings_become_parameters_and_auto_is_dense(tmp_path: Path) -> None:
    plain = Settings(home=tmp_path)
    assert retrieval_of(plain) == RetrievalParameters()
    told = Settings(home=tmp_path, retrieval="hybrid", hybrid_dense_weight=0.7, lexical_language="German", rerank_depth=50)
    assert retrieval_of(told) == RetrievalParameters(mode="hybrid", dense_weight=0.7, language="german")
    assert recipe_now(told, (), NOW).retrieval == retrieval_of(told)
    chosen = RetrievalParameters(mode="lexical")
    assert recipe_now(told, (), NOW, chosen).retrieval == chosen
    assert model_of(told).fingerprint == recipe_now(plain, (), NOW).model.fingerprint


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ({"lexical_language": "klingon"}, "RAG_LEXICAL_LANGUAGE=klingon: tantivy has no stemmer"),
        ({"hybrid_dense_weight": 1.5}, "hybrid_dense_weight"),
        ({"retrieval": "magic"}, "retrieval"),
        ({"rerank_depth": 0}, "rerank_depth"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(bad: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Settings.model_validate(bad)


def test_every_parameter_of_retrieval_is_part_of_the_fingerprint(home: Home) -> None:
    hold(home, range(3))
    rows = chunks_table(home).scan()
    changes: list[dict[str, Any]] = [
        {},
        {"mode": "hybrid"},
        {"dense_weight": 0.4},
        {"rrf_k": 10},
        {"depth": 50},
        {"language": "none"},
        {"reranker": "/models/x"},
        {"reranker_fingerprint": "y"},
        {"rerank_depth": 5},
    ]
    assert {name for change in changes for name in change} == RetrievalParameters.model_fields.keys()
    recipes = [replace(recipe(), retrieval=RetrievalParameters.model_validate(change)) for change in changes]
    assert len({one.fingerprint(rows) for one in recipes}) == len(changes)


def test_dense_scores_are_cosines_whichever_door(zoo: tuple[Home, Manifest]) -> None:
    home, manifest = zoo
    query = ask("cats purr")
    with open_release(home, manifest.id) as opened:
        for hit in opened.search(query, 4):
            assert query.vector is not None
            assert hit.score == pytest.approx(float(np.dot(query.vector, bag_of_words(hit.text))), abs=1e-5)
