"""What fell furthest is named, so that a refusal leads to pages."""

from rag_pipeline.evaluate.fallen import fallen, most_lost

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
