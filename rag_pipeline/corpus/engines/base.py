"""What an engine is, and what it is told."""

from dataclasses import dataclass
from typing import Protocol

from rag_pipeline.corpus.control import Control
from rag_pipeline.corpus.missing import Missing
from rag_pipeline.corpus.model import Model
from rag_pipeline.home import Home
from rag_pipeline.lake import Table

COMMIT_EVERY_S = 20.0
"""A killed run loses at most this much embedding, beside the parts that workers were at."""


@dataclass(frozen=True, slots=True)
class Task:
    """The texts to embed, the model, and the table their vectors go to, whose lock the caller holds.

    `control`: what embeds them must give its vectors first.
    """

    home: Home
    table: Table
    model: Model
    missing: Missing
    control: Control


class Engine(Protocol):
    """Embeds, and commits as it goes: what was committed before a failure is not embedded again."""

    @property
    def name(self) -> str:
        """As RAG_EMBED_ENGINE says it."""
        ...

    def embed(self, task: Task) -> None:
        """Give each missing text one vector. Raises `PipelineError` when that cannot be, after what came was committed."""
        ...
