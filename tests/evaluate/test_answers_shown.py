"""What troubles people of measured answers: shares that are wrong beyond chance, and any quote that does not stand."""

from typing import Any

import pytest

from rag_pipeline.answer.bounds import Bounds
from rag_pipeline.evaluate.answers import AnswersOf, Figures, Measured
from rag_pipeline.evaluate.answers_shown import numbers, quote_troubles, refusal_troubles, slow_troubles


def measured(**changes: Any) -> AnswersOf:
    said: dict[str, Any] = dict.fromkeys(Figures.__slots__) | {
        "citations": 9,
        "valid_citations": 9,
        "found": 0,
        "unanswerable": 0,
        "p95_ms": 20.0,
    }
    one = Measured("handbook", (), Figures(**said | changes))
    return AnswersOf("a release", Bounds(meaning=0.4, words=0.3), (one,))


@pytest.mark.parametrize(
    ("found", "share", "troubled"),
    [(2, 0.5, False), (10, 0.2, False), (20, 0.5, True), (200, 0.1, False), (200, 0.16, True)],
)
def test_questions_that_are_refused_wrongly_trouble_somebody_beyond_chance(found: int, share: float, troubled: bool) -> None:
    says = refusal_troubles(measured(found=found, refused_wrongly=share))
    assert bool(says) is troubled
    assert all(f"handbook: {share:.1%} of the questions" in one and "rag golden answers --keep" in one for one in says)


@pytest.mark.parametrize(("unanswerable", "share", "troubled"), [(2, 0.5, False), (20, 0.5, True), (200, 0.8, False)])
def test_so_do_unanswerable_questions_that_are_answered(unanswerable: int, share: float, troubled: bool) -> None:
    says = refusal_troubles(measured(unanswerable=unanswerable, refused_rightly=share))
    assert bool(says) is troubled
    assert all("only 50.0% of the unanswerable questions are refused" in one for one in says)


def test_one_quote_that_does_not_stand_is_enough() -> None:
    assert quote_troubles(measured()) == []
    assert quote_troubles(measured(valid_citations=8)) == ["handbook: 1 quotes do not stand in the passage they cite"]


def test_answers_that_take_too_long_are_told_with_the_limit() -> None:
    assert slow_troubles(measured()) == []
    [says] = slow_troubles(measured(p95_ms=512.0))
    assert "handbook: of a hundred answers five take 512 ms or longer, more than 400 ms" in says
    assert numbers(measured(p95_ms=512.0))["handbook p95_ms limit"] == 400.0
