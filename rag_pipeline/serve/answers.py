"""Answers in sentences, over HTTP and MCP alike: retrieve as a search does, select, and send what was checked.

Sentences are selected in the very step that searches, under its lease, place and deadline. Where a language model may write,
it is asked after that, outside the places of those who search; where it writes nothing that may be sent, the whole sentences
are the answer. A citation is held against the retrieved passages once more before its sentence is sent, and nothing that was
sent is taken back.
"""

import asyncio
import json
import logging
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from pydantic import BaseModel

from rag_pipeline.answer.bounds import NO_PASSAGE
from rag_pipeline.answer.budget import Payer
from rag_pipeline.answer.cited import Cited, Passage, stands
from rag_pipeline.answer.retrieve import retrieved
from rag_pipeline.answer.select import AROUND, Selected, select
from rag_pipeline.answer.write import Wanted, Writer, Written
from rag_pipeline.door.principal import ANSWER, Principal
from rag_pipeline.door.problems import INTERNAL, Problem
from rag_pipeline.home import Home
from rag_pipeline.index.retrieve import Hit, OpenRelease, Query
from rag_pipeline.release.leased import Leased
from rag_pipeline.serve.answering import Answering, Note
from rag_pipeline.serve.asked import AnswersServed, Degraded, FoundChunk, ReleaseAnswer, SearchAnswer, SearchRequest
from rag_pipeline.serve.asked_answers import (
    AnswerGiven,
    AnswerRequest,
    AnswerSentence,
    Ended,
    Generator,
    HitsFound,
    Quote,
)
from rag_pipeline.serve.log_lines import where
from rag_pipeline.serve.writers import Served, ServedVersions
from rag_pipeline.versions.seen import seen_by

log = logging.getLogger("rag_pipeline")

Event = tuple[str, BaseModel]
"""Its name (`hits`, `sentence`, `done`), and what it says."""


@dataclass(slots=True)
class Found:
    """What one question found, filled in while it is searched."""

    passages: tuple[Passage, ...] = ()
    selected: Selected | None = None
    refused: bool = True
    language: str = ""
    seen: Mapping[str, tuple[Passage, ...]] = field(default_factory=dict)
    """What each language model may see; nothing where none is asked."""
    served: Served = field(default_factory=Served)
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

    def __init__(self, answering: Answering, home: Home, versions: ServedVersions) -> None:
        self._answering, self._home, self._versions = answering, home, versions

    async def release(self, who: Principal, note: Note, channel: str | None = None) -> ReleaseAnswer:
        """What serves, and by what answers are made. Raises `Problem`."""
        found = await self._answering.release(who, note, channel)
        named = await asyncio.to_thread(self._named, found.channel, found.release)
        return found.model_copy(update={"answers": named})

    def _named(self, channel: str, release: str) -> AnswersServed:
        served = self._versions.of(channel, release)
        if served.version is None:
            return AnswersServed(says="whole sentences")
        says = served.version.says if served.writer or not served.version.models else "whole sentences"
        return AnswersServed(version=served.version.id, prompt=served.version.prompt_name or None, says=says)

    async def begin(self, who: Principal, asked: AnswerRequest, note: Note) -> "Begun":
        """Retrieve and select. Raises `Problem` as a search does."""
        found, note.ends_later = Found(), True

        def also(leased: Leased, reader: OpenRelease, query: Query, hits: list[Hit]) -> None:
            entry = leased.manifest.model
            taken = retrieved(reader, query, hits, asked.k)
            found.passages = taken.passages
            found.language = leased.manifest.lexical.language
            found.selected = select(query.text, taken, found.language)
            found.served = self._versions.of(note.channel, leased.manifest.id)
            found.refused = found.served.bounds(self._home, entry).refuse(found.selected)
            writer = found.served.writer
            if writer and ANSWER in who.may and not found.refused:
                found.seen = seen_by(writer.config, leased.manifest, leased.reader, self._home, taken.passages)

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
        return Begun(asked, who, found, note)

    async def given(self, who: Principal, asked: AnswerRequest, note: Note) -> AnswerGiven:
        """The whole answer at once. Raises `Problem`."""
        return await (await self.begin(who, asked, note)).whole()


@dataclass(slots=True)
class Begun:
    """An answer whose passages are there."""

    asked: AnswerRequest
    who: Principal
    found: Found
    note: Note

    @property
    def writer(self) -> Writer | None:
        """What asks language models, where the asker may have them asked."""
        return self.found.served.writer if ANSWER in self.who.may else None

    async def whole(self) -> AnswerGiven:
        """All of it at once. Raises `Problem`."""
        sentences: list[AnswerSentence] = []
        async with aclosing(self.events()) as events:
            async for _, said in events:
                if isinstance(said, AnswerSentence):
                    sentences.append(said)
                elif isinstance(said, Ended):
                    return AnswerGiven(**said.model_dump(), sentences=sentences, hits=self.found.hits)
        raise RuntimeError("an answer has no end")

    async def events(self) -> AsyncGenerator[Event, None]:
        """What is sent, in its order: `hits`, each `sentence`, `done`."""
        found, searched = self.found, self.found.searched
        about = {name: getattr(searched, name) for name in ("query_id", "release", "channel", "mode")}
        yield "hits", HitsFound(**about, degraded=searched.degraded, hits=found.hits)
        refused = NO_PASSAGE if found.refused else None
        sent, written, degraded = 0, Written(), list(searched.degraded)
        if self.writer and not refused:
            try:
                async with aclosing(self.writer.sentences(self._wanted(), written)) as sentences:
                    async for sentence in sentences:
                        if checked := checked_sentence(sentence, found.passages):
                            sent += 1
                            yield "sentence", checked
            finally:  # it is paid for, whether or not anybody waits for the rest
                paid = self._generator(written, by_model=sent > 0)
                self.note.answer = {"generator": paid.kind, **_paid(paid)}
            self.note.steps_ms["write"] = round(1000 * (time.monotonic() - found.began) - searched.took_ms, 2)
        by_model = sent > 0
        if not by_model and not refused:
            for sentence in found.selected.sentences if found.selected else ():
                if checked := checked_sentence(sentence, found.passages):
                    sent += 1
                    yield "sentence", checked
            if self.writer:
                why = "; ".join(written.why_not) or "its sentences cannot be sent"
                model = self.writer.config.models[0].model
                degraded.append(Degraded(kind="extractive", instead_of=model, by="whole sentences", why=why))
            elif found.served.why_not and ANSWER in self.who.may:
                model = found.served.model
                degraded.append(Degraded(kind="extractive", instead_of=model, by="whole sentences", why=_NOT_SERVED))
        generator = self._generator(written, by_model=by_model)
        self.note.degraded = tuple(one.kind for one in degraded)
        said: dict[str, str | int | float] = {"sentences": sent, "refused": refused or "", "generator": generator.kind}
        self.note.answer = said | _paid(generator)
        took_ms = round(1000 * (time.monotonic() - found.began), 2)
        steps = self.note.steps_ms
        yield (
            "done",
            Ended(**about, degraded=degraded, refused=refused, generator=generator, took_ms=took_ms, timings_ms=steps),
        )

    def _wanted(self) -> Wanted:
        passed_s = time.monotonic() - self.found.began
        left_s = (self.asked.timeout_ms or _FOR_WRITING_MS) / 1000 - passed_s
        payer = Payer(self.who.id, self.note.query_id, self.who.reads)
        until = asyncio.get_running_loop().time() + left_s
        return Wanted(self.asked.query, self.found.language, self.found.seen, payer, until)

    def _generator(self, written: Written, *, by_model: bool) -> Generator:
        """Who made the sentences, and what was spent, also on sentences that nobody may see."""
        return Generator(
            kind="model" if by_model else "extractive",
            model=written.model if by_model else None,
            prompt=self.writer.config.prompt_name if self.writer and by_model else None,
            version=self.found.served.version.id if self.found.served.version else None,
            tokens_in=written.tokens_in,
            tokens_out=written.tokens_out,
            usd=written.usd,
            left_out=written.left_out,
        )


_NOT_SERVED = "the channel names no answer version that this replica can serve; its log says why"

_FOR_WRITING_MS = 30_000
"""How long an answer that a model writes may take, where the question does not say."""


def _paid(generator: Generator) -> dict[str, str | int | float]:
    said = generator.model_dump(exclude={"kind"})
    return {name: value for name, value in said.items() if value}


def checked_sentence(sentence: Cited, passages: Sequence[Passage]) -> AnswerSentence | None:
    """A sentence as it may be sent; None where a citation is not what it says it is."""
    if not sentence.text or not sentence.citations or not all(stands(one, passages) for one in sentence.citations):
        return None
    quotes = [
        Quote(chunk_id=one.chunk_id, document_id=one.document_id, quote=one.quote, start=one.start, end=one.end)
        for one in sentence.citations
    ]
    return AnswerSentence(text=sentence.text, support=sentence.support, citations=quotes)


async def as_sse(begun: Begun) -> AsyncGenerator[bytes, None]:
    """The events of an answer as server-sent ones; what goes wrong in between is the last of them, `problem`."""
    try:
        async with aclosing(begun.events()) as events:
            async for name, said in events:
                yield _event(name, said.model_dump_json())
    except Problem as problem:
        yield _event("problem", json.dumps(problem.told(begun.note.query_id)))
    except Exception as error:  # the answer has begun, so it cannot become another one
        log.error("an answer broke off: %s", " < ".join(where(error)))
        yield _event("problem", json.dumps(Problem(INTERNAL).told(begun.note.query_id)))


def _event(name: str, data: str) -> bytes:
    return f"event: {name}\ndata: {data}\n\n".encode()
