"""What fell furthest is named, so that a refusal leads to pages."""

import pytest

from rag_pipeline.evaluate.fallen import fallen, most_lost, slipped

QRELS = {"q1": {"a": 1, "b": 1}, "q2": {"a": 2, "c": 0}, "q3": {"d": 1}}


def test_what_fell_furthest_over_all_queries_comes_first() -> None:
    before = {"q1": ["a", "x", "b"], "q2": ["c", "a"], "q3": ["d"]}
    now = {"q1": ["x", "b"], "q2": ["c"], "q3": ["x", "d"]}
    assert fallen(QRELS, now, before) == ["a", "d"], "b rose, and c is no answer"


def test_nothing_fell_where_nothing_is_further_back() -> None:
    before = {"q1": ["a"], "q3": ["x", "d"]}
    assert fallen(QRELS, {"q1": ["a", "x"], "q3": ["d"]}, before) == []
    assert fallen(QRELS, before, {}) == []


def test_places_behind_the_first_ten_count_as_nowhere() -> None:
    others = [f"x{number}" for number in range(10)]
    assert fallen({"q": {"a": 1}}, {"q": [*others, "a"]}, {"q": [*others[:9], "a"]}) == ["a"]
    assert fallen({"q": {"a": 1}}, {"q": []}, {"q": [*others, "a"]}) == []


def test_no_more_are_named_than_a_person_reads() -> None:
    qrels = {"q": dict.fromkeys("abcde", 1)}
    assert fallen(qrels, {"q": []}, {"q": list("abcde")}) == ["a", "b", "c"]
    assert most_lost(["a", "b"]) == "; most lost: a, b"
    assert most_lost([]) == ""


@pytest.mark.parametrize(
    ("then", "now", "has_slipped"),
    [
        *[(1, 1, False), (1, 2, True), (1, 3, True), (1, 4, False), (5, 4, False), (10, 11, True), (10, 12, True)],
        *[(9, 11, True), (10, 13, False), (1, 11, False), (11, 12, False), (10, None, False), (None, 11, False)],
    ],
)
def test_an_answer_slips_by_two_places_at_most_and_from_the_first_ten(
    then: int | None, now: int | None, has_slipped: bool
) -> None:
    def ranked(place: int | None) -> dict[str, list[str]]:
        return {"q": [f"x{number}" for number in range((place or 20) - 1)] + (["a"] if place else [])}

    assert slipped({"q": {"a": 1, "x0": 0}}, ranked(now), ranked(then)) == (["q"] if has_slipped else [])


def test_the_first_of_several_answers_is_the_one_that_slips() -> None:
    before, now = {"q": ["a", "x", "b"]}, {"q": ["x", "b", "y", "a"]}
    assert slipped({"q": {"a": 1, "b": 1}}, now, before) == ["q"], "b stands where a reader finds it"
