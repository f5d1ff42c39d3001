import math
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag_pipeline.errors import GoldenSetError
from rag_pipeline.evaluate.evidence import average
from rag_pipeline.metrics.documents import NAMES, deepest, known_metric, metric, score
from tests.support.trec_eval import CUT, THEIRS, assert_agrees

QRELS = {"q": {"a": 2, "b": 1, "c": 0}}


def value(name: str, docs: list[str], qrels: dict[str, dict[str, int]] = QRELS) -> float:
    return score([name], qrels, {"q": docs})[name]["q"]


@pytest.mark.parametrize(
    ("name", "docs", "expected"),
    [
        ("nDCG@10", ["a", "b"], 1.0),
        ("nDCG@10", ["b", "a"], (1 + 2 / math.log2(3)) / (2 + 1 / math.log2(3))),
        ("nDCG@10", ["x", "a"], (2 / math.log2(3)) / (2 + 1 / math.log2(3))),
        ("nDCG@1", ["b", "a"], 1 / 2),
        ("nDCG@10", ["c", "x"], 0.0),
        ("recall@1", ["a", "b"], 0.5),
        ("recall@2", ["a", "b"], 1.0),
        ("recall@2", ["c", "x", "a"], 0.0),
        ("MRR@10", ["x", "c", "b", "a"], 1 / 3),
        ("MRR@2", ["x", "c", "b"], 0.0),
        ("precision@2", ["a", "x"], 0.5),
        ("precision@4", ["a", "b"], 0.5),
        ("MAP@10", ["x", "a", "y", "b"], (1 / 2 + 2 / 4) / 2),
        ("hit@1", ["c", "a"], 0.0),
        ("hit@2", ["c", "a"], 1.0),
        ("judged@2", ["c", "x"], 0.5),
        ("judged@2", ["x", "y", "a"], 0.0),
        ("judged@10", ["a", "b", "c", "x"], 3 / 4),
    ],
)
def test_a_metric_gives_what_its_definition_gives(name: str, docs: list[str], expected: float) -> None:
    assert value(name, docs) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_a_query_without_results_counts_as_zero_and_is_not_left_out(name: str) -> None:
    qrels = {"found": {"a": 1}, "empty": {"a": 1}, "missing": {"a": 1}}
    values = score([f"{name}@1"], qrels, {"found": ["a"], "empty": []})[f"{name}@1"]
    assert values == {"found": 1.0, "empty": 0.0, "missing": 0.0}
    assert average(list(values.values())) == pytest.approx(1 / 3)


def test_a_result_of_a_query_that_nobody_judged_is_not_counted() -> None:
    assert score(["hit@1"], {"q": {"a": 1}}, {"q": ["a"], "other": ["a"]}) == {"hit@1": {"q": 1.0}}


def test_a_run_without_any_result_scores_zero() -> None:
    assert score(["nDCG@10", "MRR@10"], QRELS, {}) == {"nDCG@10": {"q": 0.0}, "MRR@10": {"q": 0.0}}


def test_no_judged_query_gives_no_value_and_a_mean_of_zero() -> None:
    values = score(["nDCG@10"], {}, {})
    assert values == {"nDCG@10": {}}
    assert average([]) == 0.0


def test_the_order_of_the_list_decides_and_not_the_names_in_it() -> None:
    names = [f"d{number}" for number in range(10)]
    for position in range(10):
        docs = [name for name in names if name != "d5"]
        docs.insert(position, "d5")
        assert value("MRR@10", docs, {"q": {"d5": 1}}) == pytest.approx(1 / (position + 1))
        assert value("MRR@10", docs[::-1], {"q": {"d5": 1}}) == pytest.approx(1 / (10 - position))


def test_several_metrics_and_depths_are_scored_at_once() -> None:
    names = ["nDCG@1", "nDCG@10", "recall@1", "recall@10", "MRR@1", "MRR@10"]
    together = score(names, QRELS, {"q": ["b", "x", "a"]})
    assert list(together) == names
    assert {name: values["q"] for name, values in together.items()} == {name: value(name, ["b", "x", "a"]) for name in names}


@pytest.mark.parametrize("name", ["nDCG", "ndcg@10", "nDCG@0", "nDCG@-1", "nDCG@ten", "accuracy@1", "nDCG@10 ", "", "@5"])
def test_an_unknown_metric_is_refused_with_the_ones_there_are(name: str) -> None:
    with pytest.raises(GoldenSetError, match="unknown metric") as caught:
        metric(name)
    assert all(known in str(caught.value) for known in NAMES)


@pytest.mark.parametrize("name", ["judged@10", "span_recall@5", "span_iou@1"])
def test_a_metric_of_documents_or_of_spans_is_known(name: str) -> None:
    known_metric(name)


@pytest.mark.parametrize("name", ["span_recall@0", "span_f1@5", "judged"])
def test_a_metric_of_neither_kind_is_not_known(name: str) -> None:
    with pytest.raises(GoldenSetError, match="unknown metric"):
        known_metric(name)


def test_no_metric_gives_no_value() -> None:
    assert score([], QRELS, {"q": ["a"]}) == {}


def test_the_deepest_metric_says_how_many_documents_are_asked_for() -> None:
    assert deepest(["nDCG@10", "recall@100", "MRR@5"]) == 100


DOCS = [f"d{number}" for number in range(14)]


judged = st.dictionaries(st.sampled_from(DOCS), st.integers(0, 3), min_size=1, max_size=9)
ranking = st.lists(st.sampled_from(DOCS), unique=True, max_size=14)
missing = st.none()


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.sampled_from("abcdef"), st.tuples(judged, ranking | missing), min_size=1))
def test_values_agree_with_trec_eval_and_a_query_it_leaves_out_is_zero(
    cases: dict[str, tuple[dict[str, int], list[str] | None]],
) -> None:
    qrels = {query: grades for query, (grades, _) in cases.items()}
    run = {query: ranked for query, (_, ranked) in cases.items() if ranked is not None}
    ours = score([*THEIRS, f"judged@{CUT}"], qrels, run)
    assert all(values.keys() == qrels.keys() for values in ours.values())
    assert_agrees(ours, qrels, run)


scored = st.dictionaries(st.sampled_from(DOCS), st.sampled_from([0.1, 0.2, 0.2 + 1e-9, 0.3]), min_size=2)


@settings(max_examples=50, deadline=None)
@given(judged, scored, st.randoms(use_true_random=False))
def test_documents_of_equal_scores_are_scored_in_the_order_they_were_given(
    grades: dict[str, int], scores: dict[str, float], shuffled: Random
) -> None:
    """trec_eval itself would put equals by id, the greater first, whatever the pipeline served."""
    names = list(scores)
    shuffled.shuffle(names)
    docs = sorted(names, key=lambda doc: (-scores[doc], doc))
    ours = score([*THEIRS, f"judged@{CUT}"], {"q": grades}, {"q": docs})
    assert_agrees(ours, {"q": grades}, {"q": docs})
