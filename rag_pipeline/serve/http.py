"""The HTTP interface: what is asked by JSON, what comes back, and its OpenAPI. `entrance` lets people in before this."""

import re
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse, StreamingResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from rag_pipeline import __version__
from rag_pipeline.door.problems import (
    BY_STATUS,
    INTERNAL,
    INVALID,
    KINDS,
    MEDIA_TYPE,
    NO_RELEASE,
    NOT_FOUND,
    Fault,
    Problem,
)
from rag_pipeline.index.neighbors import MOST
from rag_pipeline.serve.answering import Answering
from rag_pipeline.serve.answers import Answers, as_sse
from rag_pipeline.serve.asked import ChunkAnswer, ProblemDetails, ReleaseAnswer, SearchAnswer, SearchRequest
from rag_pipeline.serve.asked_answers import AnswerGiven, AnswerRequest
from rag_pipeline.serve.hung_up import while_connected


def body_of(model: type[BaseModel]) -> dict[str, Any]:
    """A request's body in the OpenAPI document. References to other models are replaced by what they say: only
    `components` of the whole document can be referred to, and FastAPI puts models of answers there."""
    schema = model.model_json_schema()
    known = schema.pop("$defs", {})

    def whole(part: Any) -> Any:
        if isinstance(part, list):
            return [whole(one) for one in part]
        if not isinstance(part, dict):
            return part
        if (name := str(part.get("$ref", "")).removeprefix("#/$defs/")) in known:
            return whole(known[name] | {key: value for key, value in part.items() if key != "$ref"})
        return {key: whole(value) for key, value in part.items()}

    return {"requestBody": {"required": True, "content": {"application/json": {"schema": whole(schema)}}}}


_BEARER = {"type": "http", "scheme": "bearer", "description": "A key of `rag key new`, or a token of the identity provider."}


_AROUND = {
    "parameters": [
        {
            "name": "around",
            "in": "query",
            "description": "How many chunks before and behind it in its document as well.",
            "schema": {"type": "integer", "minimum": 0, "maximum": MOST, "default": 0},
        }
    ]
}


def problems_of(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What the OpenAPI says of some statuses."""
    told = {status: ", ".join(kind.slug for kind in KINDS if kind.status == status) for status in statuses}
    content = {MEDIA_TYPE: {"schema": ProblemDetails.model_json_schema()}}
    return {status: {"description": slugs, "content": content} for status, slugs in told.items()}


SECURED: dict[str, Any] = {"security": [{"bearer": []}]}
EVERY = (400, 401, 403, 404, 405, 408, 413, 415, 421, 429, 500, 503, 504)
_EVENT = {
    "type": "object",
    "properties": {"event": {"enum": ["hits", "sentence", "done", "problem"]}, "data": {"type": "string"}},
    "required": ["event", "data"],
}
_EVENTS: dict[int | str, dict[str, Any]] = {200: {"content": {"text/event-stream": {"itemSchema": _EVENT}}}}


def application(
    answering: Answering,
    answers: Answers,
    agents: Callable[[], AbstractAsyncContextManager[None]],
    *more: Callable[[FastAPI], None],
) -> FastAPI:
    """The application. `agents`: what must run beside it as long as it does; `more` add operations of their own."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with agents():
            yield

    app = FastAPI(
        title="rag serve",
        version=__version__,
        summary="Search in the release that a channel names.",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        redirect_slashes=False,
    )
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(HTTPException, _http_problem)
    app.add_exception_handler(Exception, _mistake)
    asks, wants = SECURED | body_of(SearchRequest), SECURED | body_of(AnswerRequest)

    @app.post("/v1/search", response_model=SearchAnswer, responses=problems_of(*EVERY), openapi_extra=asks)
    async def search(request: Request) -> Response:
        """The chunks that answer a question best, best first."""
        no_parameters(request)
        state = request.state
        return as_json(await answering.search(state.principal, SearchRequest.of(state.body), state.note))

    @app.post("/v1/answer", response_model=AnswerGiven, responses=problems_of(*EVERY) | _EVENTS, openapi_extra=wants)
    async def answer(request: Request) -> Response:
        """Sentences that answer a question, each with its citations; with `stream`, as server-sent events."""
        no_parameters(request)
        state = request.state
        asked = AnswerRequest.of(state.body)
        begun = await answers.begin(state.principal, asked, state.note)
        if not asked.stream:
            return as_json(await while_connected(request, begun.whole()))
        return StreamingResponse(as_sse(begun), media_type="text/event-stream", headers={"cache-control": "no-store"})

    @app.get(
        "/v1/chunks/{chunk_id}", response_model=ChunkAnswer, responses=problems_of(*EVERY), openapi_extra=SECURED | _AROUND
    )
    async def chunk(chunk_id: str, request: Request) -> Response:
        """One chunk of the release that serves, by its id; with `around=2`, two before and two behind it as well."""
        state = request.state
        channel, each = _channel(request, "around"), _around(request)
        return as_json(await answering.chunk(state.principal, chunk_id, state.note, channel, each=each))

    @app.get("/v1/release", response_model=ReleaseAnswer, responses=problems_of(*EVERY), openapi_extra=SECURED)
    async def release(request: Request) -> Response:
        """The release that serves."""
        state = request.state
        return as_json(await answers.release(state.principal, state.note, _channel(request)))

    @app.get("/healthz", responses=problems_of(421))
    async def healthz() -> dict[str, str]:
        """The process is there."""
        return {"status": "ok"}

    @app.get("/readyz", responses=problems_of(421, 503))
    async def readyz() -> dict[str, str]:
        """The replica has a release that answers."""
        state = answering.replica.channel(answering.replica.channels[0]).state
        if state is None:
            raise Problem(NO_RELEASE, retry_after_s=1)
        return {"status": "ready", "release": state.serving}

    @app.get("/problems/{slug}", include_in_schema=False)
    async def problem(slug: str) -> Response:
        """What a problem means, and what to do about it."""
        kind = next((kind for kind in KINDS if kind.slug == slug), None)
        if kind is None:
            raise Problem(NOT_FOUND)
        return PlainTextResponse(f"{kind.title} ({kind.status})\n\n{kind.advice}\n")

    for add in more:
        add(app)
    _with_bearer(app)
    return app


def _with_bearer(app: FastAPI) -> None:
    made = app.openapi

    def openapi() -> dict[str, Any]:
        found = made()
        found.setdefault("components", {})["securitySchemes"] = {"bearer": _BEARER}
        return found

    app.openapi = openapi  # type: ignore[method-assign]


def as_json(answer: BaseModel, status: int = 200) -> Response:
    return Response(answer.model_dump_json(), status, media_type="application/json", headers={"cache-control": "no-store"})


def no_parameters(request: Request, *known: str) -> None:
    """Raises `Problem` for a parameter in the address that is not known."""
    if any(name not in known for name in request.query_params):
        raise Problem(INVALID, "the address has an unknown parameter", faults=[Fault("", "leave it out")])


def _channel(request: Request, *others: str) -> str | None:
    no_parameters(request, "channel", *others)
    return _once(request, "channel")


def _around(request: Request) -> int:
    """How many neighbors on each side are asked for; 0 unless the address says so."""
    said = _once(request, "around") or "0"
    if not re.fullmatch("[0-9]", said) or int(said) > MOST:
        raise Problem(INVALID, f"`around` is a number from 0 to {MOST}")
    return int(said)


def _once(request: Request, name: str) -> str | None:
    said = request.query_params.getlist(name)
    if len(said) > 1:
        raise Problem(INVALID, f"`{name}` appears twice in the address")
    return said[0] if said else None


async def _problem(request: Request, error: Exception) -> Response:
    if not isinstance(error, Problem):
        raise error
    request.state.problem = error.kind.slug
    told = error.told(request.state.note.query_id)
    return JSONResponse(told, error.kind.status, error.headers(), media_type=MEDIA_TYPE)


async def _http_problem(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    answer = await _problem(request, Problem(BY_STATUS.get(status, INVALID)))
    for name, value in (getattr(error, "headers", None) or {}).items():
        answer.headers[name] = value
    return answer


async def _mistake(request: Request, error: Exception) -> Response:
    request.state.error = error
    return await _problem(request, Problem(INTERNAL))
