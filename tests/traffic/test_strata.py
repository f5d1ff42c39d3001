"""What is drawn to be judged: a sample that is uniform whatever was asked, and questions that went wrong."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from rag_pipeline.traffic.strata import Line, Served, draw, low, merged, order

SIZES = {"uniform": 5, "not_useful": 2, "far": 2, "low": 2}


def served(number: int, text: str = "", top: float | None = 0.5) -> Served:
    return Served(f"q_{number:040x}", text or f"question {number}", "2026-11-30", ("r", "dense"), top)


def test_the_sample_is_what_has_the_smallest_hashes_and_says_how_far_it_goes() -> None:
    asked = [served(number) for number in range(50)]
    found = draw(asked, {}, SIZES)  # type: ignore[arg-type]
    orders = sorted(order(one.query_id) for one in asked)
    assert sorted(order(line.query_id) for line in found.lines) == orders[:5]
    assert (found.until, found.drawn, found.of) == (orders[4], 5, 50)
    assert {line.weight for line in found.lines} == {10.0}
    assert draw(asked[:3], {}, SIZES).until == 1.0  # type: ignore[arg-type]


def test_a_question_that_is_asked_often_is_judged_once_and_counts_as_often_as_it_was_drawn() -> None:
    asked = [served(number, "How do I copy?" if number % 2 else "how do i copy") for number in range(4)]
    [line] = draw(asked, {}, SIZES).lines  # type: ignore[arg-type]
    assert set(line.events) == {one.query_id for one in asked}


def test_each_stratum_has_its_share_and_no_question_is_in_two() -> None:
    asked = [served(number) for number in range(50)]
    wrong = {one.query_id for one in asked[:30]}
    found = draw(asked, {"not_useful": wrong, "low": wrong}, SIZES)  # type: ignore[arg-type]
    texts = [line.text for line in found.lines]
    assert len(texts) == len(set(texts)) == 5 + 2 + 2
    bad = [line for line in found.lines if line.stratum == "not_useful"]
    left = wrong - {line.query_id for line in found.lines if line.stratum == "uniform"}
    assert {line.weight for line in bad} == {len(left) / 2}


def test_what_found_nothing_or_little_is_low_among_its_own_kind() -> None:
    asked = [served(number, top=number / 100) for number in range(100)] + [served(200, top=None)]
    other = [Served("q_x", "t", "d", ("r", "lexical"), -5.0)]
    assert low([*asked, *other]) == {f"q_{number:040x}" for number in (*range(5), 200)}


def test_what_somebody_judged_stays_under_its_id_through_another_draw() -> None:
    before = [Line("q_old", "how do I copy", "low", 1.0, "d"), Line("q_gone", "nobody judged this", "far", 1.0, "d")]
    now = draw([served(1, "How do I copy?"), served(2)], {}, SIZES)  # type: ignore[arg-type]
    lines = {line.query_id: line for line in merged(now, before, {"q_old"})}
    assert set(lines) == {"q_old", served(2).query_id}
    assert (lines["q_old"].stratum, lines["q_old"].events) == ("uniform", (served(1).query_id,))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 40), st.integers(1, 40))
def test_a_draw_night_by_night_ends_in_the_sample_that_one_draw_gives(seed: int, first: int, second: int) -> None:
    """What was asked before or after a draw has the same chance: all with a small enough hash are in."""
    chance = random.Random(seed)
    asked = [served(chance.getrandbits(60)) for _ in range(first + second)]
    early = draw(asked[:first], {}, SIZES)  # type: ignore[arg-type]
    late = draw(asked, {}, SIZES)  # type: ignore[arg-type]
    lines = merged(late, early.lines, {line.query_id for line in early.lines})
    events = {event for line in lines for event in line.events if order(event) <= late.until}
    assert events == {one.query_id for one in asked if order(one.query_id) <= late.until}
