"""A replica: a process that holds what its channels name open, and goes on with what it has when something is gone.

Recovery is tried in the background, never by a request: a release that could not be opened, a model that was not there.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rag_pipeline.contracts.labels import EVERYTHING
from rag_pipeline.corpus.model import Model, model_of
from rag_pipeline.door.problems import NO_RELEASE, Problem
from rag_pipeline.errors import PipelineError, ReleaseError
from rag_pipeline.evaluate.evidence import average
from rag_pipeline.evaluate.evidence_store import newest
from rag_pipeline.home import Home
from rag_pipeline.index.manifest import Manifest, Mode
from rag_pipeline.release.leased import Leased
from rag_pipeline.release.leases import Leases, State
from rag_pipeline.serve.asked import Degraded, Measured
from rag_pipeline.settings import Settings

log = logging.getLogger("rag_pipeline")

_LOOK_EVERY_S = 0.5
_FIRST_TRY_S, _LAST_TRY_S = 1.0, 30.0
"""What is gone is looked for after a second, two, four, … this long at most, or when the channel's file changes."""

_OTHER_RELEASE = "the release this channel names cannot be opened here, so the last one that could be opened answers"


_Worth = tuple[frozenset[str], dict[str, tuple[str, float]]]
"""Whom a golden set stands for; mode -> its primary metric and the mean of it."""


class Followed:
    """One channel of a replica, also before it names a release that can be opened."""

    def __init__(self, home: Home, channel: str, model: Callable[[], Model], device: str) -> None:
        self._home, self._channel, self._model, self._device = home, channel, model, device
        self._leases: Leases | None = None
        self._why = ""
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
        """The release that answers. Raises `Problem` when there is none."""
        if self._leases is None:
            raise Problem(NO_RELEASE, retry_after_s=_FIRST_TRY_S)
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
        wait_s, next_at, before = _FIRST_TRY_S, 0.0, None
        while not self._end.wait(_LOOK_EVERY_S):
            with self.lease() as leased:
                if leased is not before or not (leased.no_encoder or leased.no_reranker):
                    wait_s, next_at, before = _FIRST_TRY_S, time.monotonic() + _FIRST_TRY_S, leased
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
        wait_s = _FIRST_TRY_S
        while not self._end.is_set():
            seen = self._file()
            try:
                self._leases = Leases(self._home, self._channel, model=self._model, device=self._device, words_will_do=True)
            except Exception as error:
                why = str(error) if isinstance(error, PipelineError) else f"{type(error).__name__}: {error}"
                if why != self._why:
                    log.warning("%s: nothing can be answered: %s", self._channel, why)
                self._why = why
                self._tried.set()
            else:
                self._tried.set()
                return
            until = time.monotonic() + wait_s
            while time.monotonic() < until and self._file() == seen and not self._end.wait(0.1):
                pass
            wait_s = min(2 * wait_s, _LAST_TRY_S) if self._file() == seen else _FIRST_TRY_S

    def _file(self) -> object:
        try:
            said = self._home.channel(self._channel).stat()
        except OSError as error:
            return error.errno
        return said.st_mtime_ns, said.st_ino


class Replica:
    """The channels of one process. The first answers whoever names none."""

    def __init__(self, settings: Settings, channels: tuple[str, ...]) -> None:
        self.channels, self._home = channels, settings.home
        self._followed = {
            name: Followed(settings.home, name, lambda: model_of(settings), settings.device) for name in channels
        }
        self._worth: dict[str, dict[str, _Worth]] = {}
        self._reading = threading.Lock()

    def channel(self, name: str) -> Followed:
        return self._followed[name]

    def last_good(self, channel: str, release: str) -> list[Degraded]:
        """What an answer from `release` has to say where the channel names another one that cannot be opened."""
        state = self._followed[channel].state
        if state is None or not state.why_not or state.wanted in (None, release):
            unreadable = state is not None and state.wanted is None and state.why_not
            wanted = "unknown" if unreadable else ""
        else:
            wanted = str(state.wanted)
        if not wanted:
            return []
        return [Degraded(kind="last-good-release", instead_of=wanted, by=release, why=_OTHER_RELEASE)]

    def measured(self, manifest: Manifest, to: Mode, instead_of: Mode, reads: frozenset[str]) -> list[Measured]:
        """What answering in another mode is worth, from the newest evidence on the release; empty where nobody measured.

        Of a release that is divided, only golden sets that stand for readers of nothing else than may be read.
        """
        with self._reading:
            if manifest.fingerprint not in self._worth:
                self._worth = {manifest.fingerprint: self._evidence(manifest)}
            worth = self._worth[manifest.fingerprint]
        return [
            Measured(golden_set=name, metric=modes[to][0], value=modes[to][1], instead_of=modes[instead_of][1])
            for name, (labels, modes) in worth.items()
            if not manifest.scopes or EVERYTHING in reads or (labels and labels <= reads)
            if to in modes and instead_of in modes
        ]

    def _evidence(self, manifest: Manifest) -> dict[str, "_Worth"]:
        """golden set -> what it says of each mode."""
        try:
            found = newest(self._home, manifest.fingerprint)
        except (PipelineError, OSError):
            return {}
        worth: dict[str, _Worth] = {}
        for name, one in (found.golden_sets if found else {}).items():
            of_mode = {mode: (one.primary, round(means[one.primary], 4)) for mode, means in one.modes.items()}
            served = round(average(one.values[one.primary]), 4)
            worth[name] = frozenset(one.labels), {**of_mode, manifest.retrieval.mode: (one.primary, served)}
        return worth

    def close(self) -> None:
        for followed in self._followed.values():
            followed.close()


def first_release(replica: Replica) -> str:
    """The release that the first channel answers from. Raises `ReleaseError` when none does."""
    followed = replica.channel(replica.channels[0])
    if followed.state is None:
        raise ReleaseError(followed.why or "it is being opened")
    return followed.state.serving
