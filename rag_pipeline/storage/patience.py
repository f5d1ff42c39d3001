"""Waiting while a bucket is away: for work that took long, and that no person waits for.

The library's own tries are over within seconds, which is right for readers.
"""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from rag_pipeline.errors import HomeUnreachable

log = logging.getLogger("rag_pipeline")

T = TypeVar("T")

LONGEST_S = 120.0
"""How long a bucket may be away."""

_PAUSE_S = 2.0


def patiently(do: Callable[[], T]) -> T:
    """What `do` gives, tried again for so long as the bucket may be back soon.

    Raises what `do` raises: at once what does not pass by itself, and after `LONGEST_S` the rest.
    """
    begun, told = time.monotonic(), False
    while True:
        try:
            return do()
        except HomeUnreachable as error:
            if not error.may_pass or time.monotonic() - begun >= LONGEST_S:
                raise
            if not told:
                log.warning("%s; it is tried again for %.0f s", error, LONGEST_S)
            told = True
        time.sleep(_PAUSE_S)
