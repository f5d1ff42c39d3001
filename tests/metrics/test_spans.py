from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.spans import precision_omega
from rag_pipeline.errors import GoldenSetError, PipelineError
from rag_pipeline.metrics.spans import (
    Span,
    common,
    is_span_metric,
    merged,
    size,
    span_depth,
    span_score,
    span_scores,
)

INTERVALS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)).map(lambda ends: (min(ends), max(ends))), max_size=6)
SPANS = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 20), st.integers(0, 8)), max_size=6).map(
    lambda rows: [(document, start, start + length) for document, start, length in rows]
)
REFERENCES = SPANS.map(lambda spans: [span for span in spans if span[1] < span[2]]).filter(bool)


def letters(spans: list[Span]) -> set[tuple[str, int]]:
    """Every character of the spans, one by one."""
    return {(document, place) for document, start, end in spans for place in range(start, end)}


def places(intervals: list[tuple[int, int]]) -> set[int]:
    return {place for start, end in intervals for place in range(start, end)}


@given(INTERVALS)
def test_merged_intervals_hold_the_same_characters_apart_and_in_order(intervals: list[tuple[int, int]]) -> None:
    result = merged(intervals)
    assert places(result) == places(intervals)
    assert size(result) == len(places(intervals))
    ends = [end for interval in result for end in interval]
    assert all(one < other for one, other in pairwise(ends)), "disjoint, not empty, none joining the next"


@given(INTERVALS, INTERVALS)
def test_common_characters_are_those_in_both(one: list[tuple[int, int]], other: list[tuple[int, int]]) -> None:
    result = common(merged(one), merged(other))
    assert places(result) == places(one) & places(other)
    assert result == merged(result)


@given(REFERENCES, SPANS, st.integers(1, 7))
def test_scores_are_what_counting_characters_gives(references: list[Span], retrieved: list[Span], k: int) -> None:
    wanted, read = letters(references), sum(end - start for _, start, end in retrieved[:k])
    covered = len(wanted & letters(retrieved[:k]))
    scores = span_scores(references, retrieved, k)
    assert scores.recall == covered / len(wanted)
    assert scores.precision == (covered / read if read else 0.0)
    assert scores.iou == covered / (read + len(wanted) - covered)
    assert 0 <= scores.iou <= min(scores.recall, scores.precision) <= 1
    for field in ("recall", "precision", "iou"):
        assert span_score(f"span_{field}@{k}", references, retrieved) == getattr(scores, field)


@given(REFERENCES, SPANS)
def test_precision_omega_is_what_counting_characters_gives(references: list[Span], chunks: list[Span]) -> None:
    touching = [
        (document, start, end)
        for document, start, end in chunks
        if any(document == wanted and start <= last and first <= end for wanted, first, last in references)
    ]
    wanted = letters(references)
    assert precision_omega(references, chunks) == len(wanted & letters(touching)) / len(wanted | letters(touching))


def test_a_perfect_answer_scores_one_and_another_document_zero() -> None:
    perfect = span_scores([("a", 10, 20)], [("a", 10, 20)], 1)
    assert (perfect.recall, perfect.precision, perfect.iou) == (1.0, 1.0, 1.0)
    assert span_scores([("a", 10, 20), ("a", 12, 20)], [("a", 10, 20)], 5) == perfect, "a character counts once"
    nothing = span_scores([("a", 10, 20)], [("b", 10, 20)], 1)
    assert (nothing.recall, nothing.precision, nothing.iou) == (0.0, 0.0, 0.0)
    assert span_scores([("a", 10, 20)], [], 3) == nothing


def test_references_may_lie_in_several_documents_and_chunks_beyond_k_do_not_count() -> None:
    references = [("a", 0, 10), ("b", 0, 30)]
    scores = span_scores(references, [("b", 10, 50), ("a", 5, 25), ("a", 0, 10)], 2)
    assert scores.recall == 25 / 40
    assert scores.precision == 25 / 60
    assert scores.iou == 25 / (60 + 15)


def test_a_chunk_that_is_retrieved_twice_is_read_twice() -> None:
    once = span_scores([("a", 0, 10)], [("a", 0, 10)], 2)
    twice = span_scores([("a", 0, 10)], [("a", 0, 10), ("a", 0, 10)], 2)
    assert (once.precision, twice.precision, twice.recall, twice.iou) == (1.0, 0.5, 1.0, 0.5)


def test_overlap_of_the_chunks_counts_once_in_precision_omega() -> None:
    assert precision_omega([("a", 10, 20)], [("a", 0, 15), ("a", 5, 25), ("a", 30, 40), ("b", 10, 20)]) == 10 / 25
    assert precision_omega([("a", 10, 20)], [("a", 0, 5)]) == 0.0
    assert precision_omega([("a", 10, 20)], [("a", 0, 10), ("a", 10, 20)]) == 10 / 20, "a chunk that borders on it counts"


@pytest.mark.parametrize("name", ["span_recall@5", "span_precision@1", "span_iou@100"])
def test_a_span_metric_is_known_by_its_name(name: str) -> None:
    assert is_span_metric(name)
    assert span_depth(name) == int(name.split("@")[1])


@pytest.mark.parametrize(
    "name", ["recall@5", "span_recall", "span_recall@0", "span_recall@05", "span_f1@5", "span_iou@5 ", ""]
)
def test_an_unknown_span_metric_is_refused_with_the_names_there_are(name: str) -> None:
    assert not is_span_metric(name)
    with pytest.raises(GoldenSetError, match="span_recall, span_precision, span_iou"):
        span_score(name, [("a", 0, 1)], [])
    with pytest.raises(GoldenSetError, match="unknown span metric"):
        span_depth(name)


@pytest.mark.parametrize("reference", [("a", 5, 5), ("a", 7, 5), ("a", -1, 5)])
def test_a_reference_that_holds_nothing_is_refused(reference: Span) -> None:
    with pytest.raises(GoldenSetError, match=f"a: .*from character {reference[1]} to {reference[2]}"):
        span_scores([("a", 0, 3), reference], [("a", 0, 3)], 1)


def test_a_query_without_references_has_no_score() -> None:
    with pytest.raises(GoldenSetError, match="without a judged passage"):
        span_scores([], [("a", 0, 3)], 1)


@pytest.mark.parametrize("chunk", [("a", 9, 5), ("a", -1, 5)])
def test_a_chunk_that_ends_before_it_begins_is_refused(chunk: Span) -> None:
    with pytest.raises(PipelineError, match="its index is damaged"):
        span_scores([("a", 0, 3)], [("a", 0, 3), chunk], 2)


def test_at_least_one_chunk_is_looked_at() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        span_scores([("a", 0, 3)], [("a", 0, 3)], 0)
