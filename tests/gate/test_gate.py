"""The gate: is the evidence valid, is the index sound, are queries fast, are sources fresh, is the release whole?

Golden sets: test_demands.py.
"""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag_pipeline.gate.decide import is_slow
from rag_pipeline.gate.policy import Policy
from tests.support.gate_cases import (
    GATE,
    INVALID,
    OPEN,
    QUERIES,
    REGRESSED,
    SOURCE,
    Case,
    good,
    latency,
    policy_of,
)
from tests.support.small_releases import NOW
from tests.support.wrong_decisions import ANYTHING_WRONG, WRONG, edited


def test_a_release_that_meets_every_demand_passes(case: Case) -> None:
    verdict = case.decide()
    assert (verdict.release, verdict.outcome, verdict.reasons, verdict.warnings) == ("new", "passed", (), ())
    assert verdict.passed


@pytest.mark.parametrize("what", WRONG)
def test_one_thing_wrong_is_the_verdict_with_its_figure_and_its_line(case: Case, what: str) -> None:
    spoil, outcome, message, line = WRONG[what]
    spoil(case)
    verdict = case.decide()
    assert not verdict.passed
    assert verdict.outcome == outcome
    [reason] = verdict.reasons
    assert reason.message == message
    assert reason.line == line
    assert str(reason) == (f"{reason.message} ({line})" if line else reason.message)


@settings(max_examples=50, deadline=None)
@given(st.sets(st.sampled_from(sorted(ANYTHING_WRONG)), min_size=1, max_size=6))
def test_nothing_wrong_is_ever_outweighed_by_what_is_right_or_wrong_beside_it(policy: Policy, what: set[str]) -> None:
    case = good(policy)
    last = ("edited evidence", "no evidence")  # sealing again would fix an edit
    for name in (*sorted(what.difference(last)), *(name for name in last if name in what)):
        ANYTHING_WRONG[name](case)
    verdict = case.decide()
    assert not verdict.passed
    assert verdict.reasons


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(sorted(ANYTHING_WRONG)), st.floats(0.8, 1), st.floats(0, 500))
def test_good_figures_elsewhere_never_make_up_for_one_that_is_wrong(
    policy: Policy, what: str, ndcg: float, latency_ms: float
) -> None:
    case = good(policy)
    case.values_are(ndcg=[ndcg] * QUERIES, recall=[1.0] * QUERIES)
    case.production_was(ndcg=[ndcg] * QUERIES)
    case.evidence_is(latency=[latency(min(latency_ms, 100), latency_ms)])
    assert case.decide().passed
    ANYTHING_WRONG[what](case)
    assert not case.decide().passed


def test_the_same_decision_is_always_taken(policy: Policy) -> None:
    one, other = good(policy), good(policy)
    for case in (one, other):
        case.values_are(ndcg=[0.8 - 0.3 * (number % 7 == 0) for number in range(QUERIES)])
    assert one.decide() == other.decide() == one.decide()
    assert one.decide().reasons


def test_every_reason_is_listed_and_not_only_the_first(case: Case) -> None:
    case.values_are(ndcg=[0.4] * QUERIES, recall=[0.5] * QUERIES)
    case.evidence_is(latency=[latency(200, 900)], approximate_recall=0.5)
    case.facts_are(
        sources=(replace(SOURCE, age_hours=72), replace(SOURCE, source="wiki", age_hours=None)), damage=("a", "b")
    )
    verdict = case.decide()
    assert [reason.line for reason in verdict.reasons] == [
        *("gate.yaml:15", "gate.yaml:16", "gate.yaml:19", "gate.yaml:20"),
        *("gate.yaml:29", "gate.yaml:27"),
        "gate.yaml:6",
        *("gate.yaml:10", "gate.yaml:11"),
        "",
        *("gate.yaml:4", "gate.yaml:4"),
    ]
    assert verdict.outcome == INVALID, "the gravest outcome is the verdict's"


def test_everything_that_makes_evidence_invalid_is_listed(case: Case) -> None:
    case.evidence_is(policies={"production": "p"}, created_at=NOW - timedelta(days=3))
    case.facts_are(
        release_fingerprint="x", model_fingerprint="x", golden_fingerprints={"docs": "x", "more": "x"}, production="x"
    )
    edited(case)
    reasons = case.decide().reasons
    assert len(reasons) == 8
    assert {reason.outcome for reason in reasons} == {INVALID}


def test_regressed_outweighs_inconclusive(case: Case) -> None:
    case.values_are(ndcg=[0.8 - 0.8 * (number < 5) for number in range(QUERIES)])
    assert case.decide().outcome == OPEN
    case.facts_are(sources=(replace(SOURCE, age_hours=72),))
    assert case.decide().outcome == REGRESSED


def test_limits_belong_to_what_is_allowed(case: Case) -> None:
    case.set_is(overlap_at_10=0.5)
    case.evidence_is(created_at=NOW - timedelta(hours=24), latency=[latency(100, 500)], approximate_recall=0.98)
    case.facts_are(sources=(replace(SOURCE, age_hours=48.0), replace(SOURCE, age_hours=None, max_age_hours=None)))
    assert case.decide().passed


@pytest.mark.parametrize("minutes", [-1, 0, 4, 5])
def test_a_clock_that_is_a_little_ahead_is_forgiven(case: Case, minutes: int) -> None:
    case.evidence_is(created_at=NOW + timedelta(minutes=minutes))
    assert case.decide().passed


@pytest.mark.parametrize("production", [None, "new"])
def test_the_first_release_needs_no_comparison_and_production_none_with_itself(case: Case, production: str | None) -> None:
    case.set_is(production=None, overlap_at_10=None)
    case.evidence_is(compared_with=None)
    case.facts_are(production=production)
    assert case.decide().passed


def test_a_demand_that_is_switched_off_refuses_nothing(tmp_path: Path) -> None:
    text = GATE[: GATE.index("        not_worse")] + "        not_worse:\n"
    for demand in ("sources_within_sla: true", "sources_keep_quality: true"):
        text = text.replace(demand, demand.replace("true", "false"))
    for limit in ("p50_ms: 100", "p95_ms: 500", "approximate_recall_min: 0.98", "overlap_at_10_min: 0.5"):
        text = text.replace(limit, limit.split(":")[0] + ":")
    case = good(policy_of(tmp_path, text))
    case.production_was(ndcg=[1.0] * QUERIES)
    case.set_is(overlap_at_10=0.0)
    case.evidence_is(latency=[latency(9_000, 9_000)], approximate_recall=None)
    case.facts_are(sources=(replace(SOURCE, age_hours=None, broken=("enough",)),))
    assert case.decide().passed


def test_old_evidence_says_nothing_against_what_serves_already(case: Case) -> None:
    case.set_is(production=None)
    case.evidence_is(created_at=NOW - timedelta(days=3), compared_with=None)
    case.facts_are(production="new", current="new")
    assert case.decide().passed


def test_latency_is_judged_as_many_users_ask_at_a_time(case: Case, tmp_path: Path) -> None:
    """What was measured with one user alone, slow or fast, says nothing on four."""
    assert case.evidence is not None
    assert [one.p95_ms for one in case.evidence.latency if one.concurrency == 1] == [9_000]
    assert case.decide().passed
    assert not is_slow(case.evidence, case.policy)
    alone = good(policy_of(tmp_path, GATE.replace("concurrency: 4", "concurrency: 1")))
    assert alone.evidence is not None
    assert is_slow(alone.evidence, alone.policy)
    messages = [reason.message for reason in alone.decide().reasons]
    assert messages == [
        f"query latency {name} is 9000 ms with one user at a time, above {limit} ms"
        for name, limit in (("p50", 100), ("p95", 500))
    ]


def test_overlap_of_an_advisory_set_only_warns(tmp_path: Path) -> None:
    case = good(policy_of(tmp_path, GATE.replace("      docs:\n", "      docs:\n        critical: false\n")))
    case.set_is(overlap_at_10=0.1)
    verdict = case.decide()
    assert verdict.passed
    [warning] = verdict.warnings
    assert warning.line == "gate.yaml:7"


def test_a_hold_alone_is_its_own_outcome_and_anything_worse_goes_first(case: Case) -> None:
    case.facts_are(hold="held since noon by ana (wrong prices)")
    verdict = case.decide()
    assert (verdict.outcome, [str(reason) for reason in verdict.reasons]) == (
        "held",
        ["held since noon by ana (wrong prices)"],
    )
    case.facts_are(damage=("chroma.sqlite3",))
    assert case.decide().outcome == INVALID


def test_who_goes_back_is_not_compared_with_what_is_left_but_held_against_floors(case: Case) -> None:
    case.values_are(ndcg=[0.7] * QUERIES, hit=[0.0] * QUERIES)
    case.facts_are(production="moved meanwhile", current="moved meanwhile")
    assert case.decide().outcome == INVALID
    case.facts_are(going_back=True)
    assert case.decide().passed
    case.values_are(ndcg=[0.5] * QUERIES)
    [below, *_] = case.decide().reasons
    assert "below its floor of 0.6" in below.message


def test_where_a_person_goes_back_stale_sources_do_not_count_but_broken_data_does(case: Case) -> None:
    case.facts_are(sources=(replace(SOURCE, age_hours=99.0, broken=("no duplicates",)),), going_back=True)
    assert len(case.decide().reasons) == 2
    case.facts_are(sources_count=False)
    [broken] = case.decide().reasons
    assert "no duplicates" in broken.message
