"""Questions become vectors in one thread, which takes all that wait: a batch costs little more than one."""

import asyncio
import logging
import threading
from collections import deque
from dataclasses import dataclass

from rag_pipeline.corpus.model import Vectors
from rag_pipeline.door.limits import Deadline
from rag_pipeline.release.leased import Leased

log = logging.getLogger("rag_pipeline")

MOST = 8
"""Questions in one batch at most: those behind it wait as long as it takes."""


class NoEncoder(Exception):
    """Questions cannot be embedded now. `leased.no_encoder` says why."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    leased: Leased
    text: str
    deadline: Deadline
    loop: asyncio.AbstractEventLoop
    found: "asyncio.Future[Vectors]"


class Batches:
    """One thread that embeds. Ask from any event loop, and close it in the end."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._waiting: deque[_Wanted] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="embedding", daemon=True)
        self._thread.start()

    async def vector(self, leased: Leased, text: str, deadline: Deadline) -> Vectors:
        """The vector of a question, shape (dimensions,), for the model of the leased release.

        Raises `NoEncoder` when there is no encoder, and `TimeoutError` when it is not ready at the deadline.
        """
        if leased.no_encoder:
            raise NoEncoder
        loop = asyncio.get_running_loop()
        wanted = _Wanted(leased, text, deadline, loop, loop.create_future())
        with self._changed:
            self._waiting.append(wanted)
            self._changed.notify()
        async with asyncio.timeout(max(0.0, deadline.left_s)):
            return await wanted.found

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(10)

    def _run(self) -> None:
        while batch := self._next():
            try:
                vectors = batch[0].leased.encoder.queries([one.text for one in batch])
            except Exception as error:
                batch[0].leased.no_encoder = type(
                    error
                ).__name__  # its text may quote a question; `find_encoder` learns more
                log.warning("questions cannot be embedded: %s", batch[0].leased.no_encoder)
                for one in batch:
                    _tell(one, None)
                continue
            for one, vector in zip(batch, vectors, strict=True):
                _tell(one, vector)

    def _next(self) -> list[_Wanted]:
        """All that wait for one release, `most` at most, without those for whom it is too late; empty at the end."""
        with self._changed:
            while True:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if self._closed:
                    return []
                batch: list[_Wanted] = []
                others: deque[_Wanted] = deque()
                while self._waiting and len(batch) < self._most:
                    one = self._waiting.popleft()
                    if one.found.done() or one.deadline.left_s <= 0:
                        continue
                    (batch if not batch or one.leased is batch[0].leased else others).append(one)
                self._waiting.extendleft(reversed(others))
                if batch:
                    return batch


def _tell(wanted: _Wanted, vector: Vectors | None) -> None:
    def tell() -> None:
        if wanted.found.done():
            return
        if vector is None:
            wanted.found.set_exception(NoEncoder())
        else:
            wanted.found.set_result(vector)

    try:
        wanted.loop.call_soon_threadsafe(tell)
    except RuntimeError:  # the loop is closed: the process ends
        log.debug("an answer came after its loop was closed")
