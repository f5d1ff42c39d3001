import math

import numpy as np
import pytest
import pytrec_eval
from hypothesis import given, settings
from hypothesis import strategies as st

from rag_pipeline.errors import GoldenSetError
from rag_pipeline.evaluate.metrics import NAMES, deepest, mean, metric, paired_bounds, score

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
    ],
)
def test_a_metric_gives_what_its_definition_gives(name: str, docs: list[str], expected: float) -> None:
    assert value(name, docs) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_a_query_without_results_counts_as_zero_and_is_not_left_out(name: str) -> None:
    qrels = {"found": {"a": 1}, "empty": {"a": 1}, "missing": {"a": 1}}
    values = score([f"{name}@1"], qrels, {"found": ["a"], "empty": []})[f"{name}@1"]
    assert values == {"found": 1.0, "empty": 0.0, "missing": 0.0}
    assert mean(values) == pytest.approx(1 / 3)


def test_a_result_of_a_query_that_nobody_judged_is_not_counted() -> None:
    assert score(["hit@1"], {"q": {"a": 1}}, {"q": ["a"], "other": ["a"]}) == {"hit@1": {"q": 1.0}}


def test_a_run_without_any_result_scores_zero() -> None:
    assert score(["nDCG@10", "MRR@10"], QRELS, {}) == {"nDCG@10": {"q": 0.0}, "MRR@10": {"q": 0.0}}


def test_no_judged_query_gives_no_value_and_a_mean_of_zero() -> None:
    values = score(["nDCG@10"], {}, {})
    assert values == {"nDCG@10": {}}
    assert mean(values["nDCG@10"]) == 0.0


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


def test_the_deepest_metric_says_how_many_documents_are_asked_for() -> None:
    assert deepest(["nDCG@10", "recall@100", "MRR@5"]) == 100


docs = [f"d{number}" for number in range(12)]
judged = st.dictionaries(st.sampled_from(docs), st.integers(0, 3), min_size=1, max_size=8)
ranking = st.lists(st.sampled_from(docs), unique=True, min_size=1, max_size=12)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from("abcd"), st.tuples(judged, ranking), min_size=1))
def test_values_agree_with_trec_eval(cases: dict[str, tuple[dict[str, int], list[str]]]) -> None:
    qrels = {query: grades for query, (grades, _) in cases.items()}
    runs = {query: ranked for query, (_, ranked) in cases.items()}
    trec = pytrec_eval.RelevanceEvaluator(qrels, {"ndcg_cut.5", "recall.5", "P.5", "map_cut.5", "success.5"}).evaluate(
        {query: {doc: 1.0 / (rank + 1) for rank, doc in enumerate(ranked)} for query, ranked in runs.items()}
    )
    theirs = {
        "nDCG@5": "ndcg_cut_5",
        "recall@5": "recall_5",
        "precision@5": "P_5",
        "MAP@5": "map_cut_5",
        "hit@5": "success_5",
    }
    ours = score([*theirs, "MRR@5"], qrels, runs)
    for query, (grades, ranked) in cases.items():
        for name, other in theirs.items():
            assert ours[name][query] == pytest.approx(trec[query][other], abs=1e-6), (name, query)
        first = next((rank for rank, doc in enumerate(ranked[:5], start=1) if grades.get(doc, 0) > 0), math.inf)
        assert ours["MRR@5"][query] == pytest.approx(1 / first, abs=1e-6)


def test_bounds_of_no_difference_have_no_width() -> None:
    assert paired_bounds(np.zeros(50)) == (0.0, 0.0)
    assert paired_bounds(np.full(50, 0.25)) == (0.25, 0.25)


def test_bounds_of_nothing_are_infinite() -> None:
    assert paired_bounds(np.array([])) == (-math.inf, math.inf)


def test_bounds_are_the_same_every_time() -> None:
    differences = np.random.default_rng(1).normal(size=80)
    assert paired_bounds(differences) == paired_bounds(differences.copy())


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-1, 1), min_size=3, max_size=60))
def test_bounds_enclose_the_median_draw_and_lie_within_the_differences(values: list[float]) -> None:
    differences = np.array(values)
    low, high = paired_bounds(differences, draws=400)
    assert differences.min() - 1e-9 <= low <= high <= differences.max() + 1e-9
    mirrored_low, mirrored_high = paired_bounds(-differences, draws=400)
    assert (-mirrored_high, -mirrored_low) == pytest.approx((low, high), abs=1e-9)


def test_bounds_contain_the_mean_and_are_about_as_wide_as_theory_says() -> None:
    differences = np.random.default_rng(5).normal(0.01, 0.2, size=300)
    low, high = paired_bounds(differences)
    assert low < differences.mean() < high
    expected = 1.645 * differences.std() / math.sqrt(300)
    assert (high - low) / 2 == pytest.approx(expected, rel=0.1)


def test_one_sided_bounds_miss_the_truth_about_one_time_in_twenty_on_each_side() -> None:
    generator = np.random.default_rng(9)
    bounds = [paired_bounds(generator.normal(0, 1, size=60), draws=1_000) for _ in range(400)]
    below = sum(low > 0 for low, _ in bounds) / 400
    above = sum(high < 0 for _, high in bounds) / 400
    assert 0.02 < below < 0.09
    assert 0.02 < above < 0.09


def test_more_queries_than_one_part_of_the_draws_holds_are_drawn_all_the_same() -> None:
    differences = np.tile([0.1, -0.1], 250_000)
    low, high = paired_bounds(differences, draws=20)
    assert -0.001 < low < high < 0.001
