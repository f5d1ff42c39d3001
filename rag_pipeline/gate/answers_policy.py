"""What a channel may demand of answers in gate.yaml, under `answers`, and what holds where it says nothing."""

from pydantic import BaseModel, ConfigDict, Field

from rag_pipeline.files import fingerprint


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class AnswersNotWorse(_Strict):
    """A right sentence must be among those sent as often as from what the channel names now, on the same questions."""

    margin: float = Field(default=0.05, ge=0, le=1)
    confidence: float = Field(default=0.95, gt=0.5, lt=1)


class AnswersPolicy(_Strict):
    """Demands on an answer version together with a release. Shares are 0 to 1; null: no demand."""

    valid_citations_min: float | None = Field(default=1.0, ge=0, le=1)
    """Citations that stand in their passage to the letter, of all."""
    refused_wrongly_max: float | None = Field(default=0.10, ge=0, le=1)
    """Questions that are refused though their passage was retrieved; refused beyond chance."""
    refused_rightly_min: float | None = Field(default=None, ge=0, le=1)
    """Unanswerable questions that are refused; short of it beyond chance."""
    right_sentence_min: float | None = Field(default=None, ge=0, le=1)
    """Questions whose judged passage was retrieved and that a right sentence answers."""
    fell_back_max: float | None = Field(default=0.50, ge=0, le=1)
    """Answers that no model wrote, where the version asks models."""
    usd_per_question_max: float | None = Field(default=None, ge=0)
    write_p95_ms: float | None = Field(default=None, gt=0)
    not_worse: AnswersNotWorse | None = AnswersNotWorse()

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.model_dump(mode="json"))


DEFAULT = AnswersPolicy()
"""What holds where gate.yaml says nothing of answers and a version is to be promoted."""
