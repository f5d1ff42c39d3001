"""The log of questions of a replica: what a search was asked and came to, left in memory for the thread that writes it.

With RAG_QUERY_TEXT=off nothing of this runs. The text of a question is in memory only until it is masked.
"""

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from rag_pipeline.door.limits import Admission, Deadline
from rag_pipeline.door.principal import Principal
from rag_pipeline.door.problems import INTERNAL, NO_RELEASE, Problem
from rag_pipeline.golden.pool import Pooled, pools
from rag_pipeline.index.retrieve import Query
from rag_pipeline.serve.answering import Answering, Note
from rag_pipeline.serve.asked import SearchAnswer, SearchRequest
from rag_pipeline.serve.replica import Replica
from rag_pipeline.settings import Settings, load_secrets
from rag_pipeline.traffic.marks import Marks, marks_of
from rag_pipeline.traffic.rows import Kind
from rag_pipeline.traffic.spool import Spool
from rag_pipeline.traffic.words import Words, words_of

_LONGEST_MS = 30_000
"""How long it may take to find what there is to judge."""

_LEFT = "left"
"""The problem of a question whose asker did not wait for the answer."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One question as the thread gets it."""

    note: Note
    at_s: float
    """Seconds since 1970."""
    principal: str
    reads: frozenset[str]
    request: SearchRequest
    answer: SearchAnswer | None
    status: int
    problem: str
    total_ms: float


@dataclass(frozen=True, slots=True)
class Found:
    """What there is to judge for some questions, and the release that it was found in."""

    release: str
    pooled: dict[str, list[Pooled]]


@dataclass(frozen=True, slots=True)
class Said:
    """One verdict as the thread gets it."""

    query_id: str
    at_s: float
    principal: str
    chunk_id: str
    verdict: str
    reason: str
    comment: str


class QueryLog:
    """What a replica logs, and how its rows are made."""

    def __init__(self, settings: Settings) -> None:
        """Raises `PipelineError` when the key of marks can be neither read nor made."""
        salt = load_secrets().salt
        self.marks: Marks = marks_of(settings.home, salt)
        self._words: Words = words_of(settings, salt)
        self._keeps_text = settings.query_text == "masked"
        self.days = settings.query_days
        rows: dict[Kind, Callable[[Any], dict[str, Any]]]
        rows = {"queries": self._query_row, "feedback": self._feedback_row}
        marked = {kind: self.marks.marking(kind, make) for kind, make in rows.items()}
        self.spool = Spool(settings.home, marked, lambda: self._words.kept("a@b.example 1"))

    def _query_row(self, asked: Asked) -> dict[str, Any]:
        note, answer, request = asked.note, asked.answer, asked.request
        hits = answer.hits if answer else []
        return {
            "query_id": note.query_id,
            "timestamp": datetime.fromtimestamp(asked.at_s, UTC),
            "client_id": self.marks.client(asked.principal),
            "user_query": self._words.kept(request.query) if answer and self._keeps_text else None,
            "query_hmac": self.marks.same(request.query),
            "query_response_hit_ids": [hit.chunk_id for hit in hits],
            "scores": [hit.score for hit in hits],
            "channel": note.channel,
            "arm": note.arm,
            "release": note.release,
            "mode": note.mode,
            "degraded": list(note.degraded),
            "reads": sorted(asked.reads),
            "k": request.k,
            "narrowed": request.narrow is not None,
            "status": asked.status,
            "problem": asked.problem,
            "total_ms": asked.total_ms,
            **{f"{step}_ms": note.steps_ms.get(step) for step in ("wait", "embed", "search")},
            **_written(note.answer),
            "lost_before": 0,
        }

    def _feedback_row(self, said: Said) -> dict[str, Any]:
        return {
            "feedback_id": self.marks.verdict(said.query_id, said.chunk_id, said.principal),
            "query_id": said.query_id,
            "timestamp": datetime.fromtimestamp(said.at_s, UTC),
            "client_id": self.marks.client(said.principal),
            "object_id": said.chunk_id,
            "action_name": said.verdict,
            "reason": said.reason,
            "message": self._words.kept(said.comment) if said.comment and self._keeps_text else None,
            "lost_before": 0,
        }


class LoggedAnswering(Answering):
    """Answers, and logs each question that reached a search, whatever became of it."""

    def __init__(self, replica: Replica, admission: Admission, threads: int, *, timeout_ms: int, log: QueryLog) -> None:
        super().__init__(replica, admission, threads, timeout_ms=timeout_ms)
        self.log = log

    def close(self) -> None:
        super().close()
        self.log.spool.close()

    async def pools(self, who: Principal, reads: tuple[str, ...], questions: Mapping[str, str], k: int) -> Found:
        """What people judge for some questions (id -> text), found in all that `reads` may read. Raises `Problem`."""
        deadline = Deadline.in_ms(_LONGEST_MS)
        async with self.admission.place(who.id, deadline) as place:
            with ExitStack() as stack:
                leased = stack.enter_context(self.replica.channel(self.replica.channels[0]).lease())
                if "hybrid" not in leased.release.modes:
                    raise Problem(NO_RELEASE, "judging needs a release that is searched by meaning and by words")
                asked = {}
                for query, text in questions.items():
                    vector, mode, _ = await self._vector(leased, text, "hybrid", deadline, Note(""))
                    if mode != "hybrid":
                        raise Problem(NO_RELEASE, "judging needs the embedding model, which is not on this replica now")
                    asked[query] = Query(text, vector)
                found = await self._in_thread(
                    lambda: pools(leased.reader(reads), asked, k, "documents", None), place, stack, deadline
                )
                return Found(leased.manifest.id, found)

    async def search(self, who: Principal, asked: SearchRequest, note: Note, *more: Any, **named: Any) -> SearchAnswer:
        """As without a log; `more` and `named` are whatever else a search is given."""
        note.query_id = self.log.marks.bound(note.query_id, who.id)  # so that any replica knows whose it is
        began, answer, status, problem = time.monotonic(), None, 499, _LEFT
        try:
            answer = await super().search(who, asked, note, *more, **named)
            status, problem = 200, ""
            return answer
        except Problem as found:
            status, problem = found.kind.status, found.kind.slug
            raise
        except Exception:
            status, problem = INTERNAL.status, INTERNAL.slug
            raise
        finally:
            milliseconds = 1000 * (time.monotonic() - began)
            row = Asked(note, time.time(), who.id, who.reads, asked, answer, status, problem, milliseconds)
            if note.ends_later and answer:
                note.at_end.append(partial(self._put_at_end, row))
            else:
                self.log.spool.put("queries", row)

    def _put_at_end(self, row: Asked, problem: str) -> None:
        """An answer in sentences is logged once its cost is known; one that broke off is an error."""
        broken = replace(row, status=INTERNAL.status, problem=problem) if problem else row
        self.log.spool.put("queries", broken)


def _written(said: Mapping[str, str | int | float]) -> dict[str, Any]:
    """What became of sentences; nulls for a search."""
    if not said:
        return {}
    counts = {name: said.get(name, 0) for name in ("tokens_in", "tokens_out", "usd")}
    writer = said.get("model") or said.get("generator")
    return {"generator": writer, "prompt": said.get("prompt"), "sentences": said.get("sentences"), **counts}


def lost_rows(answering: Answering) -> Callable[[], float] | None:
    """What counts the rows that a replica lost; None where it keeps no log."""
    if not isinstance(answering, LoggedAnswering):
        return None
    spool = answering.log.spool
    return lambda: float(spool.lost.total())
