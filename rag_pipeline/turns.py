"""Long work in small turns, so that threads which answer questions get the interpreter in between.

A question's threads wait for the interpreter some dozens of times, and each time for as long as another thread holds it: up
to 5 ms while that runs Python, and for the whole call while it is inside one that does not let go.
"""

import io
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

_LET_GO_S = 0.00005
"""How long others may have the interpreter after each turn."""

_READS_A_TURN = 1_000

Item = TypeVar("Item")


def in_turns(items: Iterable[Item], each: int = 1_000) -> Iterator[Item]:
    """The same items. After every `each` of them the interpreter is let go of; so many are to take some .3 ms."""
    for count, item in enumerate(items, start=1):
        yield item
        if not count % each:
            time.sleep(_LET_GO_S)


class ReadInTurns(io.BytesIO):
    """Bytes for a reader that is one long call and reads a little at a time, as that of a pickle without frames does."""

    def __init__(self, held: bytes) -> None:
        super().__init__(held)
        self._turns = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self._turns += 1
        if not self._turns % _READS_A_TURN:
            time.sleep(_LET_GO_S)
        return super().read(size)
