"""The outermost layer over HTTP: each request passes the door, has its body read within limits, and leaves a log line.

What comes in is not parsed before it is known who sent it. What goes out is an answer or a problem, never a stack.
"""

import asyncio
import secrets
import time
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rag_pipeline.door.door import Door
from rag_pipeline.door.limits import Admission
from rag_pipeline.door.problems import INTERNAL, MEDIA_TYPE, METHOD, NO_RELEASE, NOT_JSON, SLOW, TOO_LARGE, Problem
from rag_pipeline.serve.answering import Note
from rag_pipeline.serve.asked import LARGEST_BODY
from rag_pipeline.serve.counters import Counters
from rag_pipeline.serve.log_lines import where
from rag_pipeline.serve.traces import Traces

_BODY_S = 5.0
"""How long a body may take to arrive."""

_SEARCH, _ANSWER, _MCP = "/v1/search", "/v1/answer", "/mcp"
_LARGEST_MCP = 65_536
"""Bytes: a question in JSON-RPC may have each of its characters spelled as an escape."""

_OPEN = {"/healthz": "health", "/readyz": "ready", "/openapi.json": "openapi"}
_PAGES = ("/problems/", "/judge")
"""What anybody may look at: there is no data in it."""
_OPERATIONS = {
    _SEARCH: "search",
    _ANSWER: "answer",
    "/v1/release": "release",
    "/v1/feedback": "feedback",
    "/v1/judge": "judge",
    _MCP: "mcp",
    **_OPEN,
}
_NO_QUESTION = ("other", "feedback", "judge", *_OPEN.values())
"""What is not counted among the answers whose time is promised."""


def new_query_id() -> str:
    """Sorts by time; 48 bits of it, and 64 random ones."""
    return f"q_{time.time_ns() // 1_000_000:012x}{secrets.token_hex(8)}"


class Entrance:
    """ASGI, around the application and the agents' protocol."""

    def __init__(self, app: ASGIApp, mcp: ASGIApp, door: Door, admission: Admission, counters: Counters, log: Any) -> None:
        self._app, self._mcp, self._door, self._admission = app, mcp, door, admission
        self._counters, self._log = counters, log
        self._traces = Traces()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, sent = time.monotonic(), _Sent(send)
        state = scope.setdefault("state", {})
        note = state["note"] = Note(new_query_id())
        problem, principal, error = "", "", None
        try:
            principal = await self._let_in(scope, receive, sent, state)
        except Problem as found:
            problem = found.kind.slug
            await sent.problem(found, note.query_id)
        except Exception as found:
            problem, error = INTERNAL.slug, found
            await sent.problem(Problem(INTERNAL), note.query_id)
        finally:
            note.end(problem or state.get("problem", ""))
        seconds = time.monotonic() - began
        operation = _OPERATIONS.get(scope["path"]) or ("chunk" if scope["path"].startswith("/v1/chunks/") else "other")
        problem = problem or state.get("problem", "")
        asks = operation not in _NO_QUESTION
        self._counters.request(operation, sent.status, problem, seconds, note.degraded, asks=asks)
        if note.release and sent.status < 400 and not problem:
            self._counters.answer(note.channel, note.release, note.degraded, note.steps_ms)
        self._traces.request(operation, note, seconds)
        if operation in _OPEN.values() and problem in ("", NO_RELEASE.slug):
            return  # whoever watches asks each second; what is wrong with a channel is told by the replica
        self._log.msg(
            operation,
            query_id=note.query_id,
            principal=principal or state.get("principal_id", ""),
            status=sent.status,
            ms=round(1000 * seconds, 2),
            **{name: value for name, value in _facts(note, problem, error or state.get("error")).items() if value},
        )

    async def _let_in(self, scope: Scope, receive: Receive, sent: "_Sent", state: dict[str, Any]) -> str:
        headers, path = scope["headers"], scope["path"]
        self._door.check_address(headers, scope.get("query_string", b""))
        if path in _OPEN or path.startswith(_PAGES):
            await self._app(scope, receive, sent)
            return ""
        who = state["principal"] = await self._door.principal(headers)
        state["principal_id"] = who.id
        to_agents = path == _MCP
        if to_agents and scope["method"] != "POST":
            raise Problem(METHOD, headers={"allow": "POST"})  # a stream that is kept open would hold on to the replica
        body = await _body(headers, receive, _LARGEST_MCP if to_agents else LARGEST_BODY)
        if scope["method"] == "POST":
            _check_is_json(headers)
        if path in (_SEARCH, _ANSWER):
            self._admission.check(who.id)  # as `place` will: what is refused anyway is not parsed first
        state["body"] = body
        await (self._mcp if to_agents else self._app)(scope, _again(body, receive), sent)
        return who.id


def _facts(note: Note, problem: str, error: BaseException | None) -> dict[str, Any]:
    return {
        "channel": note.channel,
        "release": note.release,
        "mode": note.mode,
        "hits": note.hits,
        "degraded": list(note.degraded),
        "steps_ms": note.steps_ms,
        "answer": note.answer,
        "problem": problem,
        "where": where(error) if error else None,
    }


def _check_is_json(headers: list[tuple[bytes, bytes]]) -> None:
    said = [value for name, value in headers if name == b"content-type"]
    kind, _, rest = (said[0].decode("latin-1") if len(said) == 1 else "").lower().partition(";")
    charset = rest.strip().removeprefix("charset=").strip('"') if rest.strip() else "utf-8"
    if kind.strip() != "application/json" or charset != "utf-8":
        raise Problem(NOT_JSON)
    if any(name == b"content-encoding" for name, _ in headers):
        raise Problem(NOT_JSON)


async def _body(headers: list[tuple[bytes, bytes]], receive: Receive, largest: int) -> bytes:
    """The whole body. Raises `Problem` when it is too large, also when only its length says so, or takes too long."""
    lengths = [value for name, value in headers if name == b"content-length"]
    if any(value.isdigit() and int(value[:12]) > largest for value in lengths):
        raise Problem(TOO_LARGE, f"a body of more than {largest} bytes is not read")
    body = bytearray()
    try:
        async with asyncio.timeout(_BODY_S):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Problem(SLOW, "the connection was closed before the body had arrived")
                body += message.get("body", b"")
                if len(body) > largest:
                    raise Problem(TOO_LARGE, f"a body of more than {largest} bytes is not read")
                if not message.get("more_body"):
                    return bytes(body)
    except TimeoutError:
        raise Problem(SLOW, f"the body did not arrive within {_BODY_S:g} s") from None


def _again(body: bytes, receive: Receive) -> Receive:
    """Hand out a body that was read already; afterwards, what really comes."""
    left = [body]

    async def next_message() -> Message:
        if left:
            return {"type": "http.request", "body": left.pop(), "more_body": False}
        return await receive()

    return next_message


class _Sent:
    """What was sent: the status, and whether it is too late to send another."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = int(message["status"])
        await self._send(message)

    async def problem(self, problem: Problem, query_id: str) -> None:
        if self.status:
            return
        headers = {"content-type": MEDIA_TYPE, **problem.headers()}
        body = problem.body(query_id)
        if problem.kind in (SLOW, TOO_LARGE):
            headers["connection"] = "close"  # what is still to come is not read
        headers["content-length"] = str(len(body))
        start = [(name.encode(), value.encode()) for name, value in headers.items()]
        await self({"type": "http.response.start", "status": problem.kind.status, "headers": start})
        await self({"type": "http.response.body", "body": body})
