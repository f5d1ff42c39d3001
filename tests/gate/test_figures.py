"""The figures that are plotted are those the gate decides by: what is beyond its limit is a reason against a release."""

import math
from collections.abc import Callable

import pytest

from rag_pipeline.evaluate.compare import share_bounds
from rag_pipeline.gate.demands import compared
from rag_pipeline.gate.figures import Figure, figures_of, numbers
from rag_pipeline.gate.policy import Policy
from tests.support.gate_cases import ODD, QUERIES, Case, case, demanding, gone, good, latency, measured, only, policy, spread

__all__ = ["case", "policy"]


def figures(case: Case) -> list[Figure]:
    assert case.evidence is not None
    return figures_of(case.evidence, case.policy, "production")


BEYOND: dict[str, Callable[[Case], object]] = {
    "docs/nDCG@10": lambda case: (
        case.values_are(ndcg=[0.59] * QUERIES),
        case.production_was(ndcg=[0.59] * QUERIES),
    ),
    "docs/dead judgments percent": lambda case: case.set_is(unresolved=gone(5)),
    "docs/nDCG@10 lower bound": lambda case: case.values_are(ndcg=spread(0.8, 0.4, ODD[:5])),
    "docs/recall@10 lower bound": lambda case: case.values_are(recall=spread(0.9, 0.1, ODD[:30])),
    "docs/lost answers percent upper bound": lambda case: case.values_are(hit=spread(1.0, 0.0, ODD[:5])),
    "docs/vanished answers percent": lambda case: case.set_is(unresolved=gone(3), vanished=gone(3)),
    "docs/overlap@10 with production": lambda case: case.set_is(overlap_at_10=0.49),
    "approximate recall@10": lambda case: case.evidence_is(approximate_recall=0.97),
    "latency_p50_ms": lambda case: case.evidence_is(latency=[latency(p50_ms=101)]),
    "latency_p95_ms": lambda case: case.evidence_is(latency=[latency(p95_ms=501)]),
}


@pytest.mark.parametrize("name", BEYOND)
def test_a_figure_beyond_its_limit_is_the_reason_and_all_others_hold(case: Case, name: str) -> None:
    assert case.decide().passed
    assert all(one.holds for one in figures(case))
    BEYOND[name](case)
    assert [one.name for one in figures(case) if not one.holds] == [name]
    assert len(case.decide().reasons) == 1


def test_the_difference_and_its_bound_are_those_of_the_gate_with_the_margin_as_limit(case: Case) -> None:
    case.values_are(ndcg=spread(0.8, 0.6, ODD[:3]), hit=spread(1.0, 0.0, ODD[:1]))
    shown, found = numbers(figures(case)), compared(case.docs, "nDCG@10", 0.95)
    assert shown["docs/nDCG@10 difference"] == pytest.approx(found.mean, abs=1e-6)
    assert shown["docs/nDCG@10 lower bound"] == pytest.approx(found.lower, abs=1e-6)
    assert shown["docs/nDCG@10 lower bound limit"] == -0.02
    assert shown["docs/nDCG@10 limit"] == 0.6
    assert shown["docs/lost answers percent"] == pytest.approx(100 / QUERIES, abs=1e-6)
    upper = 100 * share_bounds(1, QUERIES, confidence=0.95)[1]
    assert shown["docs/lost answers percent upper bound"] == pytest.approx(upper, abs=1e-6)
    assert (shown["latency_p95_ms"], shown["latency_p95_ms limit"]) == (60.0, 500.0)


@pytest.mark.parametrize(("lost", "holds"), [(7, True), (8, False)])
def test_a_gain_beyond_doubt_is_held_to_a_wider_limit_of_lost_answers(case: Case, lost: int, holds: bool) -> None:
    case.values_are(hit=spread(1.0, 0.0, ODD[:lost]), ndcg=spread(0.95, 0.0, ODD[:lost]))
    assert numbers(figures(case))["docs/lost answers percent upper bound limit"] == 7.5
    assert case.decide().passed == holds == all(one.holds for one in figures(case))


def test_what_is_not_demanded_has_no_limit_and_what_was_not_compared_no_difference(policy: Policy) -> None:
    alone = good(demanding(policy, not_worse=only()), measured(production=None, overlap_at_10=None))
    names = {one.name for one in figures(alone)}
    assert not [name for name in names if "difference" in name or "bound" in name or "vanished" in name]
    free = good(demanding(policy, floors={"MRR@10": 0.5}, not_worse=None))
    assert "docs/MRR@10" not in {one.name for one in figures(free)}, "it was not measured"


def test_damaged_evidence_gives_no_figures_of_the_set_and_no_number_that_json_cannot_hold(case: Case) -> None:
    case.values_are(ndcg=spread(0.8, math.nan, ODD[:2]))
    assert not [one for one in figures(case) if one.name.startswith("docs/") and "overlap" not in one.name]
    assert numbers([Figure("share", math.nan, 0.5)]) == {"share limit": 0.5}
    assert not Figure("share", math.nan, 0.5).holds
    assert not Figure("share", math.nan, 0.5, at_most=True).holds


def test_a_figure_reads_as_a_sentence() -> None:
    assert str(Figure("docs/nDCG@10", 0.91667, 0.6)) == "docs/nDCG@10 0.9167, at least 0.6"
    assert str(Figure("latency_p95_ms", 12.3, 250.0, at_most=True)) == "latency_p95_ms 12.3, at most 250"
    assert str(Figure("docs/nDCG@10 difference", -0.01)) == "docs/nDCG@10 difference -0.01"
