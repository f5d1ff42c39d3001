"""What askers say of answers: `POST /v1/feedback`, and the tool `report` of agents. There is neither without a log.

A verdict is a row of the log and nothing more: it changes no judgment, and no figure that decides.
"""

import time
import unicodedata
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Request, Response
from mcp.server.mcpserver import MCPServer
from mcp_types import CallToolResult, TextContent, ToolAnnotations
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, WithJsonSchema

from rag_pipeline.door.principal import FEEDBACK, Principal
from rag_pipeline.door.problems import FORBIDDEN, INVALID, NOT_FOUND, OVERLOADED, Problem
from rag_pipeline.serve.agents import ASKER, told_to_model
from rag_pipeline.serve.asked import READABLE, faults_of
from rag_pipeline.serve.http import EVERY, SECURED, as_json, body_of, no_parameters, problems_of
from rag_pipeline.serve.query_log import LoggedAnswering, Said
from rag_pipeline.traffic.marks import asked_at

Verdict = Literal["useful", "not_useful"]
Reason = Literal["wrong_document", "wrong_passage", "stale", "off_topic", "wrong_answer", "bad_citation", "missing"]

_LONGEST = 1_000


def _comment(text: str) -> str:
    text = unicodedata.normalize("NFC", text)
    if any(unicodedata.category(one) in ("Cc", "Cs") and one not in "\t\n\r" for one in text):
        raise ValueError("write it without control characters")
    if not text.strip():
        raise ValueError("write something, or leave it out")
    return text


Comment = Annotated[
    str,
    AfterValidator(_comment),
    Field(min_length=1, max_length=_LONGEST),
    WithJsonSchema(
        {
            "type": "string",
            "minLength": 1,
            "maxLength": _LONGEST,
            "pattern": READABLE,
            "description": "In words; private values are masked before it is kept.",
        }
    ),
]


class FeedbackRequest(BaseModel):
    """A verdict. The last one of a principal on the same thing counts."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    query_id: Annotated[str, Field(pattern="^q_[0-9a-f]{40}$", description="Of an answer that you were given.")]
    verdict: Verdict
    chunk_id: Annotated[str, Field(pattern="^[0-9a-f]{32}$")] | None = Field(
        default=None, description="A chunk of that answer. Null: the answer as a whole."
    )
    reason: Reason | None = None
    comment: Comment | None = None

    @classmethod
    def of(cls, body: bytes) -> "FeedbackRequest":
        """Raises `Problem`, which names each wrong field and quotes no value."""
        try:
            return cls.model_validate_json(body)
        except ValidationError as error:
            raise Problem(INVALID, "the body is not a verdict", faults=faults_of(error)) from None


class FeedbackAnswer(BaseModel):
    query_id: str = Field(description="The answer that the verdict is on.")
    verdict: Verdict


def take(answering: LoggedAnswering, who: Principal, said: FeedbackRequest) -> FeedbackAnswer:
    """Keep a verdict. Raises `Problem`: whose answer it was not, and what was never asked, are told alike."""
    if FEEDBACK not in who.may:
        raise Problem(FORBIDDEN, "a verdict needs the permission feedback")
    log = answering.log
    if not log.marks.asked_by(said.query_id, who.id) or _is_past(said.query_id, log.days):
        raise Problem(NOT_FOUND, "you were given no answer of this query_id, or too long ago")
    row = Said(said.query_id, time.time(), who.id, said.chunk_id or "", said.verdict, said.reason or "", said.comment or "")
    if not log.spool.put("feedback", row):
        raise Problem(OVERLOADED, "the verdict could not be kept", retry_after_s=1)
    return FeedbackAnswer(query_id=said.query_id, verdict=said.verdict)


def add_feedback(app: FastAPI, answering: LoggedAnswering) -> None:
    """The operation over HTTP."""

    @app.post(
        "/v1/feedback",
        status_code=202,
        response_model=FeedbackAnswer,
        responses=problems_of(*EVERY),
        openapi_extra=SECURED | body_of(FeedbackRequest),
    )
    async def feedback(request: Request) -> Response:
        """Say how good an answer was that you were given. It is kept within a second; people decide what follows."""
        no_parameters(request)
        state = request.state
        return as_json(take(answering, state.principal, FeedbackRequest.of(state.body)), 202)


def add_report(server: MCPServer[Any], answering: LoggedAnswering) -> None:
    """The same for agents."""
    keeps = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=False)

    @server.tool(annotations=keeps, structured_output=True, title="Say how good an answer was")
    async def report(
        query_id: Annotated[str, Field(max_length=100, description="As `search` gave it.")],
        verdict: Verdict,
        chunk_id: Annotated[str | None, Field(max_length=100, description="A chunk of that answer.")] = None,
        reason: Reason | None = None,
    ) -> Annotated[CallToolResult, FeedbackAnswer]:
        """Say whether an answer of `search` was useful for what the user wanted, and if not, why."""
        who, note, noted = ASKER.get()

        async def work() -> CallToolResult:
            said = {"query_id": query_id, "verdict": verdict, "chunk_id": chunk_id, "reason": reason}
            try:
                asked = FeedbackRequest.model_validate(said)
            except ValidationError as error:
                raise Problem(INVALID, "this is not a verdict", faults=faults_of(error)) from None
            answer = take(answering, who, asked)
            parts: list[Any] = [TextContent(type="text", text="It is kept.")]
            return CallToolResult(content=parts, structured_content=answer.model_dump(mode="json"))

        return await told_to_model(work, note, noted)


def _is_past(query_id: str, days: int) -> bool:
    return datetime.now(UTC) - asked_at(query_id) > timedelta(days=days)
