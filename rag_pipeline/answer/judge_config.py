"""`judge.yaml` beside `gate.yaml`: the model that gives opinions on answers, what it may see, cost, and be believed.

Without the file nothing is asked.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from rag_pipeline.answer.config import Endpoint, Limits, prompt_text, validated
from rag_pipeline.contracts.yaml_lines import read_yaml
from rag_pipeline.errors import PipelineError
from rag_pipeline.files import fingerprint

FILE = "judge.yaml"

_PROMPT = Path(__file__).with_name("judge.md")


class _Budget(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    usd_per_day: Annotated[float, Field(ge=0)]
    usd_per_answer: Annotated[float, Field(ge=0)] = 0.01


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    model: Endpoint
    prompt: str | None = None
    budget: _Budget
    answers_at_most: Annotated[int, Field(ge=1, le=100_000)] = 100
    at_once: Annotated[int, Field(ge=1, le=64)] = 4
    agreement_at_least: Annotated[float, Field(gt=0, le=1)] = 0.6


@dataclass(frozen=True, slots=True)
class JudgeConfig:
    """`answers_at_most`: of one night and golden set. `agreement_at_least`: the level for the lower bound of kappa."""

    model: Endpoint
    prompt: str
    budget: Limits
    answers_at_most: int
    at_once: int
    agreement_at_least: float

    @property
    def name(self) -> str:
        """Model and prompt: another prompt is another judge."""
        return f"{self.model.model}, judge@{fingerprint(self.prompt, length=12)}"


def read_judge(evals: Path) -> JudgeConfig | None:
    """None where there is no such file. Raises `PipelineError` with file, line and field."""
    file = evals / FILE
    if not file.is_file():
        return None
    document = read_yaml(file, PipelineError)
    said = validated(document, _File)
    text = prompt_text(document, said.prompt, _PROMPT)
    limits = Limits(usd_per_day=said.budget.usd_per_day, usd_per_query=said.budget.usd_per_answer)
    return JudgeConfig(said.model, text, limits, said.answers_at_most, said.at_once, said.agreement_at_least)
