"""What people are shown of measured answers: whether they are as they should be, and sentence by sentence what was wrong."""

from collections.abc import Iterator, Sequence

from rag_pipeline.answer.bounds import Bounds
from rag_pipeline.answer.select import Selected
from rag_pipeline.evaluate.answers import Answered, AnswersOf, Figures, has_right_sentence
from rag_pipeline.evaluate.compare import share_bounds

WRONGLY_AT_MOST, RIGHTLY_AT_LEAST = 0.10, 0.80
"""Shares of answerable questions that may be refused, and of unanswerable ones that should be."""

P95_MS_AT_MOST = 400.0
"""Milliseconds that 95 % of the answers may take, the question's vector at hand."""

_SHOWN, _LONGEST = 20, 300

FIGURES = tuple(Figures.__slots__)
WRONG = ("golden set", "question", "what is wrong", "sentence", "document", "start", "end")


def figures(found: AnswersOf) -> list[tuple[str | float | None, ...]]:
    """A row for each golden set: its name, and every figure in the order of `FIGURES`."""
    return [(one.name, *(getattr(one.figures, name) for name in FIGURES)) for one in found.sets]


LIMITS = {"refused_wrongly": WRONGLY_AT_MOST, "refused_rightly": RIGHTLY_AT_LEAST, "p95_ms": P95_MS_AT_MOST}
"""Figures that a check holds against something."""


def numbers(found: AnswersOf) -> dict[str, float]:
    """What the UI plots; where a check holds a figure against a limit, that too."""
    said: dict[str, float] = {}
    for one in found.sets:
        for name in FIGURES:
            if isinstance(value := getattr(one.figures, name), (int, float)):
                said[f"{one.name} {name}"] = value
                said |= {f"{one.name} {name} limit": LIMITS[name]} if name in LIMITS else {}
    return said


def quote_troubles(found: AnswersOf) -> list[str]:
    """Golden sets with a quote that does not stand where it says."""
    counts = [(one.name, one.figures.citations - one.figures.valid_citations) for one in found.sets]
    return [f"{name}: {wrong} quotes do not stand in the passage they cite" for name, wrong in counts if wrong]


def refusal_troubles(found: AnswersOf) -> list[str]:
    """Golden sets whose questions are refused too often, or too rarely where nothing answers them, beyond chance.

    Of two questions one may be refused: that is told in the table, and troubles nobody. Bounds are one-sided, of 95 %.
    """
    says: list[str] = []
    for one in found.sets:
        wrongly, rightly = one.figures.refused_wrongly, one.figures.refused_rightly
        if wrongly is not None and share_bounds(round(wrongly * one.figures.found), one.figures.found)[0] > WRONGLY_AT_MOST:
            says.append(f"{one.name}: {wrongly:.1%} of the questions whose passage is retrieved are refused")
        nothing = one.figures.unanswerable
        if rightly is not None and share_bounds(round(rightly * nothing), nothing)[1] < RIGHTLY_AT_LEAST:
            says.append(f"{one.name}: only {rightly:.1%} of the unanswerable questions are refused")
    return [f"{one}; choose bounds on your own questions: `rag golden answers --keep`" for one in says]


def slow_troubles(found: AnswersOf) -> list[str]:
    """Golden sets whose answers take too long."""
    limit = f"more than {P95_MS_AT_MOST:g} ms; see whether the machine was busy, and how many chunks the release holds"
    slow = [(one.name, one.figures.p95_ms) for one in found.sets if one.figures.p95_ms > P95_MS_AT_MOST]
    return [f"{name}: of a hundred answers five take {p95_ms:.0f} ms or longer, {limit}" for name, p95_ms in slow]


def wrong_sentences(found: AnswersOf) -> list[tuple[str | int | None, ...]]:
    """Rows of `WRONG`: questions that went wrong with each sentence that would be sent, some of each golden set."""
    return [
        (one.name, *row)
        for one in found.sets
        for _, rows in zip(range(_SHOWN), _wrong(one.answers, found.bounds), strict=False)
        for row in rows
    ]


def _wrong(answers: Sequence[Answered], bounds: Bounds) -> Iterator[list[tuple[str | int | None, ...]]]:
    for one in answers:
        refused = bounds.refuse(one.selected)
        if refused and one.found:
            yield [(one.text, "refused, though its passage was retrieved", None, None, None, None)]
        elif not refused and not one.answerable:
            yield _sentences(one, "answered, though nothing answers it")
        elif not refused and one.found and one.wanted and not has_right_sentence(one):
            yield _sentences(one, "no sentence is a judged one")


def _sentences(one: Answered, why: str) -> list[tuple[str | int | None, ...]]:
    said: Selected = one.selected
    return [
        (one.text, why, each.text[:_LONGEST], citation.document_id, citation.start, citation.end)
        for each in said.sentences
        for citation in each.citations
    ]
