"""A channel that a replica follows: what it names, held open, also before it names a release that can be opened.

Recovery is tried in the background, never by a request: a release that could not be opened, a model that was not there.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rag_pipeline.corpus.model import Model
from rag_pipeline.errors import PipelineError, ReleaseError
from rag_pipeline.home import Home
from rag_pipeline.release.leased import Leased
from rag_pipeline.release.leases import Leases, State

log = logging.getLogger("rag_pipeline")

_LOOK_EVERY_S = 0.5
FIRST_TRY_S, _LAST_TRY_S = 1.0, 30.0
"""What is gone is looked for after a second, two, four, … this long at most, or when the channel's file changes."""


class NothingServes(ReleaseError):
    """A channel has no release that is open."""


class Followed:
    """One channel of a replica, also before it names a release that can be opened."""

    def __init__(self, home: Home, channel: str, model: Callable[[], Model], device: str) -> None:
        self._home, self._channel, self._model, self._device = home, channel, model, device
        self._leases: Leases | None = None
        self._why, self._failed = "", 0
        self._end, self._tried = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"follow-{channel}", daemon=True)
        self._thread.start()

    @property
    def state(self) -> State | None:
        """What serves and what is wanted; None as long as nothing serves."""
        return self._leases.state if self._leases else None

    @property
    def why(self) -> str:
        """What is wrong with the channel, for whoever runs the replica; empty when nothing is."""
        state = self.state
        return state.why_not if state else self._why

    @property
    def failed(self) -> int:
        """How often in a row the release that the channel names could not be opened."""
        state = self.state
        return state.failed if state else self._failed

    @property
    def no_encoder(self) -> str:
        """Why questions cannot be embedded; empty when they can, or nothing serves."""
        if self._leases is None:
            return ""
        with self._leases.lease() as leased:
            return leased.no_encoder

    @property
    def no_reranker(self) -> str:
        """Why hits cannot be ordered again; empty when they can, or nothing serves."""
        if self._leases is None:
            return ""
        with self._leases.lease() as leased:
            return leased.no_reranker

    @contextmanager
    def lease(self) -> Iterator[Leased]:
        """The release that answers. Raises `NothingServes` when there is none yet, and `ReleaseError` once it is closed."""
        if self._leases is None:
            raise NothingServes(self._why or "it is being opened")
        with self._leases.lease() as leased:
            yield leased

    def wait_for_first_try(self, wait_s: float) -> None:
        """Until the release was opened, or could not be, for the first time; so many seconds at most."""
        self._tried.wait(wait_s)

    def close(self) -> None:
        self._end.set()
        self._thread.join(30)
        if self._leases:
            self._leases.close()

    def _run(self) -> None:
        self._open_first()
        wait_s, next_at, before = FIRST_TRY_S, 0.0, None
        while not self._end.wait(_LOOK_EVERY_S):
            with self.lease() as leased:
                if leased is not before or not (leased.no_encoder or leased.no_reranker):
                    wait_s, next_at, before = FIRST_TRY_S, time.monotonic() + FIRST_TRY_S, leased
                elif time.monotonic() >= next_at:
                    if leased.no_encoder:
                        leased.find_encoder()
                        log.warning("%s: %s", self._channel, leased.no_encoder or "the embedding model is there again")
                    if leased.no_reranker:
                        leased.find_reranker()
                        log.warning("%s: %s", self._channel, leased.no_reranker or "the re-ranker is there again")
                    wait_s = min(2 * wait_s, _LAST_TRY_S)
                    next_at = time.monotonic() + wait_s

    def _open_first(self) -> None:
        wait_s = FIRST_TRY_S
        while not self._end.is_set():
            seen = self._file()
            try:
                self._leases = Leases(self._home, self._channel, model=self._model, device=self._device, words_will_do=True)
            except Exception as error:
                why = str(error) if isinstance(error, PipelineError) else f"{type(error).__name__}: {error}"
                if why != self._why:
                    log.warning("%s: nothing can be answered: %s", self._channel, why)
                self._why = why
                self._failed += 1
                self._tried.set()
            else:
                self._tried.set()
                return
            until = time.monotonic() + wait_s
            while time.monotonic() < until and self._file() == seen and not self._end.wait(0.1):
                pass
            wait_s = min(2 * wait_s, _LAST_TRY_S) if self._file() == seen else FIRST_TRY_S

    def _file(self) -> object:
        try:
            said = self._home.channel(self._channel).stat()
        except OSError as error:
            return error.errno
        return said.st_mtime_ns, said.st_ino
