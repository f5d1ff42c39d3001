"""Answers in sentences, over HTTP and MCP alike: retrieve as a search does, select, and send what was checked.

Sentences are selected in the very step that searches, under its lease, place and deadline. A citation is held against the
retrieved passages once more before its sentence is sent, and nothing that was sent is taken back.
"""

import json
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from pydantic import BaseModel

from rag_pipeline.answer.bounds import NO_PASSAGE, bounds_of
from rag_pipeline.answer.cited import Cited, Passage, stands
from rag_pipeline.answer.retrieve import retrieved
from rag_pipeline.answer.select import AROUND, Selected, select
from rag_pipeline.home import Home
from rag_pipeline.index.retrieve import Hit, OpenRelease, Query
from rag_pipeline.release.leased import Leased
from rag_pipeline.serve.answering import Answering, Note
from rag_pipeline.serve.asked import FoundChunk, SearchAnswer, SearchRequest
from rag_pipeline.serve.asked_answers import (
    AnswerGiven,
    AnswerRequest,
    AnswerSentence,
    Ended,
    Generator,
    HitsFound,
    Quote,
)
from rag_pipeline.serve.principal import Principal
from rag_pipeline.serve.problems import Problem

Event = tuple[str, BaseModel]
"""Its name (`hits`, `sentence`, `done`), and what it says."""


@dataclass(slots=True)
class Found:
    """What one question found, filled in while it is searched."""

    passages: tuple[Passage, ...] = ()
    selected: Selected | None = None
    refused: bool = True
    answer: SearchAnswer | None = None
    hits: list[FoundChunk] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    @property
    def searched(self) -> SearchAnswer:
        if self.answer is None:
            raise RuntimeError("nothing was searched yet")
        return self.answer


class Answers:
    """What gives answers for those who were let in. For one event loop."""

    def __init__(self, answering: Answering, home: Home) -> None:
        self._answering, self._home = answering, home

    async def begin(self, who: Principal, asked: AnswerRequest, note: Note) -> "Begun":
        """Retrieve and select. Raises `Problem` as a search does."""
        found = Found()

        def also(leased: Leased, reader: OpenRelease, query: Query, hits: list[Hit]) -> None:
            entry = leased.manifest.model
            taken = retrieved(reader, query, hits, asked.k)
            found.passages = taken.passages
            found.selected = select(query.text, taken, leased.manifest.lexical.language)
            found.refused = bounds_of(self._home, entry.fingerprint, entry.name).refuse(found.selected)

        question = SearchRequest(
            query=asked.query,
            k=max(asked.k, AROUND),
            channel=asked.channel,
            narrow=asked.narrow,
            timeout_ms=asked.timeout_ms,
        )
        found.answer = await self._answering.search(who, question, note, also)
        found.hits = found.answer.hits[: asked.k]
        note.hits = len(found.hits)
        return Begun(found, note)

    async def given(self, who: Principal, asked: AnswerRequest, note: Note) -> AnswerGiven:
        """The whole answer at once. Raises `Problem`."""
        begun = await self.begin(who, asked, note)
        sentences: list[AnswerSentence] = []
        async for _, said in begun.events():
            if isinstance(said, AnswerSentence):
                sentences.append(said)
            elif isinstance(said, Ended):
                return AnswerGiven(**said.model_dump(), sentences=sentences, hits=begun.found.hits)
        raise RuntimeError("an answer has no end")


@dataclass(slots=True)
class Begun:
    """An answer whose passages are there."""

    found: Found
    note: Note

    async def events(self) -> AsyncIterator[Event]:
        """What is sent, in its order: `hits`, each `sentence`, `done`."""
        found, searched = self.found, self.found.searched
        about = {
            "query_id": searched.query_id,
            "release": searched.release,
            "channel": searched.channel,
            "degraded": searched.degraded,
            "mode": searched.mode,
        }
        yield "hits", HitsFound(**about, hits=found.hits)
        refused = NO_PASSAGE if found.refused else None
        sent = 0
        for sentence in found.selected.sentences if found.selected and not refused else ():
            if checked := checked_sentence(sentence, found.passages):
                sent += 1
                yield "sentence", checked
        generator = Generator()
        self.note.answer = {"sentences": sent, "refused": refused or "", "generator": generator.kind}
        yield (
            "done",
            Ended(
                **about,
                refused=refused,
                generator=generator,
                took_ms=round(1000 * (time.monotonic() - found.began), 2),
                timings_ms=self.note.steps_ms,
            ),
        )


def checked_sentence(sentence: Cited, passages: Sequence[Passage]) -> AnswerSentence | None:
    """A sentence as it may be sent; None where a citation is not what it says it is."""
    if not sentence.text or not sentence.citations or not all(stands(one, passages) for one in sentence.citations):
        return None
    quotes = [
        Quote(chunk_id=one.chunk_id, document_id=one.document_id, quote=one.quote, start=one.start, end=one.end)
        for one in sentence.citations
    ]
    return AnswerSentence(text=sentence.text, support=sentence.support, citations=quotes)


async def as_sse(begun: Begun) -> AsyncIterator[bytes]:
    """The events of an answer as server-sent ones; what goes wrong in between is the last of them, `problem`."""
    try:
        async for name, said in begun.events():
            yield _event(name, said.model_dump_json())
    except Problem as problem:
        yield _event("problem", json.dumps(problem.told(begun.note.query_id)))


def _event(name: str, data: str) -> bytes:
    return f"event: {name}\ndata: {data}\n\n".encode()
