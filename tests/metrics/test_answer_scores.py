"""Answers against reference answers, as SQuAD's own script scores them, and whether a sentence holds one."""

import pytest

from rag_pipeline.metrics.answers import AnswerScores, normal, scores, token_f1


@pytest.mark.parametrize(
    ("text", "plain"),
    [("The  Group's name.", "groups name"), ("an A-team", "ateam"), ("Theatre, a play", "theatre play"), ("…", "…")],
)
def test_texts_are_compared_without_articles_punctuation_and_blanks(text: str, plain: str) -> None:
    assert normal(text) == plain


@pytest.mark.parametrize(
    ("said", "wanted", "f1"),
    [
        ("thirty days", "thirty days", 1.0),
        ("thirty days of paid holiday", "thirty days", 4 / 7),
        ("to be or not to be", "be be be", 4 / 9),
        ("nothing of it", "thirty days", 0.0),
        ("", "thirty days", 0.0),
    ],
)
def test_words_count_as_often_as_both_have_them(said: str, wanted: str, f1: float) -> None:
    assert token_f1(said.split(), wanted.split()) == pytest.approx(f1)


def test_the_best_sentence_counts_against_the_best_reference_answer() -> None:
    sentences = ["Cats purr.", "Every employee has thirty days of paid holiday."]
    found = scores(sentences, ["30 days", "Thirty days!"])
    assert (round(found.f1, 6), found.exact, found.held) == (0.4, 0.0, 1.0)
    assert scores(["the thirty days."], ["Thirty days"]) == AnswerScores(1.0, 1.0, 1.0)


def test_part_of_a_word_is_not_held_and_neither_is_nothing() -> None:
    assert scores(["He has 130 days."], ["30 days"]).held == 0.0
    assert scores(["Days: thirty of them."], ["thirty days"]).held == 0.0, "side by side and in their order"
    assert scores(["Anything."], ["the"]) == AnswerScores(0.0, 0.0, 0.0)
    assert scores([], ["thirty"]) == scores(["thirty"], []) == AnswerScores(0.0, 0.0, 0.0)
