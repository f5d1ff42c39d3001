"""An endpoint that failed again and again is left alone for a while, so that nobody waits for it."""

import time
from collections.abc import Callable

FAILURES, REST_S = 3, 30.0
"""After so many failures in a row nobody asks for so many seconds; then one question may try."""


class Breaker:
    """What is known of one endpoint, for one event loop."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._failures, self._until = 0, 0.0

    def lets_through(self) -> bool:
        """Whether it may be asked now. After a rest, whoever asks first tries, and the others wait for what comes of it."""
        if self._failures < FAILURES:
            return True
        if self._now() < self._until:
            return False
        self._until = self._now() + REST_S
        return True

    def worked(self) -> None:
        self._failures = 0

    def failed(self) -> None:
        self._failures += 1
        if self._failures >= FAILURES:
            self._until = self._now() + REST_S
