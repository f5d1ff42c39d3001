"""The decision on answers: pure, every demand on its own, and what cannot be shown is refused."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from rag_pipeline.gate.answers import AnswerFacts, answer_policies, decide_answers
from rag_pipeline.gate.policy import Policy, read_policy
from rag_pipeline.gate.verdict import Reason
from rag_pipeline.versions.evidence import AnswerEvidence, QuestionAnswered, SetAnswered
from rag_pipeline.versions.evidence_store import Shown
from tests.conftest import Workspace
from tests.support.small_releases import NOW

VERSION, OTHER = "a" * 32, "b" * 32


def asked(number: int, **changes: Any) -> QuestionAnswered:
    said = {"answerable": True, "found": True, "by_model": True, "citations": 1, "valid": 1, "right": True, **changes}
    return QuestionAnswered(query=f"q{number}", **said)


def evidence(policy: Policy, questions: list[QuestionAnswered], **changes: Any) -> AnswerEvidence:
    said = {
        "version": VERSION,
        "with_models": True,
        "release": "r1",
        "release_fingerprint": "f1",
        "manifest_sha256": "m1",
        "policies": answer_policies(policy),
        "created_at": NOW,
        "run_id": "run",
        "golden_sets": {"pets": SetAnswered(fingerprint="g1", questions=tuple(questions))},
    }
    return AnswerEvidence.model_validate(said | changes).sealed()


def decided(
    policy: Policy, found: AnswerEvidence, before: AnswerEvidence | None = None, hours: float = 0, **facts: Any
) -> tuple[Reason, ...]:
    said = AnswerFacts(
        version=VERSION,
        damage="",
        release="r1",
        release_fingerprint="f1",
        manifest_sha256="m1",
        evidence=Shown(found),
        golden_fingerprints={"pets": "g1"},
        rival=Shown(before) if before else None,
    )
    return decide_answers(policy, "production", replace(said, **facts), NOW + timedelta(hours=hours))


def policy_of(workspace: Workspace, **answers: Any) -> Policy:
    workspace.policy({"pets": {}}, **({"answers": answers} if answers else {}))
    return read_policy(workspace.settings.evals)


GOOD = [asked(number) for number in range(40)]


def test_good_answers_pass_with_and_without_something_to_compare_with(workspace: Workspace) -> None:
    policy = policy_of(workspace)
    assert decided(policy, evidence(policy, GOOD)) == ()
    assert decided(policy, evidence(policy, GOOD), evidence(policy, GOOD, version=OTHER)) == ()
    assert decided(policy, evidence(policy, GOOD[:2]), evidence(policy, GOOD[:2], version=OTHER)) == (), "however few"


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ({"damage": "version x was changed"}, "was changed"),
        ({"evidence": Shown(None, "nobody measured it")}, "nobody measured it"),
        ({"release": "r2"}, "about another pair"),
        ({"release_fingerprint": "f2"}, "about another pair"),
        ({"manifest_sha256": "m2"}, "about another pair"),
        ({"version": OTHER}, "about another pair"),
        ({"golden_fingerprints": {"pets": "g2"}}, "golden set pets has changed"),
        ({"golden_fingerprints": {"pets": "g1", "more": "g"}}, "golden set more has changed"),
        ({"golden_fingerprints": {}}, "golden set pets has changed"),
        ({"hours": 24.1}, "h old, at most 24 h"),
        ({"hours": -1}, "in the future"),
        (
            {"rival": Shown(None, "nobody measured the one before")},
            "cannot be compared with: nobody measured the one before",
        ),
    ],
)
def test_what_is_about_something_else_or_is_not_there_cannot_be_evaluated(
    workspace: Workspace, facts: dict[str, Any], says: str
) -> None:
    policy = policy_of(workspace)
    [reason] = decided(policy, evidence(policy, GOOD), **facts)
    assert reason.outcome == "could not be evaluated" and says in reason.message


def test_other_demands_and_no_question_at_all_cannot_be_evaluated(workspace: Workspace) -> None:
    before = evidence(policy_of(workspace), GOOD)
    changed = policy_of(workspace, right_sentence_min=0.5)
    [reason] = decided(changed, before)
    assert "the demands on answers have changed" in reason.message
    [nothing] = decided(changed, evidence(changed, []))
    assert "holds no question" in nothing.message


@pytest.mark.parametrize(
    ("demands", "spoiled", "says"),
    [
        ({}, {"valid": 0}, "citations that stand are 97.5%, at least 100.0%"),
        ({"right_sentence_min": 0.99}, {"right": False}, "answers with a right sentence are 97.5%, at least 99.0%"),
        ({"fell_back_max": 0.01}, {"by_model": False}, "no model wrote 2.5% of the answers, at most 1.0%"),
        ({"usd_per_question_max": 0.01}, {"nano": 10**9}, "0.025 dollars a question, at most 0.01"),
        ({"write_p95_ms": 100.0}, {"write_ms": 101.0}, "101 ms to write an answer (p95), at most 100"),
    ],
)
def test_each_demand_refuses_what_is_short_of_it_and_names_its_line(
    workspace: Workspace, demands: dict[str, Any], spoiled: dict[str, Any], says: str
) -> None:
    policy = policy_of(workspace, **demands)
    [reason] = decided(policy, evidence(policy, [asked(0, **spoiled), *GOOD[1:]]))
    assert reason.outcome == "regressed" and says in reason.message
    assert reason.line.startswith("gate.yaml:")
    assert decided(policy, evidence(policy, GOOD)) == ()


def test_refusals_count_where_they_are_beyond_chance(workspace: Workspace) -> None:
    policy = policy_of(workspace, refused_rightly_min=0.8)
    few = [asked(0, refused=True, by_model=False), asked(1)]
    assert decided(policy, evidence(policy, few)) == (), "one of two may be chance"
    many = [asked(number, refused=number < 10) for number in range(40)]
    [wrongly] = decided(policy, evidence(policy, many))
    assert "25.0% of what is answerable is refused, at most 10.0% may be" in wrongly.message
    unanswerable = [asked(100 + n, answerable=False, found=False, right=None, refused=n < 10) for n in range(40)]
    [rightly] = decided(policy, evidence(policy, [*GOOD, *unanswerable]))
    assert "25.0% of what is unanswerable is refused, at least 80.0% should be" in rightly.message


def test_right_sentences_are_compared_question_by_question(workspace: Workspace) -> None:
    policy = policy_of(workspace)
    before = evidence(policy, GOOD, version=OTHER)
    lost = [asked(number, right=number >= 4) for number in range(40)]
    [reason] = decided(policy, evidence(policy, lost), before)
    assert reason.outcome == "regressed" and "a right sentence is -10.0% as often as now" in reason.message
    one = [asked(number, right=number >= 1) for number in range(40)]
    [unsure] = decided(policy, evidence(policy, one), before)
    assert unsure.outcome == "inconclusive"
    swapped = evidence(policy, list(reversed(lost)), version=OTHER)
    assert decided(policy, evidence(policy, lost), swapped) == (), "pairs are by question, whatever their order"
    other_set = evidence(
        policy, GOOD, version=OTHER, golden_sets={"pets": SetAnswered(fingerprint="g0", questions=tuple(GOOD))}
    )
    [another] = decided(policy, evidence(policy, GOOD), other_set)
    assert "measured on other golden sets" in another.message
    relaxed = policy_of(workspace, not_worse=None)
    assert decided(relaxed, evidence(relaxed, lost), before) == ()
