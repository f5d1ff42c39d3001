"""How often, and how many at once. What is too much is refused at once, before any work: refusing is cheap, queueing is not.

Rates are counted in this process: of several replicas each has its own.
"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from rag_pipeline.door.problems import DEADLINE, OVERLOADED, TOO_MANY, Problem


class Rates:
    """Requests a time, of each principal and of all together."""

    def __init__(self, each: str, total: str) -> None:
        self._counted = MovingWindowRateLimiter(MemoryStorage())
        self._each, self._total = parse(each), parse(total)

    def take(self, principal: str) -> None:
        """Count one request. Raises `Problem` when it is one too many."""
        if not self._counted.hit(self._each, "one", principal):
            raise self._too_many(self._each, f"one key may ask {_told(self._each)}", "one", principal)
        if not self._counted.hit(self._total, "all"):
            raise self._too_many(self._total, f"this replica takes {_told(self._total)}", "all")

    def _too_many(self, item: RateLimitItem, detail: str, *names: str) -> Problem:
        reset_at = self._counted.get_window_stats(item, *names).reset_time
        return Problem(TOO_MANY, detail, retry_after_s=max(0.0, reset_at - time.time()))


def _told(item: RateLimitItem) -> str:
    return f"{item.amount} requests a {item.GRANULARITY.name}"


@dataclass(frozen=True, slots=True)
class Deadline:
    """When an answer is too late, on the clock of `time.monotonic`."""

    at: float

    @classmethod
    def in_ms(cls, milliseconds: float) -> "Deadline":
        return cls(time.monotonic() + milliseconds / 1000)

    @property
    def left_s(self) -> float:
        return self.at - time.monotonic()

    def check(self) -> None:
        """Raises `Problem` when it has passed."""
        if self.left_s <= 0:
            raise Problem(DEADLINE)


class Admission:
    """Who is worked on now, and who waits, in the order in which they came: never more than is said. For one event loop."""

    def __init__(self, at_once: int, queue: int, each: int) -> None:
        self._at_once, self._queue, self._each = at_once, queue, each
        self.working = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._of: Counter[str] = Counter()
        self._took_s = 0.02

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def check(self, principal: str) -> None:
        """Raises `Problem` when too many wait, and when this principal has too many."""
        if self._of[principal] >= self._each:
            raise Problem(TOO_MANY, f"one key may ask {self._each} questions at once", retry_after_s=self._soon())
        if self.working >= self._at_once and len(self._waiting) >= self._queue:
            raise Problem(OVERLOADED, retry_after_s=self._soon())

    @asynccontextmanager
    async def place(self, principal: str, deadline: Deadline) -> AsyncIterator["Place"]:
        """A place among those that are worked on. It is free again when the block, and all the work that it `keeps`, ended.

        Raises `Problem` as `check`, and when the deadline comes first.
        """
        self.check(principal)
        self._of[principal] += 1
        try:
            await self._turn(deadline)
        except BaseException:
            self._left(principal)
            raise
        place = Place(self, principal, time.monotonic())
        try:
            yield place
        finally:
            place.leave()

    async def _turn(self, deadline: Deadline) -> None:
        if self.working < self._at_once and not self._waiting:
            self.working += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            async with asyncio.timeout(max(0.0, deadline.left_s)):
                await turn  # whoever wakes it has counted it as working
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self.free()
            elif turn in self._waiting:
                self._waiting.remove(turn)
            if isinstance(error, TimeoutError):
                raise Problem(DEADLINE, retry_after_s=self._soon()) from error
            raise

    def free(self) -> None:
        """One is done: the next that still waits has its place."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self.working -= 1

    def _left(self, principal: str) -> None:
        self._of[principal] -= 1
        if not self._of[principal]:
            del self._of[principal]

    def done(self, principal: str, since: float) -> None:
        self._took_s += 0.05 * (time.monotonic() - since - self._took_s)
        self._left(principal)
        self.free()

    def _soon(self) -> float:
        """Seconds until those who wait now are done, as far as one can tell."""
        return (len(self._waiting) + 1) * self._took_s / max(1, self._at_once)


class Place:
    """One question's place. No thread can be stopped: the place of an answer that is too late stays taken until it ends."""

    def __init__(self, admission: Admission, principal: str, since: float) -> None:
        self._admission, self._principal, self._since = admission, principal, since
        self._parts = 1

    def keep(self, work: "asyncio.Future[Any]") -> None:
        """Hold the place until this work has ended too."""
        self._parts += 1
        work.add_done_callback(lambda _: self.leave())

    def leave(self) -> None:
        self._parts -= 1
        if not self._parts:
            self._admission.done(self._principal, self._since)
