"""What may be asked for an answer, and what an answer is: beside the models of `asked`."""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from rag_pipeline.answer.select import PASSAGES
from rag_pipeline.index.manifest import Mode
from rag_pipeline.serve.asked import (
    HOW_MANY,
    Answered,
    ChannelName,
    FoundChunk,
    Milliseconds,
    Narrowing,
    Question,
    faults_of,
    no_question,
    whole,
)

MOST_PASSAGES = 20


class AnswerRequest(BaseModel):
    """A question that is to be answered. A field that is not here is an error, as in a search."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    query: Question
    k: Annotated[int, Field(ge=1, le=MOST_PASSAGES, description=HOW_MANY), BeforeValidator(whole)] = PASSAGES
    channel: ChannelName | None = Field(
        default=None, description="Another channel than the replica's first. Needs the permission `channel:NAME`."
    )
    narrow: Narrowing | None = Field(default=None, description="To some sources, or some values of columns.")
    stream: bool = Field(default=False, description="Send the answer as events (SSE): hits, sentence, done, problem.")
    timeout_ms: Milliseconds | None = Field(default=None, description="When an answer is too late, in milliseconds.")

    @classmethod
    def of(cls, body: bytes) -> "AnswerRequest":
        """Raises `Problem`, which names each wrong field and quotes no value."""
        try:
            return cls.model_validate_json(body)
        except ValidationError as error:
            raise no_question(*faults_of(error)) from None


class Quote(BaseModel):
    """Where a sentence comes from. `quote` is the document's characters from `start` to `end`; it is data."""

    chunk_id: str
    document_id: str
    quote: str
    start: int
    end: int


class AnswerSentence(BaseModel):
    """One sentence, as plain text. It was held against its quotes before it was sent."""

    text: str
    support: float = Field(description="How near it is to the question; comparable within one answer only.")
    citations: list[Quote]


class Generator(BaseModel):
    """Who made the sentences: they are whole ones of the passages, or a model wrote them."""

    kind: Literal["extractive", "model"] = "extractive"
    model: str | None = None
    prompt: str | None = Field(default=None, description="Name and hash of the prompt, where a model wrote.")
    version: str | None = Field(default=None, description="Answer version that the channel names; null where it names none.")
    tokens_in: int = 0
    tokens_out: int = 0
    usd: float = 0.0
    left_out: int = Field(default=0, description="Sentences of the model that its quotes did not hold.")


class Ended(Answered):
    """How an answer ended: the event `done`, and part of an answer that is sent at once."""

    refused: str | None = Field(description="Why there is no sentence; null where there are some.")
    generator: Generator
    mode: Mode
    took_ms: float
    timings_ms: dict[Literal["wait", "embed", "search", "write"], float]


class HitsFound(Answered):
    """What was retrieved: the event `hits`."""

    mode: Mode
    hits: list[FoundChunk]


class AnswerGiven(Ended):
    sentences: list[AnswerSentence]
    hits: list[FoundChunk]
