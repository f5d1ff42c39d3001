"""A channel held open for many threads: each answer comes from exactly one release, and nobody waits while another opens.

A thread of its own looks where the channel points, opens the next release, warms it, puts it in the place of the one
before, and closes that when its last lease ends. Only that thread opens and closes: Chroma must not be closed while another
thread searches, and the lock of a view belongs to the thread that took it.
"""

import atexit
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from rag_pipeline.channels.pointer import PRODUCTION
from rag_pipeline.corpus.model import Model
from rag_pipeline.errors import PipelineError, ReleaseError
from rag_pipeline.home import Home
from rag_pipeline.release.leased import Leased
from rag_pipeline.release.serving import channel_of, opened_next

log = logging.getLogger("rag_pipeline")

LOOK_EVERY_S = 1.0
"""How often the channel is read. A lease looks too, at the time of its file, and wakes the thread that reads it."""

_TRY_AGAIN_S = 60.0
"""A release that cannot be opened is tried again after a second, two, four, … this long at most: each try copies it."""

_AT_EXIT_S = 5.0
"""How long a program that ends waits for its last searches, so that no view is left for the next reader to remove."""


@dataclass(frozen=True, slots=True)
class State:
    """What is served, what the channel wants, and what stands between them."""

    serving: str
    """Release id every new lease gets."""
    wanted: str | None
    """Release id the channel named when it was last read; None: it could not be read, or names none."""
    why_not: str
    """Why what is wanted does not serve; empty where it does, or is being opened."""
    failed: int = 0
    """How often in a row it could not be opened."""


@dataclass(slots=True)
class _Held:
    """An open release, what closes it, and how many leases of it are out."""

    leased: Leased
    stack: ExitStack
    leases: int = 0


@dataclass(slots=True)
class _Trouble:
    """What went wrong with the release the channel wants, and when it is worth another try."""

    wanted: str | None
    sequence: int
    why: str
    wait_s: float
    times: int = 1
    not_before: float = field(init=False)

    def __post_init__(self) -> None:
        self.not_before = time.monotonic() + self.wait_s


class Leases:
    """The release a channel names, open for any number of threads, and exchanged behind their backs when the channel moves.

    Use it as a context manager, or call `close`. Each release is opened in every mode that this pipeline can read of it.
    `model`: gives the configured one, once a text is to be embedded; without it questions come with their vectors. A process
    that forks opens its own afterwards: Chroma does not live through a fork. `words_will_do`: as for `Leased`.

    Raises `ReleaseError` and `PipelineError` when the first release cannot be opened, which the caller waits for. Later
    ones that cannot are told by `state`, and the last good one serves on.
    """

    def __init__(
        self,
        home: Home,
        channel: str = PRODUCTION,
        *,
        model: Callable[[], Model] | None = None,
        device: str = "cpu",
        look_every_s: float = LOOK_EVERY_S,
        words_will_do: bool = False,
    ) -> None:
        self._words_will_do = words_will_do
        self._home, self._channel, self._device = home, channel, device
        self._model, self._every_s = model, look_every_s
        self._changing = threading.Lock()  # held for a few instructions, never while something is opened
        self._wake, self._begun = threading.Event(), threading.Event()
        self._now: _Held | None = None
        self._left: list[_Held] = []
        self._state: State | None = None
        self._trouble: _Trouble | None = None
        self._failed: Exception | None = None
        self._closed = False
        self._seen: object = None
        self._pid = os.getpid()
        self._thread = threading.Thread(target=self._run, name=f"leases-{channel}", daemon=True)
        self._thread.start()
        try:
            self._begun.wait()
        except BaseException:
            self._closed = True
            raise
        if self._failed:
            raise self._failed
        atexit.register(self._at_exit)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @property
    def state(self) -> State:
        """What serves and what is wanted, as of the last look."""
        if self._state is None:
            raise AssertionError("unreachable")
        return self._state

    @contextmanager
    def lease(self) -> Iterator[Leased]:
        """The release that serves now; it stays open until the block ends, wherever the channel moves meanwhile.

        Waits for nothing. Raises `ReleaseError` once the leases are closed, and in a process that was forked from theirs.
        """
        if self._file_of_channel() != self._seen:
            self._wake.set()
        with self._changing:
            held = self._now
            if held is None or os.getpid() != self._pid:
                raise ReleaseError(self._gone_says())
            held.leases += 1
        try:
            yield held.leased
        finally:
            with self._changing:
                held.leases -= 1
                last_of_it = not held.leases and held is not self._now
            if last_of_it:
                self._wake.set()

    def close(self, wait_s: float = 30.0) -> None:
        """End: no new lease is given, and what is open is closed when its last lease ends, which is waited for."""
        if os.getpid() != self._pid:
            return
        atexit.unregister(self._at_exit)
        with self._changing:
            self._closed = True
            self._let_go_of_now()
        self._wake.set()
        if threading.current_thread() is not self._thread:
            self._thread.join(wait_s)

    def _at_exit(self) -> None:
        self.close(_AT_EXIT_S)

    # --- of the thread that opens and closes ------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._follow()
        except Exception as error:  # whoever waits for the first release is to know
            self._failed = error
        finally:
            self._begun.set()
        while not (self._failed or self._closed):
            self._wake.wait(self._every_s)
            self._wake.clear()
            self._close_what_nobody_holds()
            if self._closed:  # what serves is let go of already, so that following would open it once more
                break
            try:
                self._follow()
            except Exception as error:
                self._keep_the_last(error)
        while self._left:
            self._close_what_nobody_holds()
            if self._left:
                self._wake.wait(self._every_s)
                self._wake.clear()

    def _follow(self) -> None:
        """Move to the release the channel names, if it names another. Raises when that cannot be opened."""
        self._seen = self._file_of_channel()
        wanted = channel_of(self._home, self._channel)
        serving = self._now.leased.manifest.id if self._now else None
        if wanted.release == serving:
            self._trouble = None
            self._state = State(wanted.release, wanted.release, "")
            return
        trouble = self._trouble
        same = trouble is not None and (trouble.wanted, trouble.sequence) == (wanted.release, wanted.sequence)
        if serving:
            told = (trouble.why, trouble.times) if trouble and same else ("", 0)
            self._state = State(serving, wanted.release, *told)
        if trouble and same and time.monotonic() < trouble.not_before:
            return
        if moved := opened_next(self._home, self._channel, serving, "readable", device=self._device):
            release, stack = moved
            try:
                leased = Leased(self._home, release, self._model, words_will_do=self._words_will_do)
                leased.warm()
            except BaseException:
                stack.close()
                raise
            self._serve(_Held(leased, stack))

    def _serve(self, held: _Held) -> None:
        named = held.leased.manifest.id
        with self._changing:
            self._let_go_of_now()
            if self._closed:
                self._left.append(held)
            else:
                self._now = held
                self._state, self._trouble = State(named, named, ""), None
        log.info("%s answers from %s", self._channel, named)

    def _keep_the_last(self, error: Exception) -> None:
        """What serves serves on; the trouble is told, and tried again later."""
        bug = None if isinstance(error, PipelineError) else error
        why = f"{type(error).__name__} while it was opened, which is in the log" if bug else str(error)
        wanted, sequence = None, 0
        with suppress(PipelineError, OSError):
            named = channel_of(self._home, self._channel)
            wanted, sequence = named.release, named.sequence
        before = self._trouble
        same = before is not None and (before.wanted, before.sequence) == (wanted, sequence)
        wait_s = min(2 * before.wait_s, _TRY_AGAIN_S) if before and same else self._every_s
        self._trouble = _Trouble(wanted, sequence, why, wait_s, before.times + 1 if before and same else 1)
        if self._state:
            self._state = State(self._state.serving, wanted, why, self._trouble.times)
        if not same:
            log.warning("%s goes on answering from the release before: %s", self._channel, why, exc_info=bug)

    def _close_what_nobody_holds(self) -> None:
        with self._changing:
            free = [held for held in self._left if not held.leases]
            self._left = [held for held in self._left if held.leases]
        for held in free:
            with suppress(Exception):  # its folder goes with the next reader
                held.stack.close()

    def _let_go_of_now(self) -> None:
        """The caller holds `_changing`."""
        if self._now:
            self._left.append(self._now)
            self._now = None

    def _file_of_channel(self) -> object:
        """Another value whenever the channel's file was written; reading it costs a tenth of opening it."""
        try:
            said = self._home.channel(self._channel).stat()
        except OSError as error:
            return error.errno
        return said.st_mtime_ns, said.st_ino, said.st_size

    def _gone_says(self) -> str:
        if os.getpid() != self._pid:
            return "these leases are of the process that this one was forked from; open them anew in each process"
        return "these leases are closed; open them anew"
