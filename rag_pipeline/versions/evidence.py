"""Evidence of answers: what one answer version made of every golden question, out of one release. No text is in it.

It holds what became of each question, and no figure: whoever wants one computes it from there.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import AwareDatetime

from rag_pipeline.answer.config import NANO
from rag_pipeline.evaluate.seal import key_name, seal_of, seal_problem
from rag_pipeline.records import Record
from rag_pipeline.settings import seal_key


class QuestionAnswered(Record):
    """One golden question, as a reader who may have it answered would see it."""

    query: str
    answerable: bool
    found: bool = False
    """Something judged relevant is among the passages."""
    refused: bool = False
    by_model: bool = False
    left_out: int = 0
    """Sentences of the model that its quotes did not hold."""
    citations: int = 0
    valid: int = 0
    """Citations that stand in their passage, to the letter."""
    right: bool | None = None
    """Whether a sentence is right; None where no passage was judged, or none was retrieved."""
    precision: float | None = None
    recall: float | None = None
    """Shares of characters: of what is quoted that was judged, of what was judged that is quoted."""
    nano: int = 0
    """Billionths of a dollar."""
    write_ms: float = 0.0


class SetAnswered(Record):
    """One golden set. `fingerprint`: of its questions and judgments, unanswerable ones too."""

    fingerprint: str
    questions: tuple[QuestionAnswered, ...]


class AnswerEvidence(Record):
    """What a version is worth on one release. Chained, sealed and dated like evidence of retrieval."""

    format: Literal[1] = 1
    version: str
    with_models: bool
    release: str
    release_fingerprint: str
    manifest_sha256: str
    policies: dict[str, str]
    """Channel -> fingerprint of what gate.yaml demanded there of answers."""
    created_at: AwareDatetime
    run_id: str
    golden_sets: dict[str, SetAnswered]
    sequence: int = 0
    previous: str = ""
    kept_at: AwareDatetime | None = None
    key: str = ""
    seal: str = ""

    def sealed(self) -> "AnswerEvidence":
        """The same with the seal that fits, made with the key that is set here, if one is."""
        secret = seal_key()
        named = self.model_copy(update={"key": key_name(secret)})
        return named.model_copy(update={"seal": seal_of(named._content(), secret)})

    def seal_problem(self, key: str) -> str:
        """Why the seal does not hold, in words; empty when it does."""
        return seal_problem("the evidence of answers", self._content(), self.seal, self.key, key)

    @property
    def figures(self) -> "AnswerFigures":
        return figures_of([one for each in self.golden_sets.values() for one in each.questions])

    def _content(self) -> object:
        return json.loads(self.model_dump_json(exclude={"seal"}))


@dataclass(frozen=True, slots=True)
class AnswerFigures:
    """What the answers come to, over all golden sets. Shares are 0 to 1; None where there was nothing to count."""

    questions: int
    answered: int
    found: int
    unanswerable: int
    citations: int
    valid_citations: float | None
    refused_wrongly: float | None
    """Share of the questions whose passage was retrieved."""
    refused_rightly: float | None
    right_sentence: float | None
    quote_precision: float | None
    quote_recall: float | None
    fell_back: float | None
    """Share of the answers that no model wrote, where models are asked."""
    left_out: int
    usd_per_question: float
    write_p95_ms: float


def figures_of(questions: Sequence[QuestionAnswered]) -> AnswerFigures:
    found = [one for one in questions if one.found]
    nothing = [one for one in questions if not one.answerable]
    answered = [one for one in questions if not one.refused]
    citations = sum(one.citations for one in questions)
    waits = sorted(one.write_ms for one in questions if one.write_ms)
    return AnswerFigures(
        questions=len(questions),
        answered=len(answered),
        found=len(found),
        unanswerable=len(nothing),
        citations=citations,
        valid_citations=sum(one.valid for one in questions) / citations if citations else None,
        refused_wrongly=_mean([one.refused for one in found]),
        refused_rightly=_mean([one.refused for one in nothing]),
        right_sentence=_mean([one.right for one in questions if one.right is not None]),
        quote_precision=_mean([one.precision for one in questions if one.precision is not None]),
        quote_recall=_mean([one.recall for one in questions if one.recall is not None]),
        fell_back=_mean([not one.by_model for one in answered]),
        left_out=sum(one.left_out for one in questions),
        usd_per_question=sum(one.nano for one in questions) / NANO / max(1, len(questions)),
        write_p95_ms=waits[min(len(waits) - 1, int(0.95 * len(waits)))] if waits else 0.0,
    )


def _mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None
