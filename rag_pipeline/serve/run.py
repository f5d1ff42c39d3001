"""A replica as a process: a port for those who ask, one for metrics, and an orderly end."""

import os
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import anyio
import uvicorn
from fastapi import FastAPI

from rag_pipeline.door.door import LOCAL, Door
from rag_pipeline.door.keys import KeyRing, read_keys
from rag_pipeline.door.limits import Admission, Rates
from rag_pipeline.door.principal import Principal
from rag_pipeline.door.tokens import Tokens, provider_of
from rag_pipeline.errors import PipelineError
from rag_pipeline.process import take_short_turns
from rag_pipeline.serve import log_lines
from rag_pipeline.serve.agents import over_http, server_of
from rag_pipeline.serve.answering import Answering, Note
from rag_pipeline.serve.answers import Answers
from rag_pipeline.serve.connections import LONGEST_HEAD, Connection
from rag_pipeline.serve.counters import HOST, Counters
from rag_pipeline.serve.entrance import Entrance, new_query_id
from rag_pipeline.serve.feedback import add_feedback, add_report
from rag_pipeline.serve.http import application
from rag_pipeline.serve.judge import Desk, add_judging
from rag_pipeline.serve.own_standing import OwnStanding
from rag_pipeline.serve.query_log import LoggedAnswering, QueryLog, lost_rows
from rag_pipeline.serve.replica import Replica
from rag_pipeline.serve.writers import ServedVersions
from rag_pipeline.settings import Settings

_IDLE_S, _END_S = 5, 10
_AT_ONCE = 8
"""Questions in progress for each core, so that those which wait to be embedded fill a batch. One a core is searched."""
_FIRST_TRY_S = 25.0
"""An agent waits longer than this for a command that it starts; opening a release takes some two seconds."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a replica listens. Port 0: any that is free."""

    host: str
    port: int
    metrics_port: int


def check_who_may_ask(settings: Settings, place: Place, *, no_auth: bool, now: datetime) -> None:
    """Raises `PipelineError` where nobody could ask, or where everybody could who reaches this machine."""
    if no_auth:
        if place.host not in ("127.0.0.1", "::1", "localhost"):
            raise PipelineError(
                f"--no-auth lets in whoever reaches {place.host}; leave out --host, so that only this machine can ask, or "
                "leave out --no-auth and make a key with `rag key new --name NAME`"
            )
        return
    if provider_of(settings) or any(key.state(now) == "valid" for key in read_keys(settings.home)):
        return
    raise PipelineError(
        f"nobody could ask: {settings.home.keys} holds no valid key. Make one with `rag key new --name NAME`, or name "
        "an identity provider (RAG_SERVE_ISSUER, RAG_SERVE_AUDIENCE, RAG_SERVE_JWKS), or try it on this machine alone with "
        "--no-auth"
    )


def serve(
    settings: Settings, channels: tuple[str, ...], place: Place, began: Callable[[str, str], None], *, no_auth: bool
) -> None:
    """Serve until the process is told to end; `began` is told the addresses of requests and of metrics.

    Raises `PipelineError` as `check_who_may_ask`, and for a port that is taken.
    """
    check_who_may_ask(settings, place, no_auth=no_auth, now=datetime.now(UTC))
    take_short_turns()
    versions = ServedVersions(settings)
    listening = _listening(place)
    log, counters = log_lines.begin(), Counters()
    versions.look(channels)
    metrics_port = counters.listen(place.metrics_port)
    provider = provider_of(settings)
    door = Door(
        None if no_auth else KeyRing(settings.home),
        Tokens(provider) if provider and not no_auth else None,
        Rates(settings.serve_rate, settings.serve_rate_total),
        [name.strip() for name in [*settings.serve_hosts.split(","), place.host] if name.strip()],
        lambda: datetime.now(UTC),
    )
    answering = answering_of(settings, channels)
    _read_gauges(counters, answering)
    answers = Answers(answering, settings.home, versions)
    server = server_of(answering, answers, _from_request)
    more: list[Callable[[FastAPI], None]] = []
    if isinstance(answering, LoggedAnswering):
        add_report(server, answering)
        more = [partial(add_feedback, answering=answering), partial(add_judging, desk=Desk(settings, answering))]
    agents, running = over_http(server)
    entrance = Entrance(application(answering, answers, running, *more), agents, door, answering.admission, counters, log)
    host, port = listening.getsockname()[:2]
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    log.msg("listening", url=url, metrics_port=metrics_port, channels=list(channels), pid=os.getpid())
    began(url, f"http://{HOST}:{metrics_port}/metrics")
    config = uvicorn.Config(
        entrance,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        http=Connection,
        ws="none",
        h11_max_incomplete_event_size=LONGEST_HEAD,
        timeout_keep_alive=_IDLE_S,
        timeout_graceful_shutdown=_END_S,
    )
    standing = OwnStanding(settings.home, answering.replica, counters.tally, url)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # uvicorn raises again what ended it, and much is to be closed
    try:
        with suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listening])
    finally:
        standing.close()
        answering.close()
        log.msg("ended", pid=os.getpid())


def talk(settings: Settings, channel: str) -> None:
    """Serve one agent on this machine by stdin and stdout, until its end of them is closed.

    It has just started this process and asks at once, and nothing asks again for it: so the release is opened first.
    """
    log_lines.begin()
    versions = ServedVersions(settings)
    versions.look((channel,))
    answering = answering_of(settings, (channel,))
    try:
        answering.replica.channel(channel).wait_for_first_try(_FIRST_TRY_S)
        server = server_of(answering, Answers(answering, settings.home, versions), _from_here)
        if isinstance(answering, LoggedAnswering):
            add_report(server, answering)
        anyio.run(server.run_stdio_async)
    finally:
        answering.close()


def answering_of(settings: Settings, channels: tuple[str, ...]) -> Answering:
    """What answers for some channels. It begins to open their releases, and does not wait for them."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    at_once = settings.serve_at_once or _AT_ONCE * cores
    admission = Admission(at_once, settings.serve_queue, settings.serve_at_once_each)
    threads = min(at_once, cores)
    if settings.query_text == "off":
        return Answering(Replica(settings, channels), admission, threads, timeout_ms=settings.serve_timeout_ms)
    log = QueryLog(settings)  # first: what it cannot do ends the start, before any thread begins
    return LoggedAnswering(Replica(settings, channels), admission, threads, timeout_ms=settings.serve_timeout_ms, log=log)


def _from_request(request: Any) -> tuple[Principal, Note, dict[str, Any]]:
    """Whoever the door let in with the very request that this call came by."""
    state = request.scope["state"]
    return state["principal"], state["note"], state


def _from_here(_: Any) -> tuple[Principal, Note, dict[str, Any]]:
    return LOCAL, Note(new_query_id()), {}


def _read_gauges(counters: Counters, answering: Answering) -> None:
    admission, replica = answering.admission, answering.replica
    followed = [replica.channel(name) for name in replica.channels]
    counters.read_now("working", lambda: admission.working)
    counters.read_now("waiting", lambda: admission.waiting)
    counters.read_now("ready", lambda: float(followed[0].state is not None))
    counters.read_now("last_good", lambda: float(any(one.state and one.state.why_not for one in followed)))
    counters.read_now("no_encoder", lambda: float(any(one.no_encoder for one in followed)))
    if lost := lost_rows(answering):
        counters.read_now("log_lost", lost)
    counters.read_now("no_reranker", lambda: float(any(one.no_reranker for one in followed)))


def _listening(place: Place) -> socket.socket:
    family = socket.AF_INET6 if ":" in place.host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((place.host, place.port))
        made.listen(1024)
    except OSError as error:
        made.close()
        raise PipelineError(
            f"--host {place.host} --port {place.port}: it cannot be listened on ({error.strerror}); name another --port, or "
            "end what listens there"
        ) from error
    return made
