"""Requests counted by the minute, for the last hour: bounded in memory whatever comes, and sums over replicas."""

import threading
from collections import Counter, deque
from collections.abc import Iterable

from pydantic import Field

from rag_pipeline.records import Record

BOUNDS_MS = (1, 2.5, 5, 7.5, 10, 15, 20, 25, 30, 40, 50, 75, 100, 150, 200, 300, 500, 750, 1_000, 2_000, 5_000, 10_000)
"""Upper bounds of the buckets of milliseconds; one more bucket holds what took longer."""

MINUTES = 60
"""How many minutes are remembered."""

_REFUSED = frozenset({"too-many-requests", "overloaded"})
"""Problems with which a replica keeps to its limits; every other one of status 500 and more is an error."""


class Minute(Record):
    """What came to what in one minute."""

    start: int
    """Minutes since 1970, UTC."""
    answered: tuple[int, ...] = (0,) * (len(BOUNDS_MS) + 1)
    """Answers by how long they took: as many as there are buckets."""
    errors: dict[str, int] = Field(default={})
    """problem -> requests that the replica failed"""
    refused: dict[str, int] = Field(default={})
    """problem -> requests that were too many"""
    degraded: dict[str, int] = Field(default={})
    """kind -> answers that were degraded"""


class Tally:
    """The last hour of one replica. Safe between threads."""

    def __init__(self) -> None:
        self._minutes: deque[_Counting] = deque(maxlen=MINUTES)
        self._lock = threading.Lock()

    def count(self, now_s: float, status: int, problem: str, milliseconds: float, degraded: Iterable[str] = ()) -> None:
        """One request. `now_s`: seconds since 1970. What the caller did wrong (status 400 to 499 but 429) is not counted."""
        with self._lock:
            minute = self._at(int(now_s // 60))
            if problem in _REFUSED:
                minute.refused[problem] += 1
            elif status >= 500:
                minute.errors[problem or str(status)] += 1
            elif status < 400:
                minute.answered[_bucket(milliseconds)] += 1
                minute.degraded.update(degraded)

    def minutes(self, now_s: float) -> tuple[Minute, ...]:
        """Those of the last hour, oldest first."""
        since = int(now_s // 60) - MINUTES
        with self._lock:
            return tuple(one.told for one in self._minutes if one.start > since)

    def _at(self, start: int) -> "_Counting":
        """A clock that is set back counts on in the minute it left."""
        if not self._minutes or self._minutes[-1].start < start:
            self._minutes.append(_Counting(start))
        return self._minutes[-1]


class _Counting:
    def __init__(self, start: int) -> None:
        self.start = start
        self.answered: Counter[int] = Counter()
        self.errors: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.degraded: Counter[str] = Counter()

    @property
    def told(self) -> Minute:
        return Minute(
            start=self.start,
            answered=tuple(self.answered[place] for place in range(len(BOUNDS_MS) + 1)),
            errors=dict(self.errors),
            refused=dict(self.refused),
            degraded=dict(self.degraded),
        )


def _bucket(milliseconds: float) -> int:
    return next((place for place, bound in enumerate(BOUNDS_MS) if milliseconds <= bound), len(BOUNDS_MS))


def quantile_ms(answered: Iterable[int], share: float) -> float | None:
    """A quantile in milliseconds, linear within its bucket, as Prometheus' `histogram_quantile` has it; the last bound where
    it lies beyond. None without answers."""
    counts = list(answered)
    rank, seen, lower = share * sum(counts), 0, 0.0
    if not sum(counts):
        return None
    for count, bound in zip(counts, BOUNDS_MS, strict=False):
        if count and seen + count >= rank:
            return lower + (bound - lower) * (rank - seen) / count
        seen, lower = seen + count, bound
    return float(BOUNDS_MS[-1])
