"""Connections of HTTP that hold on to a replica without asking anything: each ends, and is told why where it can be.

uvicorn ends what is silent between two requests. It waits for the head of a request, and for somebody to take an answer, as
long as the other side wants, on as many connections as the system gives.
"""

import resource
from asyncio import BaseTransport, TimerHandle, Transport
from http import HTTPStatus
from time import monotonic
from typing import Any, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from rag_pipeline.door.problems import INVALID, MEDIA_TYPE, OVERLOADED, SLOW, Problem
from rag_pipeline.serve.entrance import new_query_id

LONGEST_HEAD = 16_384
"""Bytes of a request's line and headers."""

_HEAD_S, _TAKEN_S = 5.0, 20.0
"""How long a head may take to arrive, and an answer that does not fit into the system's buffers to be taken."""

_OTHER_FILES = 200
"""Files of a process that are no connections: its releases, its log, what it sends to others."""


def _most() -> int:
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(100, min(1_000, files - _OTHER_FILES))


class Connection(H11Protocol):
    """One connection. Of more than `most` at once, the one goes that was waited for longest."""

    most = _most()

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._head_due: TimerHandle | None = None
        self._taken_due: TimerHandle | None = None
        self._waits_since = monotonic()

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(cast(Transport, transport))
        self._expect_head()
        if len(self.connections) <= self.most:
            return
        waiting = [one for one in self.connections if isinstance(one, Connection) and one.conn.their_state is h11.IDLE]
        oldest = min(waiting, key=lambda one: one._waits_since, default=self)
        oldest._end_with(Problem(OVERLOADED, "there are too many connections", retry_after_s=1))

    def connection_lost(self, exc: Exception | None) -> None:
        for due in (self._head_due, self._taken_due):
            if due:
                due.cancel()
        self._head_due = self._taken_due = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._expect_head()

    def on_response_complete(self) -> None:
        self._waits_since = monotonic()
        super().on_response_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._expect_taken()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._taken_due:
            self._taken_due.cancel()
            self._taken_due = None

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._expect_taken()  # closing waits for what was written

    def send_400_response(self, msg: str) -> None:
        """What is not HTTP."""
        self._end_with(Problem(INVALID, "this is not a request of HTTP"))

    def _expect_head(self) -> None:
        """The first head, and each that has begun, is waited for once, whatever drips in; uvicorn sees to those between."""
        waits = self.conn.their_state is h11.IDLE and not self.transport.is_closing()
        if waits and self._head_due is None:
            late = Problem(SLOW, f"the headers did not arrive within {_HEAD_S:g} s")
            self._head_due = self.loop.call_later(_HEAD_S, self._end_with, late)
        elif not waits and self._head_due is not None:
            self._head_due.cancel()
            self._head_due = None

    def _expect_taken(self) -> None:
        if self._taken_due is None and self.transport.get_write_buffer_size():
            self._taken_due = self.loop.call_later(_TAKEN_S, self.transport.abort)

    def _end_with(self, problem: Problem) -> None:
        """Tell it, where nothing was answered yet, and close."""
        if self._head_due:
            self._head_due.cancel()
            self._head_due = None
        if self.transport.is_closing():
            return
        if self.cycle and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        between = self.cycle is not None and self.conn.their_state is h11.IDLE and not self.conn.trailing_data[0]
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE) and not between:
            body = problem.body(new_query_id())
            headers = {"content-type": MEDIA_TYPE, **problem.headers(), "connection": "close"}
            headers["content-length"] = str(len(body))
            told = [(name.encode(), value.encode()) for name, value in headers.items()]
            status = problem.kind.status
            start = h11.Response(status_code=status, headers=told, reason=HTTPStatus(status).phrase.encode())
            for event in (start, h11.Data(data=body), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
        self._expect_taken()
