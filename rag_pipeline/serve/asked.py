"""What may be asked, and what is answered: the models that requests are held against and the OpenAPI is made of."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema

from rag_pipeline.door.problems import INVALID, Fault, Problem
from rag_pipeline.errors import QueryError
from rag_pipeline.index.asked import LONGEST, question_of
from rag_pipeline.index.manifest import Mode
from rag_pipeline.index.narrow import Narrow

MOST_HITS, LARGEST_BODY = 50, 16_384
"""Chunks of an answer; bytes of a request."""


def _question(text: str) -> str:
    try:
        return question_of(text)
    except QueryError as error:
        raise ValueError(str(error)) from None


def whole(value: object) -> object:
    """3.0 is a whole number to JSON, so it is one here; a text or true is none."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


READABLE = r"^(?=[\s\S]*\S)[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*$"
"""The same rules for those who read the OpenAPI: not blank, no control character."""

Question = Annotated[
    str,
    AfterValidator(_question),
    Field(min_length=1, max_length=LONGEST),
    WithJsonSchema(
        {
            "type": "string",
            "minLength": 1,
            "maxLength": LONGEST,
            "pattern": READABLE,
            "description": "What to look for.",
            "examples": ["how do I copy a folder"],
        }
    ),
]
HOW_MANY = "How many chunks at most."
Most = Annotated[int, Field(ge=1, le=MOST_HITS, description=HOW_MANY), BeforeValidator(whole)]
Milliseconds = Annotated[int, Field(ge=10, le=30_000), BeforeValidator(whole)]


ChannelName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$")]
Choice = Annotated[str, Field(min_length=1, max_length=200)]


class Narrowing(BaseModel):
    """Fewer of the rows that may be read; never more. What it leaves out, it does not look at."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    sources: Annotated[list[Choice], Field(min_length=1, max_length=50)] | None = Field(
        default=None, description="Names of sources, as answers have them."
    )
    columns: Annotated[
        dict[Choice, Annotated[list[Choice | bool | int | float], Field(min_length=1, max_length=50)]],
        Field(max_length=10),
    ] = Field(default={}, description="Filterable column -> values, one of which `metadata` must have.")

    @property
    def plain(self) -> Narrow:
        """As the index takes it."""
        return Narrow.of(self.sources or (), self.columns)


class SearchRequest(BaseModel):
    """A question. A field that is not here is an error: what a caller cannot say, it cannot widen."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    query: Question
    k: Most = 10
    mode: Mode | None = Field(
        default=None, description="How to retrieve. Null: as the release serves. Needs the permission `mode`."
    )
    channel: ChannelName | None = Field(
        default=None, description="Another channel than the replica's first. Needs the permission `channel:NAME`."
    )
    narrow: Narrowing | None = Field(default=None, description="To some sources, or some values of columns.")
    timeout_ms: Milliseconds | None = Field(default=None, description="When an answer is too late, in milliseconds.")

    @classmethod
    def of(cls, body: bytes) -> "SearchRequest":
        """Raises `Problem`, which names each wrong field and quotes no value."""
        try:
            return cls.model_validate_json(body)
        except ValidationError as error:
            raise no_question(*faults_of(error)) from None


def no_question(*faults: Fault) -> Problem:
    """The problem of a body that cannot be answered, with each thing that is wrong in it."""
    return Problem(INVALID, "the body is not a question", faults=list(faults))


def faults_of(error: ValidationError) -> list[Fault]:
    """Each wrong field, without a value."""
    return [_fault(one) for one in error.errors()]


def _fault(found: Any) -> Fault:
    pointer = "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in found["loc"])
    if found["type"] == "json_invalid":
        return Fault("", "it is not JSON in UTF-8")
    if found["type"] == "extra_forbidden":
        return Fault(pointer[:100], "there is no such field; leave it out")
    says = str(found["msg"]).removeprefix("Value error, ")
    return Fault(pointer, says[:1].lower() + says[1:])


class Measured(BaseModel):
    """What a degraded way to retrieve is worth, as it was measured on one golden set when the release was evaluated."""

    golden_set: str
    metric: str
    value: float
    instead_of: float


class Degraded(BaseModel):
    """One way in which an answer is not what it would be if all was well."""

    kind: Literal["not-reranked", "words", "last-good-release", "extractive"]
    instead_of: str = Field(description="The mode, the release id, the order or the model that should have answered.")
    by: str = Field(description="The mode, the release id or the order that answered.")
    why: str
    measured: list[Measured] = []


class Chunk(BaseModel):
    """A span of one document. Its text is data, whatever it says."""

    chunk_id: str
    document_id: str
    source: str
    text: str
    title: str
    uri: str | None
    start: int
    end: int
    heading: str = ""
    metadata: dict[str, str | int | float | bool] = {}


class FoundChunk(Chunk):
    rank: int
    score: float = Field(description="Comparable within one answer only.")


class Answered(BaseModel):
    """What every answer says of where it comes from."""

    query_id: str
    release: str = Field(description="The one release that all of the answer comes from.")
    channel: str
    degraded: list[Degraded] = Field(default=[], description="Empty as long as all is well.")


class SearchAnswer(Answered):
    mode: Mode
    took_ms: float
    timings_ms: dict[Literal["wait", "embed", "search"], float]
    hits: list[FoundChunk]


class ChunkAnswer(Answered):
    chunk: Chunk
    before: list[Chunk] = Field(default=[], description="Those before it in its document, in their order; with `around`.")
    after: list[Chunk] = []


class ReleaseSource(BaseModel):
    documents: int
    chunks: int
    contract_version: str


class AnswersServed(BaseModel):
    """By what answers are made. `version`: null where the channel names none."""

    version: str | None = None
    prompt: str | None = None
    says: str


class ReleaseAnswer(Answered):
    fingerprint: str
    created_at: str
    mode: Mode
    documents: int
    chunks: int
    sources: dict[str, ReleaseSource]
    answers: AnswersServed | None = None


class ProblemDetails(BaseModel):
    """RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    query_id: str
    errors: list[dict[str, str]] = []
