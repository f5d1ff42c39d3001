"""How many queries the gate needs, and what never happens by the luck of the draw."""

import math
import re
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag_pipeline.gate.demands import compared
from rag_pipeline.gate.policy import NotWorse, Policy
from tests.support.gate_cases import (
    OPEN,
    QUERIES,
    Case,
    demanding,
    good,
    measured,
    only,
    spread,
)


@pytest.mark.parametrize("score", [0.4, 0.65, 0.8, 1.0])
def test_answers_that_did_not_change_pass_from_three_times_score_by_margin_on(policy: Policy, score: float) -> None:
    """The bound is drawn with one imagined query that lost all: 98 queries at .65, margin .02; with fewer it is open."""
    enough = math.ceil(3 * score / 0.02)

    def outcome(queries: int) -> str:
        docs = measured(queries)
        docs = docs.model_copy(update={"values": docs.values | {"nDCG@10": [score] * queries}})
        same = docs.model_copy(update={"production": docs.values})
        return good(demanding(policy, not_worse=only(margin=0.02)), same).decide().outcome

    assert [outcome(enough), outcome(enough - 3)] == ["passed", OPEN]


def missing(message: str) -> int:
    found = re.search(r"about (\d+) more judged queries would decide", message)
    assert found, message
    return int(found[1])


def test_inconclusive_says_how_many_more_judged_queries_would_decide(policy: Policy) -> None:
    strict = demanding(policy, not_worse=only(margin=0.02))
    [reason] = good(strict, measured(50)).decide().reasons
    assert good(strict, measured(50 + missing(reason.message))).decide().passed

    def repeated(times: int) -> Case:
        """Every ninth query gains and loses a little less."""
        changed = [{0: 0.3, 1: -0.32}.get(place % 9, 0.0) for place in range(72)] * times
        docs = measured(len(changed))
        docs = docs.model_copy(update={"values": docs.values | {"nDCG@10": [0.5 + one for one in changed]}})
        return good(strict, docs.model_copy(update={"production": docs.values | {"nDCG@10": [0.5] * len(changed)}}))

    [reason] = repeated(1).decide().reasons
    assert reason.outcome == OPEN
    times = math.ceil((72 + missing(reason.message)) / 72)
    assert times > 2
    assert repeated(times).decide().passed, "the same again and again, as often as it said"


def test_an_inconclusive_verdict_says_what_is_likely_and_which_way_more_queries_would_decide(policy: Policy) -> None:
    strict = demanding(policy, not_worse=only(margin=0.02))

    def says(lost: int) -> str:
        docs = measured(values=measured().values | {"nDCG@10": spread(0.8, 0.2, range(lost))})
        [reason] = good(strict, docs).decide().reasons
        assert reason.outcome == OPEN
        return reason.message

    assert says(4).startswith("cannot be shown to be no worse than production: docs: nDCG@10 -0.0133")
    assert "more judged queries would decide, and would pass it" in says(4)
    assert says(8).startswith("probably worse than production: docs: nDCG@10 -0.0267")
    assert "more judged queries would decide, and would refuse it" in says(8)


def test_at_the_margin_more_queries_would_hardly_decide(policy: Policy) -> None:
    docs = measured(values=measured().values | {"nDCG@10": spread(0.8, 0.4, range(9))})
    [reason] = good(demanding(policy, not_worse=only(margin=0.02)), docs).decide().reasons
    assert reason.outcome == OPEN
    assert "more queries would hardly decide: it lies at the margin" in reason.message


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    queries=st.integers(60, 200),
    near=st.floats(-1e-3, 1e-3),
    loss=st.floats(1e-6, 1),
    data=st.data(),
)
def test_a_further_loss_never_turns_a_refusal_into_a_pass(
    policy: Policy, seed: int, queries: int, near: float, loss: float, data: st.DataObject
) -> None:
    """Also where the bound lies right at the margin, and where a loss is as small as a rounding error."""
    random = Random(seed)
    docs = measured(queries)
    before = [random.choice((0.0, 0.39, 0.63, 1.0)) for _ in range(queries)]
    after = [max(0.0, min(1.0, value + random.choice((0, 0, 0, 0, 0.3, -0.3)))) for value in before]
    docs = docs.model_copy(
        update={"values": docs.values | {"nDCG@10": after}, "production": docs.values | {"nDCG@10": before}}
    )
    margin = min(1.0, max(0.0, near - compared(docs, "nDCG@10", 0.95).lower))
    demands = demanding(policy, not_worse=NotWorse(margin=margin), slices={"kind": {"paraphrase": {"margin": margin}}})
    refused = not good(demands, docs).decide().passed
    place = data.draw(st.integers(0, queries - 1))
    worse = {
        name: [
            max(0.0, value - loss * (name == "nDCG@10" or loss > 0.5)) if row == place else value
            for row, value in enumerate(of)
        ]
        for name, of in docs.values.items()
    }
    assert refused <= (not good(demands, docs.model_copy(update={"values": worse})).decide().passed)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), queries=st.integers(120, 300))
def test_a_release_that_gives_what_production_gives_passes(policy: Policy, seed: int, queries: int) -> None:
    """From 120 queries on where an answered one scores .8 or less, and from 150 on whatever it scores."""
    random = Random(seed)
    share, most = random.uniform(0, 1), 0.8 if queries < 150 else 1.0
    scores = [most if random.random() < share else random.choice((0.0, 0.1)) for _ in range(queries)]
    same = dict.fromkeys(("nDCG@10", "recall@10", "hit@10", "judged@10"), scores)
    slices = {"kind": {"paraphrase": {"margin": 0.06}}}
    verdict = good(demanding(policy, slices=slices), measured(queries, values=same, production=same)).decide()
    assert (verdict.outcome, verdict.warnings) == ("passed", ())


def test_the_imagined_question_loses_what_an_answered_one_scores_not_the_average(policy: Policy) -> None:
    """40 of 100 answered with 1.0 score .40 on average: a hundred questions do not show that no more than .02 was lost."""
    scores = [1.0] * 40 + [0.0] * 60
    docs = measured(100)
    docs = docs.model_copy(update={"values": docs.values | {"nDCG@10": scores}})
    same = docs.model_copy(update={"production": docs.values})
    assert compared(same, "nDCG@10", 0.95).imagined == 1.0
    assert good(demanding(policy, not_worse=only(margin=0.02)), same).decide().outcome == OPEN


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_the_same_evidence_always_gives_the_same_verdict(policy: Policy, seed: int) -> None:
    random = Random(seed)
    docs = measured(values={name: [random.random() for _ in range(QUERIES)] for name in measured().values})
    assert good(policy, docs).decide() == good(policy, docs.model_copy(deep=True)).decide()
