"""The lexical index by itself: what is found by which words, and what a difference leaves behind."""

from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from rag_pipeline.errors import ReleaseError
from rag_pipeline.index import lexical
from rag_pipeline.index.lexical import fill_by_difference, fill_whole, opened

TEXTS = {
    "c1": "Cats purr when they are happy.",
    "c2": "Dogs bark; a dog was barking all night.",
    "c3": "L'été à la Straße: café, naïve Émile 🙂",
    "c4": "The of and to a in",
    "c5": 'Running a:b in C++ with foo_bar(x) AND "quotes" OR NOT title:cats',
    "c6": "猫が好きです Кошки мурлычут",
    "c7": "!!! --- ???",
}


def frame(texts: dict[str, str]) -> pl.LazyFrame:
    return pl.LazyFrame({"chunk_id": list(texts), "text": list(texts.values())}, schema={"chunk_id": str, "text": str})


def index_of(folder: Path, texts: dict[str, str], language: str = "english") -> Path:
    fill_whole(folder, frame(texts), language)
    return folder


def ids(folder: Path, question: str, language: str = "english", k: int = 10) -> list[str]:
    with opened(folder, language) as index:
        return [name for name, _ in index.search(question, k)]


@pytest.fixture(scope="module")
def animals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return index_of(tmp_path_factory.mktemp("animals") / "lexical", TEXTS)


@pytest.mark.parametrize(
    ("question", "first"),
    [
        ("cat", "c1"),
        ("HAPPY", "c1"),
        ("barked", "c2"),
        ("ete", "c3"),
        ("strasse", "c3"),
        ("E\u0301mile", "c3"),
        ("кошки", "c6"),
        ("猫が好きです", "c6"),
        ("run", "c5"),
    ],
)
def test_a_word_is_found_whatever_its_case_accent_or_ending(animals: Path, question: str, first: str) -> None:
    assert ids(animals, question)[:1] == [first]


@pytest.mark.parametrize(
    "question",
    [
        'a:b "c',
        "title:cats",
        "+cats -dogs",
        "(((",
        "cats~2^3",
        "[a TO z]",
        "/regex.*/",
        "\\",
        "*",
        "?",
        "AND",
        "NOT cats",
        "a\x00b",
    ],
)
def test_nothing_a_user_types_is_syntax(animals: Path, question: str) -> None:
    """Whatever stands between the words, the answer is that to the words."""
    words = "".join(letter if letter.isalnum() else " " for letter in question)
    assert ids(animals, question) == ids(animals, words)


def test_a_question_that_excludes_finds_what_it_names(animals: Path) -> None:
    assert set(ids(animals, "NOT cats")) == {"c1", "c5"}


@pytest.mark.parametrize("question", ["", "   ", "!!! ???", "🙂", "\ud800", "x" * 500])
def test_a_question_without_a_word_finds_nothing(animals: Path, question: str) -> None:
    assert ids(animals, question) == []


def test_stop_words_alone_find_what_holds_them(animals: Path) -> None:
    assert ids(animals, "the of and")[0] == "c4"


@given(st.text(max_size=200))
def test_any_text_can_be_asked(animals: Path, question: str) -> None:
    assert set(ids(animals, question)) <= set(TEXTS)


def test_a_word_said_twice_counts_twice(animals: Path) -> None:
    with opened(animals, "english") as index:
        [(_, once)], [(_, twice)] = index.search("purr", 1), index.search("purr purr", 1)
    assert twice == pytest.approx(2 * once, rel=1e-3)


def test_scores_are_bm25(tmp_path: Path) -> None:
    """k1 1.2, b 0.75, idf ln(1 + (N - n + .5) / (n + .5)); lengths this small are kept exactly."""
    import math

    folder = index_of(tmp_path / "i", {"a": "cat dog", "b": "cat cat fish bird", "c": "bird"}, "none")
    idf, average = math.log(1 + (3 - 2 + 0.5) / (2 + 0.5)), 7 / 3
    expected = {
        name: idf * 2.2 * tf / (tf + 1.2 * (1 - 0.75 + 0.75 * length / average))
        for name, tf, length in [("a", 1, 2), ("b", 2, 4)]
    }
    with opened(folder, "none") as index:
        assert dict(index.search("cat", 5)) == pytest.approx(expected, abs=1e-3)


def test_words_stay_as_they_are_without_a_stemmer_and_are_cut_by_the_language_named(tmp_path: Path) -> None:
    texts = {"a": "barking", "b": "Häuser"}
    plain, german = index_of(tmp_path / "p", texts, "none"), index_of(tmp_path / "g", texts, "german")
    assert ids(plain, "bark", "none") == []
    assert ids(plain, "BARKING", "none") == ["a"]
    assert ids(german, "Häusern", "german") == ["b"]


def test_an_unknown_language_is_refused_with_the_name_of_the_setting(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="'klingon'; set RAG_LEXICAL_LANGUAGE"):
        index_of(tmp_path / "i", TEXTS, "klingon")


def test_equal_scores_come_by_id_also_where_the_answer_is_cut_off(tmp_path: Path) -> None:
    names = [f"c{number:03d}" for number in range(300)]
    folder = index_of(tmp_path / "i", dict.fromkeys(reversed(names), "the same words"))
    for k in (1, 7, 100, 299, 300, 500):
        assert ids(folder, "same words", k=k) == names[:k]


def test_ids_that_begin_alike_or_are_short_still_come_in_order(tmp_path: Path) -> None:
    names = sorted([*(f"the-same-beginning-{number:02d}" for number in range(30)), "a", "ab", "é", "the-same", "z" * 40])
    folder = index_of(tmp_path / "i", dict.fromkeys(reversed(names), "the same words"))
    for k in range(1, 40):
        assert ids(folder, "words", k=k) == names[:k]


def test_equal_scores_come_by_id_across_a_difference_too(tmp_path: Path) -> None:
    names = [f"c{number:03d}" for number in range(100)]
    same = dict.fromkeys(names, "the same words")
    first = index_of(tmp_path / "one", {name: same[name] for name in names[::2]})
    fill_by_difference(first, tmp_path / "two", frame(same), "english", removed=names[:20:2], added=names[1::2])
    assert ids(tmp_path / "two", "same", k=30) == sorted(set(names) - set(names[:20:2]))[:30]


def test_an_index_leaves_no_lock_behind_and_opening_it_none_either(tmp_path: Path) -> None:
    folder = index_of(tmp_path / "i", TEXTS)
    before = sorted(path.name for path in folder.iterdir())
    assert not [name for name in before if "lock" in name]
    assert ids(folder, "cats")
    assert sorted(path.name for path in folder.iterdir()) == before


def test_every_file_of_an_index_is_one_that_it_still_uses(tmp_path: Path) -> None:
    first = index_of(tmp_path / "0", {f"a{number}": f"cats number {number}" for number in range(50)})
    for night in range(1, 14):  # enough for tantivy to merge, and to leave the merged segments
        texts = {f"n{night}": f"dogs of night {night}"}
        following = tmp_path / str(night)
        fill_by_difference(first, following, frame(texts), "english", removed=[f"a{night}"], added=[f"n{night}"])
        first = following
    meta = (first / "meta.json").read_text()
    segments = {path.name.split(".")[0] for path in first.iterdir() if path.name not in ("meta.json", ".managed.json")}
    assert {segment for segment in segments if segment not in meta.replace("-", "")} == set()
    with opened(first, "english") as index:
        assert index.live == 50
    assert ids(first, "number 3") != [] and "a3" not in ids(first, "number 3", k=50)


def test_statistics_of_terms_count_deleted_records_so_scores_are_a_little_off_and_places_are_not(tmp_path: Path) -> None:
    """Stated in decision 17: the day this fails, tantivy counts live records and the two builds agree to the digit."""
    texts = {f"a{number:02d}": f"cats and {'dogs ' * (number % 5)}number {number}" for number in range(60)}
    gone = {f"z{number}": "cats cats of long ago" for number in range(6)}
    first = index_of(tmp_path / "one", texts | gone)
    fill_by_difference(first, tmp_path / "two", frame(texts), "english", removed=list(gone), added=[])
    fresh = index_of(tmp_path / "fresh", texts)
    for question in ("dogs", "cats number 7", "dogs number 12"):
        with opened(tmp_path / "two", "english") as one, opened(fresh, "english") as other:
            by_difference, whole = one.search(question, 60), other.search(question, 60)
        assert [name for name, _ in by_difference] == [name for name, _ in whole]
        assert [score for _, score in by_difference] != [score for _, score in whole]
        assert dict(by_difference) == pytest.approx(dict(whole), abs=0.5)


def test_an_id_that_left_and_came_keeps_its_record(tmp_path: Path) -> None:
    first = index_of(tmp_path / "one", TEXTS)
    before = {path.name: path.read_bytes() for path in first.iterdir()}
    fill_by_difference(first, tmp_path / "two", frame(TEXTS), "english", removed=["c1"], added=["c1"])
    assert {path.name: path.read_bytes() for path in (tmp_path / "two").iterdir()} == before


@given(st.sets(st.integers(0, 30)), st.sets(st.integers(0, 30)))
@hypothesis_settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_comes_and_goes_exactly_what_is_wanted_is_found(
    tmp_path_factory: pytest.TempPathFactory, before: set[int], after: set[int]
) -> None:
    home = tmp_path_factory.mktemp("difference")
    texts = {f"c{number:02d}": f"word{number} shared" for number in range(31)}
    old, new = ({f"c{number:02d}" for number in some} for some in (before, after))
    first = index_of(home / "one", {name: texts[name] for name in sorted(old)})
    fill_by_difference(first, home / "two", frame(texts), "english", removed=sorted(old - new), added=sorted(new - old))
    assert ids(home / "two", "shared", k=50) == sorted(new)
    for name in texts:
        assert ids(home / "two", texts[name].split()[0]) == [name] * (name in new)


def test_a_folder_that_is_no_index_is_said_so(tmp_path: Path) -> None:
    for folder in (tmp_path / "nothing", tmp_path):
        with pytest.raises(ReleaseError, match="lexical index cannot be read"), opened(folder, "english"):
            pass


def test_texts_are_read_a_few_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lexical, "_ROWS_AT_ONCE", 2)
    assert ids(index_of(tmp_path / "i", TEXTS), "cats") == ids(index_of(tmp_path / "j", TEXTS), "cats")
