import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag_pipeline.golden.quoted_answers import Words, quoted
from rag_pipeline.golden.similar import duplicates, near_duplicates
from rag_pipeline.golden.words import fold, words

TEXTS = st.lists(st.lists(st.sampled_from("abcdefghijklm"), min_size=1, max_size=14).map(" ".join), max_size=14)


@given(TEXTS, st.sampled_from([0.5, 0.75, 0.9, 1.0]))
def test_no_pair_is_missed_for_want_of_comparing_all(texts: list[str], least: float) -> None:
    queries = {str(place): text for place, text in enumerate(texts)}
    expected = set()
    for place, text in enumerate(texts):
        for other in range(place):
            one, two = set(text.split()), set(texts[other].split())
            if len(one & two) / len(one | two) >= least and text != texts[other]:
                expected.add((str(place), str(other)))
    assert {(one, other) for one, other, _ in near_duplicates(queries, least)} == expected


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("How do I apply for leave?", "how do i apply  for “leave”", True),
        ("What's new?", "whats new", True),
        ("re-run a job", "Re run a job", True),
        ("cast in C", "cast in C++", False),
        ("cast in C", "cast in C#", False),
        ("a rise of 1.5", "a rise of 15", False),
        ("a rise of 5", "a rise of 5 %", False),
        ("what is _x", "what is x", False),
        ("straße", "STRASSE", True),
    ],
)
def test_case_blanks_and_punctuation_make_no_other_question(one: str, other: str, same: bool) -> None:
    assert (fold(one) == fold(other)) is same
    assert list(duplicates({"a": one, "b": other})) == ([("b", "a")] if same else [])


@pytest.mark.parametrize(
    ("query", "run"),
    [
        ("why must every laptop's disk be encrypted by its owner?", "every laptops disk be encrypted by its owner"),
        ("is the disk encrypted", ""),
        ("encrypted by its owner", "encrypted by its owner"),
        ("by its owner", ""),
        ("who encrypted by its owner then", ""),
        ("", ""),
    ],
)
def test_a_query_that_quotes_is_known_by_six_words_in_a_row_or_all_of_four(query: str, run: str) -> None:
    held = Words("We say: every laptop's disk -- be encrypted, by its owner. Laptops are lent.")
    assert quoted(words(query), held) == run


def test_a_run_ends_at_the_ends_of_words() -> None:
    assert not quoted(words("aptop disk be encrypted by its own"), Words("laptop disk be encrypted by its owner"))
