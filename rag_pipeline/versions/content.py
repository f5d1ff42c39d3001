"""An answer version: all that decides which sentences come of the same passages, under the hash of it.

Prices, budgets and keys are no part of it: they belong to whoever pays. What it is made of is kept in the home (`kept`), so
that a rollback finds it again when the files it came from have moved on.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rag_pipeline.answer import check, select, write
from rag_pipeline.answer.bounds import Bounds, last_choice, packaged
from rag_pipeline.answer.config import Config, Endpoint, Prices, read_config
from rag_pipeline.files import fingerprint
from rag_pipeline.records import Record
from rag_pipeline.settings import Settings

NONE = "none"
"""What a person says for: no answer version, whole sentences by this machine's own settings."""

_UNKNOWN = Prices.model_validate({"in": 100_000, "out": 100_000})
"""A model whose price nobody stated has the highest there is, which hardly any budget pays."""


class ModelAsked(Record):
    """One language model, with all that changes what it sees and writes. `key`: name of a variable, never a key."""

    name: str
    url: str
    model: str
    key: str | None
    timeout_ms: int
    tokens_out: int
    reads: tuple[str, ...]
    classifications: tuple[str, ...]

    def endpoint(self, prices: Prices) -> Endpoint:
        return Endpoint(**self.model_dump(), usd_per_million=prices)


class AnswerVersion(Record):
    """What answers are made by. Another value of any field is another version."""

    format: Literal[1] = 1
    selection: int = select.VERSION
    """Version of how whole sentences are chosen."""
    check: int = check.VERSION
    """Version of what may be sent of what a model writes."""
    passages: int = select.PASSAGES
    sentences: int = select.MOST
    written: int = write.MOST_SENTENCES
    """Sentences of an answer at most: chosen, and written by a model."""
    bounds: Bounds | None = None
    """What is refused, where it was chosen here; None: as it comes with the package."""
    bounds_for: str = ""
    """Fingerprint of the embedding model that the bounds were chosen for."""
    prompt: str = ""
    """Its whole text; empty without models."""
    models: tuple[ModelAsked, ...] = ()
    """In the order in which they are asked; none: whole sentences."""

    @property
    def id(self) -> str:
        """128 bits of the SHA-256 of what it is made of."""
        return fingerprint(self.model_dump(mode="json"))

    @property
    def prompt_name(self) -> str:
        """As answers and the log name it (`Config.prompt_name`); empty without models."""
        return f"answer@{fingerprint(self.prompt, length=12)}" if self.models else ""

    @property
    def says(self) -> str:
        """One line on what it is made of."""
        if not self.models:
            return "whole sentences"
        return f"{self.prompt_name} asked of {', then '.join(f'{one.model} ({one.name})' for one in self.models)}"

    @property
    def too_different(self) -> str:
        """Why this rag-pipeline cannot answer as the version was measured; empty where it can."""
        mine = AnswerVersion()
        other = [name for name in _OF_THE_CODE if getattr(self, name) != getattr(mine, name)]
        return f"this rag-pipeline answers otherwise than when it was made ({', '.join(other)})" if other else ""

    def bounds_of(self, model: str, name: str) -> Bounds:
        """The bounds for an embedding model (fingerprint and name)."""
        return self.bounds if self.bounds and self.bounds_for == model else packaged(name)


_OF_THE_CODE = ("selection", "check", "passages", "sentences", "written")


@dataclass(frozen=True, slots=True)
class Configured:
    """What this machine's files make: the version, and on which terms its models may be asked."""

    version: AnswerVersion
    config: Config | None
    """None where RAG_SERVE_ANSWERS names no file: then no model is asked, whatever a channel names."""


def configured(settings: Settings) -> Configured:
    """The version of the settings as they are now. Raises `PipelineError` for a file of models that is wrong."""
    config = read_config(Path(settings.serve_answers)) if settings.serve_answers else None
    chosen = last_choice(settings.home)
    bounds = chosen if chosen and chosen.version == select.VERSION else None
    asked = tuple(_asked(one) for one in config.models) if config else ()
    version = AnswerVersion(
        bounds=bounds.bounds if bounds else None,
        bounds_for=bounds.model if bounds else "",
        prompt=config.prompt if config else "",
        models=asked,
    )
    return Configured(version, config)


def terms(version: AnswerVersion, known: dict[str, Prices], own: Config) -> Config:
    """How a version's models are asked here: its prompt and models, this machine's budget and prices.

    `known`: prices of when the version was made, by name, for a model that this machine's file does not list any more.
    """
    mine = {(one.url, one.model): one.usd_per_million for one in own.models}
    models = tuple(one.endpoint(mine.get((one.url, one.model)) or known.get(one.name, _UNKNOWN)) for one in version.models)
    return Config(version.prompt, models, own.budget, own.at_once)


def _asked(endpoint: Endpoint) -> ModelAsked:
    return ModelAsked(**endpoint.model_dump(exclude={"usd_per_million"}))
