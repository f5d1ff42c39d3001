"""What the gate demands of golden sets: judgments that live, floors, not worse than production, nothing broken."""

import math
from collections.abc import Callable

import pytest

from rag_pipeline.release.demands import compared
from rag_pipeline.release.policy import Policy
from tests.release.cases import (
    EVEN,
    INVALID,
    ODD,
    OPEN,
    QUERIES,
    REGRESSED,
    Case,
    demanding,
    gone,
    good,
    measured,
    only,
    spread,
)

NO_QUERY = {"query_ids": [], "slices": {"kind": []}, "values": {}, "production": {}}

WRONG: dict[str, tuple[Callable[[Case], object], str, str, str]] = {
    "a golden set demanded but absent": (
        lambda case: (case.evidence_is(golden_sets={}), case.facts_are(golden_fingerprints={})),
        INVALID,
        "golden set docs is demanded, but there is no such folder",
        "gate.yaml:13",
    ),
    "a set left out of the comparison": (
        lambda case: case.set_is(production=None),
        INVALID,
        "docs was not compared with old",
        "gate.yaml:17",
    ),
    "a metric nobody measured": (
        lambda case: case.set_is(values={name: [0.8] * QUERIES for name in ("nDCG@10", "recall@10")}),
        INVALID,
        "docs: hit@10 was not measured; evaluate again",
        "gate.yaml:17",
    ),
    "a metric not measured on production": (
        lambda case: case.set_is(production={"nDCG@10": [0.8] * QUERIES}),
        INVALID,
        "docs: recall@10, hit@10 was not measured; evaluate again",
        "gate.yaml:17",
    ),
    "a value that is not a number": (
        lambda case: case.values_are(hit=spread(1.0, math.nan, [7])),
        INVALID,
        "docs: what was measured is damaged: a value is missing or not a number, or a query given twice",
        "",
    ),
    "a value of production that is not a number": (
        lambda case: case.production_was(judged=spread(0.1, -math.inf, [7])),
        INVALID,
        "docs: what was measured is damaged",
        "",
    ),
    "a value missing": (
        lambda case: case.values_are(ndcg=[0.8] * (QUERIES - 1)),
        INVALID,
        "docs: what was measured is damaged",
        "",
    ),
    "a query given twice": (
        lambda case: case.set_is(query_ids=["q"] * QUERIES),
        INVALID,
        "docs: what was measured is damaged",
        "",
    ),
    "dead judgments": (
        lambda case: case.set_is(unresolved=gone(5)),
        INVALID,
        "docs: 5 of 200 judgments (2.5 %) name documents or passages that do not exist (first: handbook/gone.md, dead); "
        "at most 2 % may. docs@example.com can judge again: `rag golden check docs`",
        "gate.yaml:23",
    ),
    "answers that vanished with their documents": (
        lambda case: case.set_is(unresolved=gone(3), vanished=gone(3)),
        REGRESSED,
        "docs: 3 of 200 judgments (1.5 %) lost their document or passage since production was built, and count as lost "
        "answers: handbook/gone.md. Bring them back at the source; or, if they are meant to be gone, take these judgments "
        "out of the set (`rag golden check docs` names their lines); at most 1 % may",
        "gate.yaml:17",
    ),
    "no living query": (lambda case: case.set_is(**NO_QUERY), INVALID, "docs: 0 of 200 judgments", "gate.yaml:23"),
    "no judgment": (
        lambda case: case.set_is(judgments=0),
        INVALID,
        "docs: 0 of 0 judgments (100.0 %)",
        "gate.yaml:23",
    ),
    "a metric below its floor": (
        lambda case: (case.values_are(ndcg=[0.59994] * QUERIES), case.production_was(ndcg=[0.59994] * QUERIES)),
        REGRESSED,
        "docs: nDCG@10 is 0.5999, below its floor of 0.6",
        "gate.yaml:15",
    ),
    "worse than production": (
        lambda case: case.values_are(ndcg=spread(0.8, 0.0, ODD[:40])),
        REGRESSED,
        "worse than production: docs: nDCG@10 -0.1778 against production over 180 queries, one-sided 95 % bounds -0.2",
        "gate.yaml:19",
    ),
    "perhaps worse than production": (
        lambda case: case.values_are(ndcg=spread(0.8, 0.4, ODD[:5])),
        OPEN,
        "cannot be shown to be no worse than production: docs: nDCG@10 -0.0111 against production over 180 queries",
        "gate.yaml:19",
    ),
    "fewer of the relevant documents": (
        lambda case: case.values_are(recall=spread(0.9, 0.1, ODD[:30])),
        REGRESSED,
        "worse than production: docs: recall@10 -0.1333 against production over 180 queries",
        "gate.yaml:20",
    ),
    "answers that are gone": (
        lambda case: case.values_are(hit=spread(1.0, 0.0, ODD[:20])),
        REGRESSED,
        "docs: 20 of 180 queries went from answered to unanswered in the first 10; "
        "that may be 15.7 % of all, at most 5 % may",
        "gate.yaml:21",
    ),
    "answers that may be gone": (
        lambda case: case.values_are(hit=spread(1.0, 0.0, ODD[:5])),
        OPEN,
        "docs: 5 of 180 queries went from answered to unanswered in the first 10; that may be 5.8 % of all, at most 5 % may",
        "gate.yaml:21",
    ),
    "results that nobody judged": (
        lambda case: (case.production_was(judged=[0.9] * QUERIES), case.values_are(judged=[0.7] * QUERIES)),
        INVALID,
        "docs: judged@10 fell from 0.90 to 0.70, so nobody knows what the new results are worth; `rag golden judge docs`",
        "gate.yaml:22",
    ),
    "a critical slice that is worse": (
        lambda case: case.values_are(ndcg=[(0.2 if row < 40 else 0.8) if row in EVEN else 1.0 for row in range(QUERIES)]),
        REGRESSED,
        "worse than production: docs, kind = paraphrase: nDCG@10 -0.1333 against production over 90 queries",
        "gate.yaml:27",
    ),
    "a critical slice that may be worse": (
        lambda case: case.values_are(ndcg=[(0.3 if row < 12 else 0.8) if row in EVEN else 0.9 for row in range(QUERIES)]),
        OPEN,
        "cannot be shown to be no worse than production: docs, kind = paraphrase: nDCG@10 -0.0333",
        "gate.yaml:27",
    ),
    "a slice below its floor": (
        lambda case: (case.values_are(ndcg=spread(0.8, 0.45, EVEN)), case.production_was(ndcg=spread(0.8, 0.45, EVEN))),
        REGRESSED,
        "docs, kind = paraphrase: nDCG@10 is 0.4500, below its floor of 0.5",
        "gate.yaml:29",
    ),
    "a slice that no query has": (
        lambda case: case.set_is(slices={"kind": ["literal"] * QUERIES}),
        INVALID,
        "docs, kind = paraphrase: no living query has this value; correct the policy or judge some",
        "gate.yaml:26",
    ),
    "a field that no query has": (
        lambda case: case.set_is(slices={}),
        INVALID,
        "docs, kind = paraphrase: no living query has this value; correct the policy or judge some",
        "gate.yaml:26",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_one_thing_wrong_is_the_verdict_with_its_figure_and_its_line(case: Case, what: str) -> None:
    spoil, outcome, message, line = WRONG[what]
    spoil(case)
    verdict = case.decide()
    assert (verdict.outcome, verdict.passed) == (outcome, False)
    [reason] = verdict.reasons
    assert message in reason.message
    assert reason.line == line


def test_few_vanished_answers_warn_beside_the_figures_and_none_do_where_nothing_is_compared(
    case: Case, policy: Policy
) -> None:
    case.set_is(unresolved=gone(2), vanished=gone(2))
    verdict = case.decide()
    assert verdict.passed
    [warning] = [one for one in verdict.warnings if "count as lost answers" in one.message]
    assert warning.message.startswith("docs: 2 of 200 judgments (1.0 %) lost their document or passage")
    case.set_is(unresolved=gone(30), vanished=gone(30))
    assert case.decide().outcome == REGRESSED, "they are not left out, so that something can be told"
    case.set_is(unresolved=gone(4), vanished=gone(4))
    assert not case.decide().passed
    for wanted in (None, only(vanished_max_percent=None)):
        free = good(demanding(policy, not_worse=wanted), case.docs)
        assert free.decide().passed


def test_as_many_dead_judgments_as_allowed_and_a_value_at_its_floor_pass(case: Case) -> None:
    case.values_are(ndcg=[0.6] * QUERIES, recall=[0.7] * QUERIES)
    case.production_was(ndcg=[0.6] * QUERIES, recall=[0.7] * QUERIES)
    case.set_is(unresolved=gone(4))
    assert case.decide().passed


def test_a_floor_for_a_metric_nobody_measured_refuses(policy: Policy) -> None:
    case = good(demanding(policy, floors={"MRR@10": 0.0}, not_worse=None))
    [reason] = case.decide().reasons
    assert (reason.outcome, reason.message) == (INVALID, "docs: MRR@10 has a floor but was not measured; evaluate again")


def test_bounds_belong_to_what_is_allowed(policy: Policy) -> None:
    """To the last digit: at the bound it passes, a hair over it is open; at the upper bound it is open, over it worse."""
    docs = measured(values=measured().values | {"nDCG@10": spread(0.8, 0.3, range(0, QUERIES, 4))})
    found = compared(docs, "nDCG@10", 0.95)

    def outcome(margin: float) -> str:
        return good(demanding(policy, not_worse=only(margin=margin)), docs).decide().outcome

    assert -0.2 < found.lower < found.mean < found.upper < -0.05
    assert outcome(-found.lower) == "passed"
    assert outcome(math.nextafter(-found.lower, 0)) == OPEN
    assert outcome(-found.upper) == OPEN
    assert outcome(math.nextafter(-found.upper, 0)) == REGRESSED


def test_the_recall_guard_looks_as_deep_as_consumers_do_and_can_be_left_out(policy: Policy) -> None:
    shallow = {"recall@3": [0.5] * QUERIES, "hit@3": [1.0] * QUERIES}
    docs = measured(values=measured().values | shallow)
    docs = docs.model_copy(update={"production": docs.values | {"recall@3": [0.9] * QUERIES}})
    [reason] = good(demanding(policy, not_worse=only(guard_k=3, guard_margin=0.03)), docs).decide().reasons
    assert (reason.outcome, reason.message[:40]) == (REGRESSED, "worse than production: docs: recall@3 -0")
    assert good(demanding(policy, not_worse=only(guard_k=3)), docs).decide().passed
    assert good(demanding(policy, not_worse=only(guard_k=10, guard_margin=0.03)), docs).decide().passed


def test_a_higher_confidence_asks_for_more_queries(policy: Policy) -> None:
    docs = measured(values=measured().values | {"nDCG@10": spread(0.8, 0.6, range(0, QUERIES, 20))})
    outcomes = [good(demanding(policy, not_worse=only(margin=0.03, confidence=one)), docs).decide() for one in (0.9, 0.999)]
    assert [one.outcome for one in outcomes] == ["passed", OPEN]
    assert "one-sided 99.9 % bounds" in outcomes[1].reasons[0].message


@pytest.mark.parametrize(
    ("lost", "queries", "more"),
    [(0, 59, None), (0, 58, 1), (0, 10, 49), (1, 93, None), (1, 92, 1), (2, 124, None), (2, 100, 24)],
)
def test_answers_lost_are_bound_exactly_and_it_says_how_many_more_queries_would_do(
    policy: Policy, lost: int, queries: int, more: int | None
) -> None:
    """Clopper and Pearson: 0 of 59 shows less than 5 %, 0 of 58 does not."""
    docs = measured(queries)
    docs = docs.model_copy(update={"values": docs.values | {"hit@10": spread(1.0, 0.0, range(lost), queries)}})
    verdict = good(demanding(policy, not_worse=only(hit_to_miss_max_percent=5.0)), docs).decide()
    if more is None:
        assert verdict.passed
        return
    [reason] = verdict.reasons
    assert reason.outcome == OPEN
    assert f"{more} more judged queries without a loss would show it is fewer" in reason.message


def test_answers_that_came_do_not_make_up_for_answers_that_went(policy: Policy) -> None:
    docs = measured(values=measured().values | {"hit@10": spread(1.0, 0.0, range(20))})
    docs = docs.model_copy(update={"production": docs.values | {"hit@10": spread(1.0, 0.0, range(100, 120))}})
    verdict = good(demanding(policy, not_worse=only(hit_to_miss_max_percent=5.0)), docs).decide()
    assert verdict.outcome == REGRESSED


def test_lost_answers_are_not_asked_for_where_the_gain_is_beyond_doubt(case: Case) -> None:
    case.values_are(hit=spread(1.0, 0.0, ODD[:20]), ndcg=spread(0.95, 0.0, ODD[:9]))
    assert compared(case.docs, "nDCG@10", 0.95).lower > 0
    assert case.decide().passed
    case.values_are(ndcg=spread(0.9, 0.0, ODD[:20]))
    assert compared(case.docs, "nDCG@10", 0.95).lower < 0 < compared(case.docs, "nDCG@10", 0.95).upper
    assert "gate.yaml:21" in {reason.line for reason in case.decide().reasons}


@pytest.mark.parametrize(
    ("before", "now", "outcome"),
    [(0.5, 0.4, "passed"), (0.5, 0.39, INVALID), (0.49, 0.0, "passed"), (0.9, 1.0, "passed"), (1.0, 0.85, INVALID)],
)
def test_a_drop_of_judged_results_counts_where_half_of_them_are_judged(
    case: Case, before: float, now: float, outcome: str
) -> None:
    case.production_was(judged=[before] * QUERIES)
    case.values_are(judged=[now] * QUERIES)
    assert case.decide().outcome == outcome
