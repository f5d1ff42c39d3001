"""`serving/answers.yaml`: which language models may write answers, what they may see, and what they may cost.

Without the file no model is asked. Money is counted in whole billionths of a dollar, so that nothing is lost by rounding.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from rag_pipeline.contracts.contract import SECRECY
from rag_pipeline.contracts.labels import granted_word
from rag_pipeline.contracts.yaml_lines import YamlFile, read_yaml
from rag_pipeline.errors import PipelineError
from rag_pipeline.files import fingerprint

NANO = 1_000_000_000

UNSTATED = "unstated"
"""Classification of a source whose contract states none."""

_PROMPT = Path(__file__).with_name("prompt.md")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Prices(_Strict):
    """Dollars for a million tokens."""

    tokens_in: Annotated[float, Field(alias="in", ge=0, le=100_000)]
    tokens_out: Annotated[float, Field(alias="out", ge=0, le=100_000)]


class Endpoint(_Strict):
    """One model behind an OpenAI-compatible address."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,40}$")]
    url: Annotated[str, Field(pattern=r"^https?://[^\s@]+$")]
    model: Annotated[str, Field(min_length=1, max_length=200)]
    key: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$")] | None = None
    """Name of the environment variable that holds its key."""
    usd_per_million: Prices
    timeout_ms: Annotated[int, Field(ge=100, le=120_000)] = 20_000
    tokens_out: Annotated[int, Field(ge=16, le=8_192)] = 600
    reads: tuple[str, ...] = ("public",)
    """Rows it may see, in the words that keys are granted: `public`, labels, `all`."""
    classifications: tuple[str, ...] = ("public",)
    """Sources it may see, by the classification that their contract states."""

    @field_validator("reads")
    @classmethod
    def _words(cls, words: tuple[str, ...]) -> tuple[str, ...]:
        if wrong := [word for word in words if not granted_word(word)]:
            raise ValueError(f"{wrong[0]!r} is no label; write public, all, or labels as the rows have them")
        return tuple(granted_word(word) for word in words)

    @field_validator("classifications")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        known = (UNSTATED, *SECRECY)
        if wrong := [name for name in names if name not in known]:
            raise ValueError(f"{wrong[0]!r} is no classification; known: {', '.join(known)}")
        return names

    def worst(self, bytes_in: int) -> int:
        """What one call can cost at most: no tokenizer makes more tokens than there are bytes."""
        return self.cost(bytes_in + _EXTRA_TOKENS, self.tokens_out)

    def cost(self, tokens_in: int, tokens_out: int) -> int:
        """Billionths of a dollar, rounded up."""
        prices = self.usd_per_million
        return -int(-(tokens_in * prices.tokens_in + tokens_out * prices.tokens_out) * NANO // 1_000_000)


_EXTRA_TOKENS = 256
"""What a server may put around messages: its template, marks of beginning and end."""


class Limits(_Strict):
    """Dollars. `each`: of one principal a day; `tenants`: of all who may read that label, a day."""

    usd_per_day: Annotated[float, Field(ge=0)]
    usd_per_query: Annotated[float, Field(ge=0)]
    usd_per_day_each: Annotated[float, Field(ge=0)] | None = None
    tenants: dict[str, Annotated[float, Field(ge=0)]] = Field(default_factory=dict)

    @field_validator("tenants")
    @classmethod
    def _labels(cls, tenants: dict[str, float]) -> dict[str, float]:
        if wrong := [word for word in tenants if not granted_word(word)]:
            raise ValueError(f"{wrong[0]!r} is no label; write labels as the rows have them")
        return {granted_word(word): usd for word, usd in tenants.items()}


class _File(_Strict):
    prompt: str | None = None
    models: Annotated[tuple[Endpoint, ...], Field(min_length=1, max_length=8)]
    budget: Limits
    at_once: Annotated[int, Field(ge=1, le=1_000)] = 16


Said = TypeVar("Said", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Config:
    """What the file says, with the prompt it names."""

    prompt: str
    models: tuple[Endpoint, ...]
    budget: Limits
    at_once: int
    """Answers that one replica has written at once; others are answered in whole sentences."""

    @property
    def prompt_name(self) -> str:
        """The name of the prompt in logs and answers: it changes with every letter of it."""
        return f"answer@{fingerprint(self.prompt, length=12)}"


def read_config(file: Path) -> Config:
    """Raises `PipelineError` with file, line and field."""
    if not file.is_file():
        raise PipelineError(f"{file}: no such file; RAG_SERVE_ANSWERS names the file of models that may write answers")
    document = read_yaml(file, PipelineError)
    said = validated(document, _File)
    names = [one.name for one in said.models]
    if len(set(names)) < len(names):
        raise PipelineError(f"{document.where(('models',))}: models: two have one name; give each its own")
    return Config(prompt_text(document, said.prompt, _PROMPT), said.models, said.budget, said.at_once)


def validated(document: YamlFile, kind: type[Said]) -> Said:
    """What a file says. Raises `PipelineError` with file, line, field and the fields there are."""
    try:
        return kind.model_validate(document.content)
    except ValidationError as error:
        problem = error.errors()[0]
        steps = tuple(problem["loc"])
        says = str(problem["msg"]).removeprefix("Value error, ")
        fields = ", ".join(kind.model_fields)
        raise PipelineError(f"{document.where(steps)}: {'.'.join(map(str, steps))}: {says}; fields: {fields}") from error


def prompt_text(document: YamlFile, named: str | None, otherwise: Path) -> str:
    """The prompt that a file names, beside it; `otherwise`: where it names none. Raises `PipelineError`."""
    prompt = document.path.parent / named if named else otherwise
    try:
        text = prompt.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        says = f"prompt: {prompt} cannot be read ({error}); name a text file"
        raise PipelineError(f"{document.where(('prompt',))}: {says}") from error
    if not text.strip():
        raise PipelineError(f"{document.where(('prompt',))}: prompt: {prompt} is empty; write what the model is to do")
    return text
