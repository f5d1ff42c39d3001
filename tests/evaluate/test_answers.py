"""Answers are measured against judged passages, and against questions that have no answer."""

import json
from pathlib import Path

import pytest

from rag_pipeline.answer.bounds import Bounds
from rag_pipeline.answer.cited import Citation
from rag_pipeline.errors import GoldenSetError
from rag_pipeline.evaluate.answers import AnswersOf, Spent, chosen, figures_of, measure_answers
from rag_pipeline.evaluate.judged_quotes import is_right
from rag_pipeline.golden.read import read_golden_set
from rag_pipeline.golden.reference_answers import ANSWERS
from rag_pipeline.golden.unanswerable import UNANSWERABLE, read_unanswerable
from tests.conftest import Workspace
from tests.support.small_releases import NOW, SMALL, release_of

TEXT = "# Cats\n\nCats purr softly at night. Dogs bark loudly all day.\n\n# Fish\n\nFish swim in water. Nobody feeds them."
QUOTES = {"why do cats purr softly": "Cats purr softly at night.", "where do fish swim": "Fish swim in water."}


@pytest.fixture
def measured(workspace: Workspace) -> tuple[Workspace, AnswersOf]:
    release = release_of(workspace.home, {"pets.md": TEXT}).manifest.id
    folder = golden(workspace)
    sets = [read_golden_set(folder)]
    return workspace, measure_answers(workspace.home, release, SMALL, sets, workspace.settings.evals)  # type: ignore[arg-type]


def golden(workspace: Workspace) -> Path:
    folder = workspace.settings.evals / "pets"
    folder.mkdir(parents=True)
    (folder / "golden.yaml").write_text("description: x\nowner: x\nmetrics: [span_recall@5]\nprimary: span_recall@5\n")
    rows = [
        {"_id": f"q{n}", "text": text, "references": [{"document": "handbook/pets.md", "quote": quote}]}
        for n, (text, quote) in enumerate(QUOTES.items())
    ]
    (folder / "queries.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / UNANSWERABLE).write_text(json.dumps({"_id": "u1", "text": "quarterly revenue forecast"}) + "\n")
    return folder


def test_figures_say_what_answers_are_worth(measured: tuple[Workspace, AnswersOf]) -> None:
    [found] = measured[1].sets
    figures = found.figures
    assert (figures.questions, figures.found, figures.unanswerable) == (2, 2, 1)
    assert figures.citations == figures.valid_citations > 0
    assert figures.right_sentence == 1.0
    assert figures.quote_recall == 1.0 and figures.quote_precision and 0 < figures.quote_precision < 1
    assert (figures.refused_wrongly, figures.refused_rightly) == (0.0, 1.0)
    assert 0 < figures.p50_ms <= figures.p95_ms and figures.usd == 0.0
    assert (figures.with_reference, figures.reference_f1) == (0, None)
    assert measured[1].proposed is None, "two questions are too few to choose by"
    assert chosen(measured[1], "small", NOW) is None


def test_each_answer_is_kept_with_its_question_and_its_quotes(measured: tuple[Workspace, AnswersOf]) -> None:
    [found] = measured[1].sets
    texts = {one.text: one.selected.sentences[0].citations[0].quote for one in found.answers if one.answerable}
    assert texts == QUOTES
    for one in found.answers:
        for sentence in one.selected.sentences:
            for cited in sentence.citations:
                assert TEXT[cited.start : cited.end] == cited.quote


def test_answers_are_held_against_reference_answers(workspace: Workspace) -> None:
    release = release_of(workspace.home, {"pets.md": TEXT}).manifest.id
    folder = golden(workspace)
    answers = {"q0": ["all day", "softly at night"], "q1": ["Fish swim in water"]}
    (folder / ANSWERS).write_text("".join(json.dumps({"_id": query, "answers": a}) + "\n" for query, a in answers.items()))
    sets, evals = [read_golden_set(folder)], workspace.settings.evals
    [found] = measure_answers(workspace.home, release, SMALL, sets, evals).sets  # type: ignore[arg-type]
    figures = found.figures
    assert (figures.with_reference, figures.reference_held, figures.reference_exact) == (2, 1.0, 0.5)
    assert figures.reference_f1 == pytest.approx((6 / 8 + 1) / 2, abs=1e-4), (
        "the best of the sentences, the best of the answers"
    )
    refusing = figures_of(found.answers, Bounds(meaning=2.0, words=2.0), Spent())
    assert (refusing.with_reference, refusing.reference_f1, refusing.reference_held) == (2, 0.0, 0.0), "nothing is shown"


def test_bounds_that_are_too_high_refuse_everything(measured: tuple[Workspace, AnswersOf]) -> None:
    [found] = measured[1].sets
    assert all(Bounds(meaning=2.0, words=2.0).refuse(one.selected) for one in found.answers)


@pytest.mark.parametrize(
    ("start", "end", "right"), [(0, 10, True), (0, 4, True), (5, 25, True), (6, 30, False), (10, 20, False), (0, 100, True)]
)
def test_a_sentence_is_right_by_half_of_itself_or_of_what_was_judged(start: int, end: int, right: bool) -> None:
    assert is_right(Citation("c", "d", "x", start, end), [("d", 0, 10)]) is right
    assert not is_right(Citation("c", "other", "x", start, end), [("d", 0, 10)])


def test_a_line_that_is_no_question_is_named(workspace: Workspace) -> None:
    folder = golden(workspace)
    (folder / UNANSWERABLE).write_text('{"_id": "u1"}\n')
    with pytest.raises(GoldenSetError, match=r"unanswerable\.jsonl:1: a query needs"):
        read_unanswerable(folder)
    (folder / UNANSWERABLE).unlink()
    assert read_unanswerable(folder) == {}
