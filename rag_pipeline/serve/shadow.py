"""Shadow pairs: some answered questions are asked of another channel's release too, afterwards and for nobody.

One thread at low priority does it, a question at a time. What comes while others wait for an answer, or while too many wait
for this, is dropped and counted: no answer is later for it.
"""

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass

from rag_pipeline.canary.split import PARTS, part_of
from rag_pipeline.door.limits import Admission, Deadline
from rag_pipeline.index.retrieve import Query
from rag_pipeline.index.scopes import readable
from rag_pipeline.serve.note import Asked
from rag_pipeline.serve.replica import Replica
from rag_pipeline.serve.reranked import best

log = logging.getLogger("rag_pipeline")

MOST = 16
"""Questions that wait for it at most."""
_AFTER_S = 0.05
"""The answer is sent first."""
_LONGEST_MS = 10_000
_NICE = 10


@dataclass(frozen=True, slots=True)
class Pair:
    """One question with what the other release found."""

    asked: Asked
    channel: str
    release: str
    hits: tuple[str, ...]
    """Ids of chunks, best first."""


class Shadows:
    """Until it is closed. `percent`: of the answered questions; `put` takes each pair."""

    def __init__(
        self, replica: Replica, admission: Admission, channel: str, percent: float, put: Callable[[Pair], object]
    ) -> None:
        self._replica, self._admission, self._channel, self._put = replica, admission, channel, put
        self._parts = percent * PARTS / 100
        self._waiting: deque[tuple[float, Asked]] = deque()
        self.pairs = self.dropped = 0
        """Pairs that were made, and questions that could not be asked again, since the replica began."""
        self._wake, self._end = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="shadow", daemon=True)
        self._thread.start()

    def offer(self, asked: Asked) -> None:
        """A question that was answered; whether it is asked again hangs on its id alone. Nobody waits for it."""
        answer = asked.answer
        if answer is None or answer.channel == self._channel or answer.degraded:
            return
        if part_of("shadow", asked.note.query_id) >= self._parts:
            return
        if self._admission.waiting or len(self._waiting) >= MOST:
            self.dropped += 1
            return
        self._waiting.append((time.monotonic() + _AFTER_S, asked))
        self._wake.set()

    def close(self) -> None:
        """What waits is dropped."""
        self._end.set()
        self._wake.set()
        self._thread.join(_LONGEST_MS / 1000)

    def _run(self) -> None:
        with suppress(OSError, AttributeError):  # of this thread alone, where the system can
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
        while not self._end.is_set():
            self._wake.wait()
            self._wake.clear()
            while self._waiting and not self._end.is_set():
                due, asked = self._waiting.popleft()
                time.sleep(max(0.0, due - time.monotonic()))
                try:
                    made = None if self._admission.waiting else self._pair(asked)
                except Exception as error:  # its text may quote the question
                    log.warning("a shadow could not be asked: %s", type(error).__name__)
                    made = None
                if made:
                    self.pairs += 1
                    self._put(made)
                else:
                    self.dropped += 1

    def _pair(self, asked: Asked) -> Pair | None:
        """None where the other release cannot be asked the same, or is the same."""
        answer, request = asked.answer, asked.request
        with ExitStack() as stack:
            leased = self._replica.splitting.shadow(stack)
            if answer is None or leased is None or leased.manifest.id == answer.release:
                return None
            manifest, narrow = leased.manifest, request.narrow.plain if request.narrow else None
            if answer.mode not in leased.release.modes or not readable(manifest, asked.reads):
                return None
            if narrow and any(True for _ in narrow.unknown(manifest, asked.reads)):
                return None
            vector = None if answer.mode == "lexical" else leased.encoder.queries([request.query])[0]
            reader = leased.reader(asked.reads)
            mine = reader if narrow is None else reader.narrowed(narrow)
            found, degraded = best(
                leased, mine, Query(request.query, vector), request.k, answer.mode, Deadline.in_ms(_LONGEST_MS)
            )
            if degraded:
                return None
            return Pair(asked, self._channel, manifest.id, tuple(hit.chunk_id for hit in found))
