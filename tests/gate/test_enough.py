"""How many judged queries could pass a release: one number, the largest of the rules that bind."""

import math

import pytest

from rag_pipeline.evaluate.compare import answered_score, enough_for_margin, enough_for_share
from rag_pipeline.gate.enough import SetSize, enough, enough_of
from rag_pipeline.gate.policy import NotWorse, Policy, SetPolicy, SlicePolicy
from tests.support.gate_cases import OPEN, demanding, good, measured, only, probes

DEFAULT = SetPolicy()


def test_what_is_answered_scores_score_by_hits() -> None:
    values = [1.0, 0.5, 0.0, 0.0]
    assert answered_score(values) == pytest.approx((sum(values) / 4) / (2 / 4))
    assert answered_score([0.0]) == answered_score([]) == 0.0


@pytest.mark.parametrize(
    ("answered", "margin", "sd", "confidence", "needed"),
    [
        (1.0, 0.02, 0.0, 0.95, 150),
        (0.7, 0.02, 0.0, 0.95, 105),
        (0.8, 0.05, 0.0, 0.95, 48),
        (0.8, 0.02, 0.2, 0.95, 706),
        (0.8, 0.02, 0.05, 0.95, 149),
        (1.0, 0.02, 0.0, 0.9, 100),
        (1.0, 0.02, 0.0, 0.99, 200),
    ],
)
def test_the_imagined_query_or_the_scatter_binds(
    answered: float, margin: float, sd: float, confidence: float, needed: int
) -> None:
    assert enough_for_margin(answered, margin, sd=sd, confidence=confidence) == pytest.approx(needed, abs=1)
    assert enough_for_margin(answered, 0.0) is None


def test_hits_lost_bind_at_59() -> None:
    assert enough_for_share(0.05) == 59 and enough_for_share(0.0) is None


@pytest.mark.parametrize("answered", [0.3, 0.65, 0.93, 1.0])
@pytest.mark.parametrize("other", [{}, {"guard_margin": 0.01}, {"margin": 0.2}, {"confidence": 0.99}])
def test_the_number_is_where_an_unchanged_release_begins_to_pass(
    policy: Policy, answered: float, other: dict[str, float]
) -> None:
    """Whatever rule binds; a third of the queries is not answered."""
    wanted = NotWorse.model_validate(other)

    def same(queries: int) -> str:
        hits = [float(number % 3 > 0) for number in range(queries)]
        values = {"nDCG@10": [answered * hit for hit in hits], "recall@10": hits, "hit@10": hits}
        docs = measured(queries, values=values, production=values, slices={})
        return good(demanding(policy, not_worse=wanted, probes=None), docs).decide().outcome

    scores = {"nDCG@10": [answered, answered, 0.0], "recall@10": [1.0, 1.0, 0.0]}
    found = enough(SetSize("docs", 10), SetPolicy(not_worse=wanted), scores)
    assert found is not None
    assert [same(int(found.needed)), same(int(found.needed) - 4)] == ["passed", OPEN]


def test_it_says_what_a_set_can_and_cannot_do() -> None:
    scores = {"nDCG@10": [0.9], "recall@10": [1.0]}
    few = enough(SetSize("docs", 10), DEFAULT, scores)
    assert few is not None and few.says == (
        "docs: 10 judged queries can refuse a release; on their own they cannot pass one (about 135 can: that nDCG@10 lost "
        "no more than 0.02 is not shown by fewer); with 200 probes it would pass one that changed nothing that matters: "
        "`rag golden probes docs`"
    )
    helped = enough(SetSize("docs", 10, probes=200), DEFAULT, scores)
    assert helped is not None and helped.says.endswith(
        "; with its 200 probes it passes one that changed nothing that matters"
    )
    many = enough(SetSize("docs", 180), DEFAULT, scores)
    assert many is not None and many.says == (
        "docs: its 180 judged queries can pass a release that loses nothing (about 135 can)"
    )
    unknown = enough(SetSize("docs", 10), DEFAULT, None)
    assert unknown is not None and "at most about 150 can" in unknown.says, "before anything was measured"
    never = enough(SetSize("docs", 500), SetPolicy(not_worse=NotWorse(margin=0.0)), scores)
    assert never is not None and never.needed == math.inf and "no number of them can pass one" in never.says
    assert enough(SetSize("docs", 10), SetPolicy(not_worse=None), scores) is None


def test_a_comparison_tells_by_its_own_scatter_and_a_machines_set_needs_no_number() -> None:
    docs = measured(180, probes=probes())
    calm = enough_of("docs", docs, DEFAULT)
    assert calm is not None and (calm.queries, calm.needed, calm.probes) == (180, 120, 200)
    values = docs.values | {"nDCG@10": [0.8 + (0.2 if number % 2 else -0.2) for number in range(180)]}
    wild = enough_of("docs", docs.model_copy(update={"values": values}), DEFAULT)
    assert wild is not None and wild.needed == pytest.approx(706, rel=0.02), (
        "more than the (2.49 x sd / margin)^2 of the textbook"
    )
    assert enough_of("docs", docs.model_copy(update={"made_by": "machine"}), DEFAULT) is None


def test_critical_slices_that_are_too_small_are_named_with_their_own_number() -> None:
    slices = {"kind": {"paraphrase": SlicePolicy(margin=0.05), "literal": SlicePolicy(critical=False)}}
    sizes = {("kind", "paraphrase"): 30, ("kind", "literal"): 2}
    scores = {"nDCG@10": [0.8]}
    found = enough(SetSize("docs", 180, slices=sizes), SetPolicy(slices=slices, not_worse=only(margin=0.02)), scores)
    assert found is not None
    [says] = found.slices
    assert says.startswith("slice kind = paraphrase has 30 queries, too few") and "(about 48 can)" in says
