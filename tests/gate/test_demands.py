"""What the gate demands of golden sets: judgments that live, floors, not worse than production, nothing broken."""

import math

import pytest

from rag_pipeline.gate.demands import Findings, compared, vanished_answers
from rag_pipeline.gate.policy import Policy, SetPolicy
from tests.support.gate_cases import (
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
from tests.support.wrong_figures import WRONG


@pytest.mark.parametrize("what", WRONG)
def test_one_thing_wrong_is_the_verdict_with_its_figure_and_its_line(case: Case, what: str) -> None:
    spoil, outcome, message, line = WRONG[what]
    spoil(case)
    verdict = case.decide()
    assert (verdict.outcome, verdict.passed) == (outcome, False)
    [reason] = verdict.reasons
    assert reason.message.startswith(message)
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


def test_half_as_many_answers_again_may_be_lost_where_the_gain_is_beyond_doubt_and_no_more(case: Case) -> None:
    """Of 180 queries, 7 that are lost may be 7.2 % of all, and 8 of them 7.9 %."""
    case.values_are(hit=spread(1.0, 0.0, ODD[:7]), ndcg=spread(0.95, 0.0, ODD[:7]))
    assert compared(case.docs, "nDCG@10", 0.95).lower > 0
    assert case.decide().passed
    case.values_are(hit=spread(1.0, 0.0, ODD[:8]))
    [reason] = case.decide().reasons
    assert (reason.outcome, "gate.yaml:21" in reason.line) == (OPEN, True)
    assert "that may be 7.9 % of all, at most 7.5 % may, since the gain is beyond doubt" in reason.message
    case.values_are(hit=spread(1.0, 0.0, ODD[:7]), ndcg=spread(0.9, 0.0, ODD[:20]))
    assert compared(case.docs, "nDCG@10", 0.95).lower < 0 < compared(case.docs, "nDCG@10", 0.95).upper
    assert any("at most 5 % may" in reason.message for reason in case.decide().reasons)


def test_a_slice_that_nobody_named_is_not_ruined_under_a_mean_that_rises(case: Case) -> None:
    case.values_are(hit=spread(1.0, 0.0, ODD[:18]), ndcg=spread(1.0, 0.0, ODD[:18]))
    case.production_was(ndcg=spread(0.5, 0.6, ODD[:18]))
    assert compared(case.docs, "nDCG@10", 0.95).lower > 0
    [reason] = case.decide().reasons
    assert reason.message.startswith("docs: 18 of 180 queries went from answered to unanswered in the first 10")


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


@pytest.mark.parametrize("side", ["values", "production"])
def test_judged_results_are_not_asked_for_where_one_side_has_no_such_figure(case: Case, side: str) -> None:
    case.production_was(judged=[0.9] * QUERIES)
    case.values_are(judged=[0.1] * QUERIES)
    assert case.decide().outcome == INVALID
    given = getattr(case.docs, side)
    case.set_is(**{side: {name: values for name, values in given.items() if name != "judged@10"}})
    assert case.decide().passed


def test_a_policy_without_a_limit_asks_for_no_judged_results(policy: Policy) -> None:
    docs = measured(values=measured().values | {"judged@10": [0.0] * QUERIES})
    docs = docs.model_copy(update={"production": docs.values | {"judged@10": [1.0] * QUERIES}})
    assert good(demanding(policy, not_worse=only(judged_drop_max=0.99)), docs).decide().outcome == INVALID
    assert good(demanding(policy, not_worse=only(judged_drop_max=None)), docs).decide().passed


def test_a_policy_that_allows_no_lost_answer_passes_nothing_not_even_a_gain(policy: Policy) -> None:
    """However many queries lose nothing, the exact bound of what may be lost stays above 0."""
    never = demanding(policy, not_worse=only(hit_to_miss_max_percent=0.0))
    same = measured()
    [reason] = good(never, same).decide().reasons
    assert reason.outcome == OPEN
    assert "that may be 1.7 % of all, at most 0 % may; more queries would not help" in reason.message
    better = same.model_copy(update={"values": same.values | {"nDCG@10": [0.9] * QUERIES}})
    assert good(never, better).decide().outcome == OPEN


def test_where_nothing_is_gained_lost_answers_count_though_nothing_is_imagined_to_be_lost(policy: Policy) -> None:
    """Production scores 0 throughout, so the lower bound is 0 and no more."""
    nothing = {"nDCG@10": [0.0] * QUERIES}
    docs = measured(values=measured().values | nothing | {"hit@10": spread(1.0, 0.0, ODD[:20])})
    docs = docs.model_copy(update={"production": measured().values | nothing})
    assert compared(docs, "nDCG@10", 0.95).lower == 0
    [reason] = good(demanding(policy, not_worse=only(hit_to_miss_max_percent=5.0)), docs).decide().reasons
    assert (reason.outcome, reason.message[:29]) == (REGRESSED, "docs: 20 of 180 queries went ")


def test_one_dead_judgment_is_told_with_its_document_and_who_can_judge_again(case: Case) -> None:
    case.set_is(judgments=10, unresolved=gone(1), owner="")
    [reason] = case.decide().reasons
    assert "1 of 10 judgments (10.0 %)" in reason.message
    assert "(first: handbook/gone.md, dead); at most 2 % may. Its owner can judge again: " in reason.message


def test_of_a_set_without_judgments_everything_vanished() -> None:
    findings = Findings()
    vanished_answers("docs", measured(judgments=0, vanished=gone(2)), SetPolicy(), lambda *_: "", findings)
    [reason] = findings.reasons
    assert reason.message.startswith("docs: 2 of 0 judgments (100.0 %) lost their document or passage")
