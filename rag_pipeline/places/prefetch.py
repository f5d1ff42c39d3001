"""Fetching a few things ahead of the code that takes them one by one, in bounded memory."""

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

T = TypeVar("T")

THREADS = 4
PENDING = 8
PENDING_BYTES = 64 * 1024 * 1024
"""What may lie fetched and not yet taken; one thing larger than that is fetched alone."""


class Ahead(Generic[T]):
    """Results of `fetch`, several under way at a time, handed out by `take`. What a fetch raises, `take` raises."""

    def __init__(self, fetch: Callable[[str], T]) -> None:
        self._fetch = fetch
        self._waiting: deque[tuple[str, int]] = deque()
        self._pending: deque[tuple[str, int, Future[T]]] = deque()
        self._keys: set[str] = set()
        self._pool: ThreadPoolExecutor | None = None

    def expect(self, wanted: Iterable[tuple[str, int]]) -> None:
        """Keys in the order in which they will be taken, with their sizes in bytes. Forgets what was expected before."""
        self.stop()
        self._waiting.extend(wanted)
        self._keys.update(key for key, _ in self._waiting)
        if self._waiting:
            self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="fetch")
            self._fill()

    def take(self, key: str) -> T:
        """One result. What was expected before it and not taken is let go; what was not expected is fetched now."""
        if key not in self._keys:
            return self._fetch(key)
        while True:
            found, _, future = self._pending.popleft()
            self._keys.discard(found)
            self._fill()
            if found == key:
                break
            future.cancel()
        if not self._pending and self._pool:
            self._pool.shutdown(wait=False)
            self._pool = None
        return future.result()

    def stop(self) -> None:
        """Expect nothing more. Fetches under way end by themselves."""
        self._waiting.clear()
        self._pending.clear()
        self._keys.clear()
        if self._pool:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None

    def _fill(self) -> None:
        held = sum(size for _, size, _ in self._pending)
        while self._pool and self._waiting and len(self._pending) < PENDING:
            key, size = self._waiting[0]
            if self._pending and held + size > PENDING_BYTES:
                return
            self._waiting.popleft()
            held += size
            self._pending.append((key, size, self._pool.submit(self._fetch, key)))
