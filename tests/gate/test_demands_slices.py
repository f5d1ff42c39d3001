"""Slices, sets made by a machine, sets nobody named, and what only warns."""

from pathlib import Path
from typing import Any

import pytest

from rag_pipeline.gate.policy import Policy
from tests.support.gate_cases import (
    EVEN,
    GATE,
    INVALID,
    ODD,
    QUERIES,
    REGRESSED,
    Case,
    demanding,
    gone,
    good,
    measured,
    policy_of,
    spread,
)
from tests.support.wrong_figures import WRONG


def test_an_advisory_slice_warns_and_a_critical_one_refuses(policy: Policy) -> None:
    values = [(0.2 if row < 40 else 0.8) if row in EVEN else 1.0 for row in range(QUERIES)]
    docs = measured(values=measured().values | {"nDCG@10": values})
    for critical in (True, False):
        slices = {"kind": {"paraphrase": {"critical": critical, "margin": 0.05}, "verbatim": {"critical": critical}}}
        verdict = good(demanding(policy, slices=slices), docs).decide()
        told, silent = (verdict.reasons, verdict.warnings) if critical else (verdict.warnings, verdict.reasons)
        assert [reason.message[:46] for reason in told][:2] == [
            "worse than production: docs, kind = paraphrase",
            "docs, kind = verbatim: no living query has thi",
        ]
        assert silent == ()
        assert verdict.passed is not critical
    assert "docs, kind = paraphrase: nDCG@10 -0.1333 against production over 90 queries, beyond chance (Holm)" in {
        warning.message for warning in verdict.warnings
    }


@pytest.mark.parametrize(("values", "lost", "warned"), [(2, 6, True), (10, 6, False), (10, 9, True)])
def test_of_slices_nobody_named_those_warn_that_lost_beyond_chance_however_many_there_are(
    policy: Policy, values: int, lost: int, warned: bool
) -> None:
    """Six losses and no gain are chance in 1 of 64: much for one slice of two, little for the worst of ten (Holm)."""
    names = [f"team {row % values}" for row in range(QUERIES)]
    mine = spread(0.8, 0.7, range(0, values * lost, values))
    docs = measured(slices={"team": names}, values=measured().values | {"nDCG@10": mine})
    verdict = good(demanding(policy), docs).decide()
    assert verdict.passed
    assert [warning.message.split(":")[0] for warning in verdict.warnings] == ["docs, team = team 0"] * warned


def test_a_slice_that_got_better_beyond_chance_warns_of_nothing(case: Case) -> None:
    case.values_are(ndcg=spread(0.8, 0.9, ODD))
    verdict = case.decide()
    assert (verdict.passed, verdict.warnings) == (True, ())


def test_a_set_made_by_a_machine_is_held_to_its_floors_only(case: Case) -> None:
    case.set_is(made_by="machine")
    case.production_was(ndcg=[1.0] * QUERIES, recall=[1.0] * QUERIES, judged=[1.0] * QUERIES)
    case.values_are(ndcg=[0.6] * QUERIES, hit=[0.0] * QUERIES)
    assert case.decide().passed
    case.values_are(ndcg=spread(0.75, 0.45, EVEN))
    assert [reason.line for reason in case.decide().reasons] == ["gate.yaml:29"], "the floors of its slices too"
    case.values_are(ndcg=spread(0.6, 0.59, [3]))
    assert [reason.line for reason in case.decide().reasons] == ["gate.yaml:15"]
    case.set_is(made_by="people")
    assert len(case.decide().reasons) > 1


def with_another(case: Case, **changes: Any) -> None:
    """A second golden set, which gate.yaml does not name."""
    assert case.evidence is not None
    case.evidence_is(golden_sets=case.evidence.golden_sets | {"more": measured(fingerprint="more-1", **changes)})
    case.facts_are(golden_fingerprints={"docs": "docs-1", "more": "more-1"})


def test_a_golden_set_the_policy_does_not_name_is_held_to_the_defaults(case: Case) -> None:
    with_another(case)
    assert case.decide().passed
    with_another(case, unresolved=gone(5))
    [reason] = case.decide().reasons
    assert (reason.outcome, reason.line) == (INVALID, "gate.yaml:12")
    with_another(case, values=measured().values | {"nDCG@10": [0.5] * QUERIES, "hit@10": spread(1.0, 0.0, range(20))})
    verdict = case.decide()
    assert verdict.outcome == REGRESSED
    assert [reason.message[:40] for reason in verdict.reasons] == [
        "worse than production: more: nDCG@10 -0.",
        "more: 20 of 180 queries went from answer",
    ]


@pytest.mark.parametrize("what", sorted(WRONG.keys() - {"a golden set demanded but absent"}))
def test_an_advisory_set_warns_where_a_critical_one_refuses(tmp_path: Path, what: str) -> None:
    case = good(policy_of(tmp_path, GATE.replace("      docs:\n", "      docs:\n        critical: false\n")))
    WRONG[what][0](case)
    verdict = case.decide()
    assert (verdict.outcome, verdict.reasons) == ("passed", ())
    assert WRONG[what][2] in verdict.warnings[0].message


def test_an_advisory_set_without_a_folder_refuses_all_the_same(tmp_path: Path) -> None:
    """That is a mistake in the policy, and not a finding."""
    case = good(policy_of(tmp_path, GATE.replace("      docs:\n", "      docs:\n        critical: false\n")))
    WRONG["a golden set demanded but absent"][0](case)
    assert case.decide().outcome == INVALID


def test_a_slice_that_no_query_has_hides_none_of_those_named_after_it(policy: Policy) -> None:
    values = [(0.2 if row < 40 else 0.8) if row in EVEN else 1.0 for row in range(QUERIES)]
    docs = measured(values=measured().values | {"nDCG@10": values})
    named: dict[str, Any] = {"kind": {"verbatim": {}, "paraphrase": {}}}
    told = [reason.message[:46] for reason in good(demanding(policy, slices=named), docs).decide().reasons]
    assert told == ["docs, kind = verbatim: no living query has thi", "worse than production: docs, kind = paraphrase"]
