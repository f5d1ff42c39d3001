"""What a difference to how it is now reads as."""

import pytest

from rag_pipeline.attempts.figures import confidence_of, figure


def test_a_loss_on_every_question_is_worse_a_gain_better_and_a_handful_of_changes_neither() -> None:
    now = {"nDCG@10": [0.5] * 60}
    assert figure("nDCG@10", {"nDCG@10": [0.9] * 60}, now, 0.95).difference is not None
    read = [
        found.reads_as
        for values in ([0.9] * 60, [0.1] * 60, [0.5] * 59 + [0.4], [0.5] * 60)
        for found in [figure("nDCG@10", {"nDCG@10": values}, now, 0.95).difference]
        if found
    ]
    assert read == ["better", "worse", "not shown to differ", "not shown to differ"]
    assert figure("nDCG@10", now, None, 0.95).difference is None


def test_with_more_attempts_more_is_needed_to_call_one_better() -> None:
    assert confidence_of(1, 1) == pytest.approx(0.95)
    assert confidence_of(5, 2) == pytest.approx(0.995)
    now, mine = {"m": [0.5] * 20}, {"m": [0.5] * 10 + [0.8] * 10}
    one, many = (figure("m", mine, now, confidence_of(attempts, 1)).difference for attempts in (1, 16))
    assert one and many and many.lower < one.lower and many.upper > one.upper
