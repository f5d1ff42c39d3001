"""Progress of long work: a bar on a terminal, elsewhere a line in the log every few seconds (Dagster shows those)."""

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rag_pipeline.terminal import one_line

log = logging.getLogger("rag_pipeline")

_LOG_EVERY_S = 10.0


class Advance(Protocol):
    def __call__(self, amount: int = 1) -> None: ...


@contextmanager
def progress(what: str, total: int | None, *, unit: str) -> Iterator[Advance]:
    """Show how far `what` has come while the block runs; call what is yielded with the units just done."""
    if sys.stderr.isatty():
        from tqdm import tqdm

        with tqdm(total=total, desc=one_line(what), unit=f" {unit}", file=sys.stderr, leave=True) as bar:
            yield lambda amount=1: _discard(bar.update(amount))
        return

    done, started = 0, time.monotonic()
    last = started

    def advance(amount: int = 1) -> None:
        nonlocal done, last
        done += amount
        now = time.monotonic()
        if now - last >= _LOG_EVERY_S:
            last = now
            of = f" of {total:,}" if total else ""
            rate = max(done, 1) / (now - started)
            left = f", {time_left((total - done) / rate)} left" if total and done < total else ""
            log.info("%s: %s%s %s, %.0f %s/s%s", what, f"{done:,}", of, unit, rate, unit, left)

    yield advance


def time_left(seconds: float) -> str:
    """About how long it still takes, for people: nobody trusts a second of it."""
    if seconds < 55:
        return f"about {max(5, 5 * round(seconds / 5))} seconds"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"about {minutes} minute{'s' if minutes > 1 else ''}"
    return f"about {round(minutes / 60)} hours"


def _discard(_: object) -> None:
    return None
