"""Releases that answer by meaning, by words and by both: built, built upon, opened, damaged, and of an older pipeline."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from rag_pipeline.corpus.model import model_of
from rag_pipeline.corpus.tables import chunks_table
from rag_pipeline.errors import ReleaseError
from rag_pipeline.files import write_json
from rag_pipeline.index import build as build_module
from rag_pipeline.index import lexical
from rag_pipeline.index.build import build_release, rebuild_release, recipe_of
from rag_pipeline.index.fuse import fuse
from rag_pipeline.index.manifest import FILE, MODES, Manifest, RetrievalParameters, damaged_files, read_manifest
from rag_pipeline.index.recipe import recipe_now, retrieval_of
from rag_pipeline.index.retrieve import Query, has_lexical, open_release
from rag_pipeline.index.verify import verify_release
from rag_pipeline.settings import Settings
from tests.corpus.small import NOW, bag_of_words, build, recipe, release_of
from tests.index.damage import writable
from tests.index.held import NUMBERS, bytes_of, hold, release, whole

PAGES = {
    "cats.md": "# Cats\n\nCats purr, and cats sleep.",
    "dogs.md": "# Dogs\n\nDogs bark at cats.",
    "both.md": "# Both\n\nAnimals of all kinds live here.",
    "form.md": "# Forms\n\nForm XK-4711 is for refunds.",
}


def ask(text: str) -> Query:
    return Query(text, bag_of_words(text))


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Manifest]:
    """A release nobody may change."""
    home = tmp_path_factory.mktemp("zoo")
    return home, release_of(home, PAGES).manifest


def served_as(home: Path, manifest: Manifest, night: int = 1, **parameters: object) -> Manifest:
    """The release of the same content with other retrieval parameters."""
    retrieval = RetrievalParameters.model_validate(manifest.retrieval.model_dump() | parameters)
    other = replace(recipe_of(manifest), retrieval=retrieval)
    return build_release(home, other, run_id="test", now=NOW + timedelta(days=night)).manifest


def age(home: Path, manifest: Manifest) -> Manifest:
    """Make a release what an older pipeline built: no lexical index, and a manifest that never heard of one."""
    folder = home / "releases" / manifest.id
    for path in (folder / lexical.FOLDER).iterdir():
        writable(path).unlink()
    (folder / lexical.FOLDER).rmdir()
    said = manifest.model_dump(mode="json", exclude={"lexical": True, "probe": {"lexical_stored", "lexical_asked"}})
    said["retrieval"] = {"mode": "dense"}
    said["files"] = {name: entry for name, entry in said["files"].items() if not name.startswith("lexical/")}
    rows = chunks_table(home).scan()
    said["fingerprint"] = replace(recipe_of(manifest), lexical=False).fingerprint(rows)
    write_json(folder / FILE, said)
    return read_manifest(folder)


def test_a_release_can_be_asked_in_every_mode(zoo: tuple[Path, Manifest]) -> None:
    home, manifest = zoo
    query = ask("refunds with form xk 4711")
    with open_release(home, manifest.id, MODES) as opened:
        assert opened.search(query, 4) == opened.search(query, 4, "dense") == opened.search(query.vector, 4)
        by_words = opened.search(Query(query.text), 4, "lexical")
        assert [hit.document_id for hit in by_words][:1] == ["handbook/form.md"]
        fused = opened.search(query, 4, "hybrid")
        dense, words = (opened.ranked([query], 100, mode)[0] for mode in ("dense", "lexical"))
        expected = fuse(dense, words, manifest.retrieval, 4)
    assert [(hit.chunk_id, hit.score) for hit in fused] == expected
    assert [hit.rank for hit in fused] == [1, 2, 3, 4]
    assert by_words[0].text == PAGES["form.md"] and by_words[0].uri == "file:///form.md"


def test_rankings_of_a_batch_are_those_of_single_searches(zoo: tuple[Path, Manifest]) -> None:
    home, manifest = zoo
    queries = [ask(text) for text in ("cats", "dogs bark", "!!!", *["animals"] * 70)]
    with open_release(home, manifest.id, MODES) as opened:
        for mode in ("dense", "lexical"):
            found = opened.ranked(queries, 3, mode)
            assert found == [[(hit.chunk_id, hit.score) for hit in opened.search(one, 3, mode)] for one in queries]
        assert opened.ranked([], 3, "dense") == opened.ranked([], 3, "lexical") == []
        assert opened.search(ask("!!!"), 3, "lexical") == []


def test_a_mode_that_was_not_opened_or_lacks_its_question_is_refused(zoo: tuple[Path, Manifest]) -> None:
    home, manifest = zoo
    with open_release(home, manifest.id) as opened:
        with pytest.raises(ReleaseError, match="was not opened for lexical retrieval"):
            opened.search(ask("cats"), 3, "lexical")
        with pytest.raises(ValueError, match="needs the query's vector"):
            opened.search(Query("cats"), 3)


def test_the_lexical_index_is_copied_only_for_modes_that_need_it(zoo: tuple[Path, Manifest]) -> None:
    home, manifest = zoo

    def views() -> int:
        return sum(path.is_dir() for path in (home / "views").iterdir())

    with open_release(home, manifest.id):
        assert views() == 1
    with open_release(home, manifest.id, ["lexical"]):
        assert views() == 2
    assert views() == 0


def test_reading_words_leaves_every_byte_as_it_was(zoo: tuple[Path, Manifest]) -> None:
    home, manifest = zoo
    before = bytes_of(home, manifest)
    with open_release(home, manifest.id, MODES) as opened:
        assert opened.search(ask("cats"), 2, "hybrid")
    assert bytes_of(home, manifest) == before
    assert any(name.startswith("lexical/") for name in manifest.files)
    assert not [name for name in manifest.files if name.endswith(".lock")]
    assert verify_release(home, manifest.id) == ()


def test_a_lock_that_a_late_thread_of_the_index_left_is_no_part_of_a_release(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen once in CI on a busy machine: the file was listed, went a moment later, and the release counted as damaged."""
    prove = build_module.prove_lexical

    def and_leave_a_lock(folder: Path, *rest: object) -> object:
        proved = prove(folder, *rest)  # type: ignore[arg-type]
        (folder / ".tantivy-meta.lock").touch()
        return proved

    monkeypatch.setattr(build_module, "prove_lexical", and_leave_a_lock)
    manifest = release_of(tmp_path, PAGES).manifest
    assert not [name for name in manifest.files if name.endswith(".lock")]
    assert verify_release(tmp_path, manifest.id) == ()


def test_chunks_are_looked_up_by_id_with_all_that_was_put_in(zoo: tuple[Path, Manifest]) -> None:
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


def test_another_mode_is_another_release_built_upon_the_first_with_nothing_removed_or_added(tmp_path: Path) -> None:
    first = release(tmp_path, range(60))
    vectors = (tmp_path / "releases" / first.id / "chroma").rglob("data_level0.bin")
    second = served_as(tmp_path, first, mode="hybrid", dense_weight=0.3)
    assert second.fingerprint != first.fingerprint
    assert (second.origin.base, second.origin.removed, second.origin.added, second.origin.dead_slots) == (first.id, 0, 0, 0)
    assert (second.retrieval.mode, second.retrieval.dense_weight) == ("hybrid", 0.3)
    same = {name: one for name, one in second.files.items() if name.startswith("lexical/") or name.endswith(".bin")}
    assert same and all(first.files[name] == one for name, one in same.items() if name.startswith("lexical/"))
    assert [path.name for path in vectors] == ["data_level0.bin"]
    assert verify_release(tmp_path, second.id) == ()
    query = Query("text of c00007", NUMBERS[7])
    with open_release(tmp_path, second.id) as opened:
        best = opened.search(query, 5)
        assert best == opened.search(query, 5, "hybrid")
    assert best[0].chunk_id == "c00007" and best[0].score == pytest.approx(1 / 61)
    third = served_as(tmp_path, second, night=2)
    assert third == second, "the same parameters are the same release"


def test_a_further_night_builds_upon_the_release_of_the_other_mode(tmp_path: Path) -> None:
    second = served_as(tmp_path, release(tmp_path, range(60)), mode="lexical")
    hold(tmp_path, range(5, 65))
    third = build_release(tmp_path, recipe_of(second), run_id="test", now=NOW + timedelta(days=2)).manifest
    assert (third.origin.base, third.origin.removed, third.origin.added) == (second.id, 5, 5)
    with open_release(tmp_path, third.id) as opened:
        names = [hit.chunk_id for hit in opened.search(Query("text"), 100)]
        assert opened.search(Query("c00003"), 5) == []
    assert names == [f"c{number:05d}" for number in range(5, 65)], "all score the same, so they come by id"


def test_words_of_a_release_by_difference_are_those_of_one_built_whole(tmp_path: Path) -> None:
    release(tmp_path / "nights", range(100))
    second = release(tmp_path / "nights", range(5, 120), moved=range(50, 54), night=1)
    fresh = release(tmp_path / "nothing", range(5, 120), moved=range(50, 54), night=1)
    assert not whole(tmp_path, second) and whole(tmp_path, fresh)
    assert (second.probe.lexical_stored, second.probe.lexical_asked) == (115, 115)
    homes = (tmp_path / "nights", second), (tmp_path / "nothing", fresh)
    one, two = (open_release(home, manifest.id, MODES) for home, manifest in homes)
    with one as nights, two as nothing:
        for text in ("text", "c00050", "c00110 text", "c00001 of"):
            found, expected = (opened.search(Query(text), 200, "lexical") for opened in (nights, nothing))
            assert [hit.chunk_id for hit in found] == [hit.chunk_id for hit in expected]


def test_another_language_builds_the_words_whole_and_the_vectors_by_difference(tmp_path: Path) -> None:
    first = release(tmp_path, range(40))
    second = served_as(tmp_path, first, language="none")
    assert second.origin.base == first.id
    assert second.lexical is not None and second.lexical.language == "none"
    assert not {name for name in first.files if name.endswith(".idx")} & second.files.keys()
    assert verify_release(tmp_path, second.id) == ()


def test_words_another_version_of_tantivy_wrote_are_not_built_upon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = release(tmp_path, range(40))
    monkeypatch.setattr(lexical, "_ANALYZER", 99)
    second = release(tmp_path, range(41), night=1)
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
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    gone, new, says = HARMS[what]
    first = release(tmp_path, range(100))
    by_difference, as_whole = lexical.fill_by_difference, lexical.fill_whole

    def harm(folder: Path) -> None:
        rows = pl.LazyFrame({"chunk_id": list(new), "text": list(new.values())}, schema={"chunk_id": str, "text": str})
        with lexical._writer(folder, lexical.Index.open(str(folder)), "english") as writer:
            for name in gone:
                writer.delete_documents_by_term("chunk_id", name)
            lexical._add(writer, rows)

    def harmed_difference(base: Path, folder: Path, *rest: object, **named: object) -> None:
        by_difference(base, folder, *rest, **named)  # type: ignore[arg-type]
        harm(folder)

    def harmed_whole(folder: Path, *rest: object) -> None:
        as_whole(folder, *rest)  # type: ignore[arg-type]
        harm(folder)

    monkeypatch.setattr(build_module.lexical, "fill_by_difference", harmed_difference)
    second = release(tmp_path, range(3, 110), night=1)
    assert second.origin.rebuilt_because.startswith(f"the difference to {first.id} did not hold: ")
    assert says in second.origin.rebuilt_because
    assert verify_release(tmp_path, second.id) == ()
    monkeypatch.setattr(build_module.lexical, "fill_whole", harmed_whole)
    (tmp_path / "other").mkdir()
    with pytest.raises(ReleaseError, match=says):
        release(tmp_path / "other", range(3, 110))


@pytest.mark.parametrize("mode", ["lexical", "hybrid"])
@pytest.mark.parametrize("suffix", ["idx", "term", "store", "json", "new"])
def test_a_damaged_lexical_file_is_named_and_nothing_is_answered(tmp_path: Path, suffix: str, mode: str) -> None:
    manifest = release(tmp_path, range(20))
    folder = tmp_path / "releases" / manifest.id / "lexical"
    path = next((path for path in folder.iterdir() if path.name.endswith(f".{suffix}")), folder / "stray.new")
    writable(path).write_bytes(b"rot" + path.read_bytes()[3:]) if path.exists() else path.write_bytes(b"")
    name = f"lexical/{path.name}"
    assert damaged_files(folder.parent, manifest) == (name,)
    with pytest.raises(ReleaseError, match=f"damaged .*{name}.* cannot answer"), open_release(tmp_path, manifest.id, [mode]):
        pass
    assert any(name in problem for problem in verify_release(tmp_path, manifest.id))
    twin = rebuild_release(tmp_path, manifest, run_id="repair", now=NOW).manifest
    with open_release(tmp_path, twin.id, [mode]) as opened:
        assert opened.search(Query("c00004", NUMBERS[4]), 1, mode)[0].chunk_id == "c00004"


def test_a_manifest_of_an_older_pipeline_reads_verifies_answers_and_says_what_it_cannot(tmp_path: Path) -> None:
    old = age(tmp_path, release(tmp_path, range(30)))
    assert not has_lexical(old)
    assert (old.retrieval, old.lexical, old.probe.lexical_stored) == (RetrievalParameters(), None, None)
    assert old.probe.holds
    assert verify_release(tmp_path, old.id) == ()
    with open_release(tmp_path, old.id) as opened:
        assert opened.search(NUMBERS[3], 1)[0].chunk_id == "c00003"
    for modes in (["lexical"], MODES):
        with pytest.raises(ReleaseError, match=r"no lexical index.*`rag refresh` builds one"):
            open_release(tmp_path, old.id, modes).__enter__()


def test_the_first_refresh_after_an_older_pipeline_builds_upon_its_release_and_adds_the_words(tmp_path: Path) -> None:
    old = age(tmp_path, release(tmp_path, range(30)))
    new = build(tmp_path, now=NOW + timedelta(days=1))
    assert new.new, "the same chunks, but one cannot be asked for words"
    assert (new.manifest.origin.base, new.manifest.origin.removed, new.manifest.origin.added) == (old.id, 0, 0)
    with open_release(tmp_path, new.manifest.id, MODES) as opened:
        assert opened.search(Query("c00003", NUMBERS[3]), 1, "hybrid")[0].chunk_id == "c00003"
    assert verify_release(tmp_path, new.manifest.id) == ()


def test_a_twin_of_an_older_release_is_as_old(tmp_path: Path) -> None:
    old = age(tmp_path, release(tmp_path, range(30)))
    (tmp_path / "releases" / old.id / "stray").touch()
    twin = rebuild_release(tmp_path, old, run_id="repair", now=NOW).manifest
    assert (twin.fingerprint, twin.lexical) == (old.fingerprint, None)
    assert verify_release(tmp_path, twin.id) == ()


def test_ties_of_equal_texts_come_by_id_in_every_mode(tmp_path: Path) -> None:
    pages = {f"copy{number:02}.md": "# Twice\n\nSaid again and again." for number in range(14)}
    manifest = release_of(tmp_path, pages).manifest
    with open_release(tmp_path, manifest.id, MODES) as opened:
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


def test_every_parameter_of_retrieval_is_part_of_the_fingerprint(tmp_path: Path) -> None:
    hold(tmp_path, range(3))
    rows = chunks_table(tmp_path).scan()
    changes = [
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


def test_dense_scores_are_cosines_whichever_door(zoo: tuple[Path, Manifest]) -> None:
    home, manifest = zoo
    query = ask("cats purr")
    with open_release(home, manifest.id) as opened:
        for hit in opened.search(query, 4):
            assert query.vector is not None
            assert hit.score == pytest.approx(float(np.dot(query.vector, bag_of_words(hit.text))), abs=1e-5)
