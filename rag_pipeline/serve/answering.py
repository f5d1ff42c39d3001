"""From a question to an answer: wait for a place, embed, search, and say what was not as it should be.

A request is answered from the one release it holds a lease of. Its deadline goes with it through every step.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TypeVar

from rag_pipeline.corpus.model import Vectors
from rag_pipeline.door.door import channel_for, check_may_search
from rag_pipeline.door.limits import Admission, Deadline, Place
from rag_pipeline.door.principal import Principal
from rag_pipeline.door.problems import CLOSED, DEADLINE, FORBIDDEN, INVALID, NO_RELEASE, NOT_FOUND, Fault, Problem
from rag_pipeline.index.manifest import Manifest, Mode
from rag_pipeline.index.narrow import Narrow
from rag_pipeline.index.neighbors import around
from rag_pipeline.index.retrieve import Hit, OpenRelease, Query
from rag_pipeline.index.scopes import held_of, readable
from rag_pipeline.release.leased import Leased
from rag_pipeline.release.withdrawn import ListUnreadable
from rag_pipeline.serve.asked import (
    Chunk,
    ChunkAnswer,
    Degraded,
    FoundChunk,
    ReleaseAnswer,
    ReleaseSource,
    SearchAnswer,
    SearchRequest,
    no_question,
)
from rag_pipeline.serve.batches import Batches, NoEncoder
from rag_pipeline.serve.replica import Replica
from rag_pipeline.serve.reranked import best
from rag_pipeline.traffic.rows import Arm

Found = TypeVar("Found")

Also = Callable[[Leased, OpenRelease, Query, list[Hit]], None]
"""Takes the release, what of it somebody may read, the question as it was asked, and the hits."""

_FOR_EMBEDDING = 0.7
"""Share of the time left that a question may take to be embedded: with the rest it is still answered by words."""

_GONE = "the embedding model is not on this replica"
_SLOW = "embedding would have taken longer than this request allows"


@dataclass(slots=True)
class Note:
    """What the log and the counters are told of one request. No text of it, and nothing that it found."""

    query_id: str
    channel: str = ""
    """The channel whose release answers."""
    release: str = ""
    mode: str = ""
    hits: int | None = None
    degraded: tuple[str, ...] = ()
    steps_ms: dict[str, float] = field(default_factory=dict)
    answer: dict[str, str | int | float] = field(default_factory=dict)
    """What became of an answer in sentences: how many there are, who made them, and what they cost."""
    arm: Arm = "stable"
    ends_later: bool = False
    """Whether more follows what is searched: sentences, and what they cost."""
    at_end: list[Callable[[str], None]] = field(default_factory=list)
    """What is done once all is known of the request; it is told the problem, if it came to one."""

    def end(self, problem: str = "") -> None:
        """Nothing is known later. Another call does nothing more."""
        while self.at_end:
            self.at_end.pop()(problem)


class Answering:
    """What a replica does for those who were let in, over HTTP and MCP alike. For one event loop."""

    def __init__(self, replica: Replica, admission: Admission, threads: int, *, timeout_ms: int) -> None:
        self.replica, self.admission = replica, admission
        self._timeout_ms = timeout_ms
        self._batches = Batches()
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="search")

    def close(self) -> None:
        self._batches.close()
        self._threads.shutdown(wait=True, cancel_futures=True)
        self.replica.close()

    async def search(self, who: Principal, asked: SearchRequest, note: Note, also: Also | None = None) -> SearchAnswer:
        """Raises `Problem`. `also`: what is to be done with what was found, under the same lease, place and deadline."""
        check_may_search(who, chooses_mode=asked.mode is not None)
        note.channel = channel_for(who, asked.channel, self.replica.channels)
        began = time.monotonic()
        deadline = Deadline.in_ms(asked.timeout_ms or self._timeout_ms)
        async with self.admission.place(who.id, deadline) as place:
            note.steps_ms["wait"] = _ms_since(began)
            with ExitStack() as stack:
                leased = stack.enter_context(self.replica.channel(note.channel).lease())
                manifest, reader = leased.manifest, _reader(leased, who)
                note.release = manifest.id
                served: Mode = asked.mode or manifest.retrieval.mode
                if served not in leased.release.modes:
                    raise no_question(Fault("/mode", "this release cannot be asked that way"))
                narrow = _narrow(manifest, who, asked)
                vector, mode, why = await self._vector(leased, asked.query, served, deadline, note)

                def retrieve() -> tuple[list[Hit], list[Degraded]]:
                    mine = reader() if narrow is None else reader().narrowed(narrow)
                    question = Query(asked.query, vector)
                    found, degraded = best(leased, mine, question, asked.k, mode, deadline)
                    if also:
                        also(leased, mine, question, found)
                    if why:
                        worth = self.replica.measured(manifest, mode, served, who.reads)
                        degraded += [Degraded(kind="words", instead_of=served, by=mode, why=why, measured=worth)]
                    return found, degraded

                step = time.monotonic()
                hits, degraded = await self._in_thread(retrieve, place, stack, deadline)
                note.steps_ms["search"] = _ms_since(step)
        degraded += self.replica.last_good(note.channel, manifest.id)
        note.mode, note.hits, note.degraded = mode, len(hits), tuple(one.kind for one in degraded)
        return SearchAnswer(
            query_id=note.query_id,
            release=manifest.id,
            channel=note.channel,
            degraded=degraded,
            mode=mode,
            took_ms=_ms_since(began),
            timings_ms=note.steps_ms,
            hits=[_found(hit) for hit in hits],
        )

    async def chunk(
        self, who: Principal, chunk_id: str, note: Note, channel: str | None = None, *, each: int = 0
    ) -> ChunkAnswer:
        """One chunk of the release that serves, with `each` neighbors on each side at most.

        Raises `Problem`; not there and not to be read are told alike.
        """
        check_may_search(who)
        note.channel = channel_for(who, channel, self.replica.channels)
        deadline = Deadline.in_ms(self._timeout_ms)
        async with self.admission.place(who.id, deadline) as place:
            with ExitStack() as stack:
                leased = stack.enter_context(self.replica.channel(note.channel).lease())
                note.release, reader = leased.manifest.id, _reader(leased, who)
                found = await self._in_thread(lambda: around(reader(), chunk_id, each), place, stack, deadline)
        if found is None:
            raise Problem(NOT_FOUND, "the release that serves has no such chunk")
        note.hits = 1 + len(found.before) + len(found.after)
        return ChunkAnswer(
            query_id=note.query_id,
            release=note.release,
            channel=note.channel,
            degraded=self.replica.last_good(note.channel, note.release),
            chunk=_chunk(found.chunk),
            before=[_chunk(one) for one in found.before],
            after=[_chunk(one) for one in found.after],
        )

    async def release(self, who: Principal, note: Note, channel: str | None = None) -> ReleaseAnswer:
        """What serves. Raises `Problem`."""
        check_may_search(who)
        note.channel = channel_for(who, channel, self.replica.channels)
        with self.replica.channel(note.channel).lease() as leased:
            said = leased.manifest
            _reader(leased, who)
        note.release = said.id
        held = held_of(said, who.reads)
        return ReleaseAnswer(
            query_id=note.query_id,
            release=said.id,
            channel=note.channel,
            degraded=self.replica.last_good(note.channel, said.id),
            fingerprint=said.fingerprint,
            created_at=said.created_at.isoformat(),
            mode=said.retrieval.mode,
            documents=sum(one.documents for one in held.values()) if said.scopes else said.documents,
            chunks=sum(one.chunks for one in held.values()) if said.scopes else said.chunks,
            sources={
                name: ReleaseSource(
                    documents=one.documents, chunks=one.chunks, contract_version=said.sources[name].contract_version
                )
                for name, one in held.items()
                if name in said.sources
            },
        )

    async def _vector(
        self, leased: Leased, text: str, mode: Mode, deadline: Deadline, note: Note
    ) -> tuple[Vectors | None, Mode, str]:
        """The question's vector and the mode to ask in; by words, and why, where it cannot be embedded."""
        if mode == "lexical":
            return None, mode, ""
        began = time.monotonic()
        by_words = "lexical" in leased.release.modes
        until = Deadline(began + deadline.left_s * _FOR_EMBEDDING) if by_words else deadline
        try:
            return await self._batches.vector(leased, text, until), mode, ""
        except NoEncoder:
            why = _GONE
        except TimeoutError:
            if not by_words:
                raise Problem(DEADLINE) from None
            why = _SLOW
        finally:
            note.steps_ms["embed"] = _ms_since(began)
        if not by_words:
            raise Problem(NO_RELEASE, "the embedding model is not on this replica, and this release has no words to search")
        return None, "lexical", why

    async def _in_thread(self, work: Callable[[], Found], place: Place, stack: ExitStack, deadline: Deadline) -> Found:
        """Do it in a thread of its own. What is too late goes on there, with its place and its lease, until it ends."""
        deadline.check()
        doing = asyncio.get_running_loop().run_in_executor(self._threads, work)
        place.keep(doing)
        lease = stack.pop_all()
        doing.add_done_callback(lambda _: lease.close())
        try:
            async with asyncio.timeout(deadline.left_s):
                return await asyncio.shield(doing)
        except TimeoutError:
            doing.add_done_callback(lambda done: done.cancelled() or done.exception())
            raise Problem(DEADLINE) from None


def _reader(leased: Leased, who: Principal) -> Callable[[], OpenRelease]:
    """What of a release somebody may read, to be opened where it is searched. Raises `Problem` where that is nothing."""
    if not readable(leased.manifest, who.reads):
        raise Problem(FORBIDDEN, "no row of this release is granted to be read")

    def opened() -> OpenRelease:
        try:
            return leased.reader(who.reads)
        except ListUnreadable as error:
            raise Problem(CLOSED) from error

    return opened


def _chunk(hit: Hit) -> Chunk:
    return Chunk(**{name: getattr(hit, name) for name in Chunk.model_fields})


def _found(hit: Hit) -> FoundChunk:
    return FoundChunk(**{name: getattr(hit, name) for name in FoundChunk.model_fields})


def _narrow(manifest: Manifest, who: Principal, asked: SearchRequest) -> Narrow | None:
    """Raises `Problem` that names each source and column which is not there for somebody."""
    if asked.narrow is None:
        return None
    narrow = asked.narrow.plain
    if faults := [Fault(pointer, says) for pointer, says in narrow.unknown(manifest, who.reads)]:
        raise Problem(INVALID, "the question cannot be narrowed that way", faults=faults)
    return narrow


def _ms_since(began: float) -> float:
    return round(1000 * (time.monotonic() - began), 2)
