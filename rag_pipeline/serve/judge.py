"""The judge's page: `/judge` in a browser, and `POST /v1/judge`, which keeps a judgment and gives what is judged next.

It works on the same queue and the same files as `rag golden judge --queue`. Which release and which way to retrieve found a
document is not told, nor how early.
"""

import asyncio
import os
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib.resources import files
from typing import Annotated

from fastapi import FastAPI, Request, Response
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from rag_pipeline.contracts.labels import EVERYTHING
from rag_pipeline.door.principal import JUDGE, Principal
from rag_pipeline.door.problems import FORBIDDEN, INVALID, NOT_FOUND, Problem
from rag_pipeline.errors import GoldenSetError
from rag_pipeline.golden.journal import Judgment
from rag_pipeline.golden.judging import Judging, Kept
from rag_pipeline.golden.pool import Pooled
from rag_pipeline.release.withdrawn import read_withdrawn
from rag_pipeline.serve.asked import faults_of, whole
from rag_pipeline.serve.http import EVERY, SECURED, as_json, body_of, no_parameters, problems_of
from rag_pipeline.serve.query_log import LoggedAnswering
from rag_pipeline.settings import Settings
from rag_pipeline.traffic.agreement import Item, agreement, keep_second, seconds
from rag_pipeline.traffic.pairs import pooled_with
from rag_pipeline.traffic.queue import Queue, queue_folder, read_queue
from rag_pipeline.traffic.queue_session import DEPTH, firsts, in_turn, to_judge
from rag_pipeline.traffic.strata import Line

_REMEMBERED = 20
"""Documents shown to a judge that can still be judged."""

_PAGE = {"": ("page.html", "text/html"), "/app.js": ("app.js", "text/javascript"), "/style.css": ("style.css", "text/css")}
_HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}


Grade = Annotated[int, Field(ge=0, le=2), BeforeValidator(whole)]


class JudgeRequest(BaseModel):
    """A judgment on what was shown, or nothing, to be shown what is judged next."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    query_id: Annotated[str, Field(pattern="^q_[0-9a-f]{28,40}$")] | None = None
    document_id: Annotated[str, Field(min_length=1, max_length=1_200)] | None = None
    grade: Grade | None = Field(default=None, description="2 answers it, 1 helps, 0 does not; null: later.")
    undo: bool = Field(default=False, description="Take the last judgment back, and show what it was on again.")

    @classmethod
    def of(cls, body: bytes) -> "JudgeRequest":
        """Raises `Problem`, which names each wrong field and quotes no value."""
        try:
            return cls.model_validate_json(body)
        except ValidationError as error:
            raise Problem(INVALID, "the body is not a judgment", faults=faults_of(error)) from None


class Passage(BaseModel):
    heading: str
    text: str


class ToJudge(BaseModel):
    """One document for one question. Both are data, whatever they say."""

    query_id: str
    question: str
    document_id: str
    title: str
    passages: list[Passage] = Field(description="By which it was found, in the order they stand in it.")


class JudgeAnswer(BaseModel):
    item: ToJudge | None = Field(description="Null: there is nothing left to judge.")
    place: int = Field(description="Of its question among all, from 1.")
    questions: int
    judged: int = Field(description="Documents that anybody judged.")
    agreement: str = Field(description="How two judges agree on what both judged.")
    says: str = ""


@dataclass
class Seat:
    """What this replica remembers of one judge."""

    shown: "OrderedDict[Item, tuple[str, str]]" = field(default_factory=OrderedDict)
    """What was shown last, with its text and the release that it was found in: nothing else can be judged."""
    later: set[Item] = field(default_factory=set)
    passed: set[tuple[str, str]] = field(default_factory=set)
    """Release and question of which nothing is left."""
    said: list[Kept | Judgment] = field(default_factory=list)
    """First judgments and second ones, to be taken back."""


class Desk:
    """Where everybody who judges over HTTP sits: one judgment at a time, for one event loop.

    No document is remembered but what was shown last: one that was withdrawn since is not shown again.
    """

    def __init__(self, settings: Settings, answering: LoggedAnswering) -> None:
        self._settings, self._answering = settings, answering
        self._alone = asyncio.Lock()
        self._seats: dict[str, Seat] = {}

    async def judge(self, who: Principal, said: JudgeRequest) -> JudgeAnswer:
        """Keep what is said, and find what comes next. Raises `Problem`."""
        if JUDGE not in who.may:
            raise Problem(FORBIDDEN, "judging needs the permission judge")
        async with self._alone:
            try:
                queue = await asyncio.to_thread(read_queue, queue_folder(self._settings))
            except GoldenSetError:
                return _nothing("no question waits; `rag traffic queue` draws some")
            if EVERYTHING not in who.reads and not set(queue.reads) <= who.reads:
                raise Problem(FORBIDDEN, "judging needs a key that reads all that those who asked may read")
            if not os.access(queue.folder, os.W_OK):
                raise Problem(FORBIDDEN, "this replica may not write judgments; judge with `rag golden judge`")
            seat = self._seats.setdefault(who.id, Seat())
            await asyncio.to_thread(self._keep, who.id, seat, said, queue)
            return await self._next(who, seat, queue)

    def _keep(self, judge: str, seat: Seat, said: JudgeRequest, queue: Queue) -> None:
        judging, now = Judging.open(queue.folder, self._settings.home), datetime.now(UTC).isoformat(timespec="seconds")
        if said.undo:
            _take_back(judging, seat, now)
            return
        if said.query_id is None and said.document_id is None and said.grade is None:
            return
        item = (said.query_id or "", said.document_id or "")
        if item not in seat.shown:
            raise Problem(NOT_FOUND, "this was not shown by this replica; ask for what comes next")
        if said.grade is None:
            seat.later.add(item)
            return
        text, release = seat.shown[item]
        judgment, known = Judgment(*item, said.grade, text, judge, now, release), firsts(judging).get(item)
        if known is None:
            seat.said.append(judging.judge(judgment))
        elif known.judge != judge and item not in seconds(queue.folder):
            keep_second(queue.folder, judgment)
            seat.said.append(judgment)
        # else the answer to the same key press got lost, and it was sent again; or somebody else was quicker

    async def _next(self, who: Principal, seat: Seat, queue: Queue) -> JudgeAnswer:
        judging = await asyncio.to_thread(Judging.open, queue.folder, self._settings.home)
        first, second = firsts(judging), seconds(queue.folder)
        told, lines = agreement(first, second).says, {line.query_id: line for line in queue.lines}
        turn = in_turn(queue.lines)
        replica = self._answering.replica
        serving = replica.channel(replica.channels[0]).state
        for place, query in enumerate(turn, start=1):
            if serving and (serving.serving, query) in seat.passed:
                continue
            found = await self._answering.pools(who, queue.reads, {query: lines[query].text}, DEPTH)
            pooled = await asyncio.to_thread(self._with_pairs, lines[query], found.pooled[query])
            for one in to_judge(pooled, who.id, first, second):
                item = (one.query, one.document)
                if item not in seat.later:
                    seat.shown[item] = (one.text, found.release)
                    while len(seat.shown) > _REMEMBERED:
                        seat.shown.popitem(last=False)
                    shown = _shown(one, lines[query].text)
                    return JudgeAnswer(item=shown, place=place, questions=len(turn), judged=len(first), agreement=told)
            seat.passed.add((found.release, query))
        says = f"{len(seat.later)} documents were left for later" if seat.later else "everything is judged"
        return JudgeAnswer(item=None, place=len(turn), questions=len(turn), judged=len(first), agreement=told, says=says)

    def _with_pairs(self, line: Line, pooled: list[Pooled]) -> list[Pooled]:
        home = self._settings.home
        hidden = {one.document_id for one in read_withdrawn(home)} if line.found else set()
        return pooled_with(home, line, pooled, hidden)


def _take_back(judging: Judging, seat: Seat, now: str) -> None:
    if not seat.said:
        return
    last = seat.said.pop()
    seat.passed.clear()
    try:
        if isinstance(last, Kept):
            judging.undo(last, now)
        else:
            keep_second(judging.folder, replace(last, grade=None, at=now))
    except GoldenSetError as error:
        raise Problem(NOT_FOUND, "it cannot be taken back: somebody edited the file since") from error


def add_judging(app: FastAPI, desk: Desk) -> None:
    """The page, and what it calls."""

    @app.post(
        "/v1/judge",
        response_model=JudgeAnswer,
        responses=problems_of(*EVERY),
        openapi_extra=SECURED | body_of(JudgeRequest),
    )
    async def judge(request: Request) -> Response:
        """Keep a judgment, and be shown what to judge next."""
        no_parameters(request)
        state = request.state
        return as_json(await desk.judge(state.principal, JudgeRequest.of(state.body)))

    for path in _PAGE:
        app.get(f"/judge{path}", include_in_schema=False)(_file(path))


def _file(path: str) -> Callable[[], Response]:
    name, media_type = _PAGE[path]
    content = (files("rag_pipeline.serve") / "judge_page" / name).read_bytes()

    async def page() -> Response:
        return Response(content, media_type=media_type, headers=_HEADERS)

    return page  # type: ignore[return-value]


def _nothing(says: str) -> JudgeAnswer:
    return JudgeAnswer(item=None, place=0, questions=0, judged=0, agreement="", says=says)


def _shown(one: Pooled, question: str) -> ToJudge:
    passages = [Passage(heading=chunk.heading, text=chunk.text) for chunk in one.passages]
    return ToJudge(
        query_id=one.query, question=question, document_id=one.document, title=one.passages[0].title, passages=passages
    )
