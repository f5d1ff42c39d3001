"""The demand that small losses must not add up, on scores as they come: what is refused, what never is, in which words."""

from dataclasses import replace

import pytest

from rag_pipeline.channels.pointer import Anchor
from rag_pipeline.evaluate.against import Against
from rag_pipeline.evaluate.compare import seen_bounds
from rag_pipeline.gate.anchored import AnchorFacts, gained
from rag_pipeline.gate.policy import AnchorPolicy, NotWorse, Policy
from rag_pipeline.gate.verdict import Verdict
from tests.support.gate_cases import INVALID, OPEN, REGRESSED, Case, demanding, good, measured, only
from tests.support.small_releases import NOW

ANCHOR = Anchor(release="first", fingerprint="first-1", evidence="seal", at=NOW, by="ana", why="it is good")
SLIP = 1 - 0.63093
"""What a question loses whose answer slips from the first place to the second."""


def against(queries: int, *losses: float, lost: int = 0, asked: int | None = None, was: float = 1.0) -> AnchorFacts:
    """A release on so many questions, some of which score so much less than the anchor's; `lost` of them lose the answer."""
    theirs = [was] * queries
    mine = [was - loss for loss in losses] + [was] * (queries - len(losses))
    hits = [0.0] * lost + [1.0] * (queries - lost)
    names = tuple(f"q{number:03}" for number in range(queries))
    one = Against(
        names,
        asked or queries,
        {"nDCG@10": tuple(mine), "hit@10": tuple(hits)},
        {"nDCG@10": tuple(theirs), "hit@10": (1.0,) * queries},
    )
    return AnchorFacts(ANCHOR, {"docs": one})


def decided(policy: Policy, facts: AnchorFacts, **changes: object) -> Verdict:
    """The verdict on a release that did nothing to production but score a little less: the anchor may refuse it."""
    docs = measured()
    less = docs.values | {"nDCG@10": [0.79, *docs.values["nDCG@10"][1:]]}
    wanted = only(**changes)
    case = good(demanding(policy, not_worse=wanted), docs.model_copy(update={"values": less}))
    case.facts_are(anchor=facts)
    return case.decide()


@pytest.mark.parametrize("queries", [1, 10, 30, 60, 100, 180, 300])
def test_a_release_that_loses_nothing_is_never_refused_however_few_the_questions(policy: Policy, queries: int) -> None:
    verdict = decided(policy, against(queries))
    assert verdict.passed
    [note] = verdict.anchor
    assert note.startswith(
        "no worse than the anchor: docs: nDCG@10 +0.0000 against the anchor first, accepted 2026-03-01 02:00 UTC by ana "
        f"(it is good) over {queries} queries"
    )


REFUSED = {
    "an answer lost among few questions": (against(30, 1.0, lost=1), OPEN, "probably worse than the anchor"),
    "an answer lost among a hundred": (against(100, 0.8, lost=1), OPEN, "cannot be shown to be no worse than the anchor"),
    "two questions that slip, among ten": (against(10, SLIP, SLIP), OPEN, "probably worse than the anchor"),
    "many that slip": (
        against(180, *[SLIP] * 10),
        OPEN,
        "probably worse than the anchor: small losses of many nights add up",
    ),
    "what is beyond doubt": (against(180, *[1.0] * 20, lost=20), REGRESSED, "worse than the anchor: docs: nDCG@10 -0.1111"),
}
PASSED = {
    "one question that slips, among ten": against(10, SLIP),
    "one question that slips, among a hundred": against(100, SLIP),
    "an answer lost among three hundred": against(300, 0.8, lost=1),
    "as many found as lost": against(300, 0.3, 0.3, -0.0, was=0.7),
}


@pytest.mark.parametrize("what", REFUSED)
def test_losses_that_were_seen_and_may_be_beyond_the_margin_are_refused(policy: Policy, what: str) -> None:
    facts, outcome, says = REFUSED[what]
    verdict = decided(policy, facts)
    assert (verdict.outcome, verdict.passed) == (outcome, False)
    [reason] = verdict.reasons
    assert says in reason.message
    assert "margin 0.02" in reason.message and reason.line == "gate.yaml:17"
    assert "then that release becomes the anchor" in reason.message


@pytest.mark.parametrize("what", PASSED)
def test_what_chance_explains_passes(policy: Policy, what: str) -> None:
    assert decided(policy, PASSED[what]).passed


def test_the_margin_is_the_policys_and_null_switches_it_off(policy: Policy) -> None:
    bad = against(180, *[1.0] * 20, lost=20)
    assert not decided(policy, bad).passed
    assert not decided(policy, against(180, *[SLIP] * 10), anchor={"margin": 0.03}).passed
    assert decided(policy, against(180, *[SLIP] * 10), anchor={"margin": 0.05}).passed
    assert decided(policy, bad, anchor=None).passed
    assert NotWorse().anchor == AnchorPolicy(margin=0.02)


def test_what_is_below_the_anchor_but_not_below_production_passes_with_a_warning(case: Case) -> None:
    case.facts_are(anchor=against(180, *[1.0] * 20, lost=20))
    verdict = case.decide()
    assert verdict.passed, "refusing it would keep something no better"
    assert "below the anchor, but not below production" in verdict.warnings[0].message


def test_what_serves_and_what_is_gone_back_to_are_not_refused_for_it(policy: Policy) -> None:
    bad = against(180, *[1.0] * 20, lost=20)
    docs = measured()
    less = docs.model_copy(update={"values": docs.values | {"nDCG@10": [0.79] * 180}})
    case = good(demanding(policy, not_worse=only()), less)
    case.facts_are(anchor=bad, current="new")
    assert case.decide().passed
    assert any("worse than the anchor" in one.message for one in case.decide().warnings)
    case.facts_are(current="old", going_back=True)
    assert case.decide().warnings == ()


def test_an_advisory_set_warns(policy: Policy) -> None:
    docs = measured()
    less = docs.model_copy(update={"values": docs.values | {"nDCG@10": [0.79] * 180}})
    case = good(demanding(policy, not_worse=only(), critical=False), less)
    case.facts_are(anchor=against(180, *[1.0] * 20, lost=20))
    verdict = case.decide()
    assert verdict.passed and any("worse than the anchor" in one.message for one in verdict.warnings)


def test_questions_the_anchor_was_not_asked_are_told(policy: Policy) -> None:
    verdict = decided(policy, against(50, asked=180))
    assert verdict.passed
    assert "the anchor first was asked only 50 of its 180 questions" in verdict.warnings[0].message
    assert "`rag evaluate --release first` asks it" in verdict.warnings[0].message
    nothing = decided(policy, AnchorFacts(ANCHOR))
    assert nothing.passed
    assert "the anchor first was asked none of its questions" in nothing.warnings[0].message


def test_an_anchor_that_cannot_be_read_is_no_licence(policy: Policy) -> None:
    verdict = decided(policy, AnchorFacts(ANCHOR, problem="nothing can be held against the anchor first: it is gone"))
    assert (verdict.outcome, [one.message for one in verdict.reasons]) == (
        INVALID,
        ["nothing can be held against the anchor first: it is gone"],
    )


def test_only_a_gain_that_is_shown_moves_the_anchor(policy: Policy) -> None:
    found = demanding(policy, not_worse=NotWorse())
    assert gained(found, "production", against(180)) == ""
    assert gained(found, "production", against(180, *[-0.3] * 3, was=0.7)) == "", "three questions may be luck"
    better = against(180, *[-0.3] * 60, was=0.7)
    assert gained(found, "production", better).startswith("docs: nDCG@10 +0.1000 over 180 queries, lower bound +0.0")
    one = better.sets["docs"]
    worse = replace(one, mine={**one.theirs, "nDCG@10": (0.6,) * 180})
    assert gained(found, "production", AnchorFacts(ANCHOR, {"docs": one, "other": worse})) == "", "another set lost"


def test_bounds_of_what_was_seen_imagine_nothing() -> None:
    assert seen_bounds([0.0] * 10) == seen_bounds([]) == (0.0, 0.0)
    lower, upper = seen_bounds([-1.0] + [0.0] * 99)
    assert (round(lower, 3), upper) == (-0.03, 0.0)
