"""Expected loss by place, against hand calculations."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag_pipeline.evaluate.expected import IMAGINED, PRIOR, Chances, can_be_expected, chances, expected_loss, worth

NAMES = [f"d{number}" for number in range(10)]
NEW = [f"new{number}" for number in range(12)]
LIKELY = Chances(PRIOR)
listed = st.permutations(NAMES)


def test_chances_are_where_right_documents_stood_and_twenty_imagined_ones() -> None:
    assert math.fsum(PRIOR) == pytest.approx(1.0) and list(PRIOR) == sorted(PRIOR, reverse=True)
    assert chances({}, {}).by_place == PRIOR
    lists = {"a": ["x", "right"], "b": ["right", "x"], "c": ["x", "y"], "d": ["right"]}
    qrels = {query: {"right": 1, "x": 0} for query in lists}
    found = chances(qrels, lists).by_place
    assert found[0] == pytest.approx((2 + IMAGINED * PRIOR[0]) / 24, abs=1e-6)
    assert found[1] == pytest.approx((1 + IMAGINED * PRIOR[1]) / 24, abs=1e-6)
    assert math.fsum(found) == pytest.approx(23 / 24, abs=1e-5), "one question is not answered, so it loses nothing"


@pytest.mark.parametrize(
    ("metric", "first", "third", "eleventh"),
    [
        ("nDCG@10", 1.0, 0.5, 0.0),
        ("nDCG@2", 1.0, 0.0, 0.0),
        ("MRR@10", 1.0, 1 / 3, 0.0),
        ("MAP@20", 1.0, 1 / 3, 1 / 11),
        ("recall@10", 1.0, 1.0, 0.0),
        ("hit@3", 1.0, 1.0, 0.0),
        ("precision@10", 0.1, 0.1, 0.0),
    ],
)
def test_what_a_place_is_worth_is_what_the_metric_gives_one_right_document_there(
    metric: str, first: float, third: float, eleventh: float
) -> None:
    assert [worth(metric, place) for place in (1, 3, 11)] == pytest.approx([first, third, eleventh])


def test_passages_and_judged_shares_have_no_places() -> None:
    assert [one for one in ("nDCG@10", "span_recall@5", "judged@10", "hit@1") if can_be_expected(one)] == [
        "nDCG@10",
        "hit@1",
    ]


@settings(max_examples=60)
@given(listed, st.integers(0, 12))
def test_new_documents_cost_nothing_wherever_they_stand(mine: list[str], places: int) -> None:
    with_new = [*NEW[:places], *mine]
    for metric in ("nDCG@10", "MRR@10", "recall@10"):
        assert expected_loss(metric, LIKELY, NAMES, with_new, set(NAMES)) == expected_loss(
            metric, LIKELY, NAMES, mine, set(NAMES)
        )
    assert expected_loss("nDCG@10", LIKELY, NAMES, [*NEW, *NAMES], set(NAMES)) == 0.0


@settings(max_examples=60)
@given(listed)
def test_no_order_of_the_same_documents_is_expected_to_be_better_than_productions(mine: list[str]) -> None:
    """By the rearrangement inequality: the likelier place is worth more. So nothing is clipped where chances fall."""
    now = {one: place for place, one in enumerate(mine, start=1)}
    loss = math.fsum(
        chance * (worth("nDCG@10", place) - worth("nDCG@10", now[one]))
        for place, (chance, one) in enumerate(zip(PRIOR, NAMES, strict=True), start=1)
    )
    assert loss >= -1e-12
    assert expected_loss("nDCG@10", LIKELY, NAMES, mine, set(NAMES)) == pytest.approx(max(0.0, loss))
    assert expected_loss("recall@10", LIKELY, NAMES, mine, set(NAMES)) == pytest.approx(0.0)


def test_a_document_that_is_gone_costs_the_chance_of_its_place_less_what_the_others_rise() -> None:
    without_first = expected_loss("recall@10", LIKELY, NAMES, NAMES[1:], set(NAMES))
    assert without_first == pytest.approx(PRIOR[0])
    rises = math.fsum(PRIOR[place] * (worth("nDCG@10", place) - worth("nDCG@10", place + 1)) for place in range(1, 10))
    assert expected_loss("nDCG@10", LIKELY, NAMES, NAMES[1:], set(NAMES)) == pytest.approx(PRIOR[0] - rises)
    swapped = [NAMES[1], NAMES[0], *NAMES[2:]]
    assert expected_loss("nDCG@10", LIKELY, NAMES, swapped, set(NAMES)) == pytest.approx(
        (PRIOR[0] - PRIOR[1]) * (1 - 1 / math.log2(3))
    )


def test_everything_gone_costs_all_there_is_and_a_rise_is_no_gain() -> None:
    assert expected_loss("nDCG@10", LIKELY, NAMES, [], set(NAMES)) == pytest.approx(LIKELY.most("nDCG@10"))
    odd = Chances((0.1, 0.6, *([0.0] * 8)))
    assert expected_loss("nDCG@10", odd, NAMES, [NAMES[1], NAMES[0]], set(NAMES)) == 0.0, "nobody judged that it is better"
