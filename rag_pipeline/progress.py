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

_BAR = "{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}, {rate_fmt}{postfix}]"
"""The bar as tqdm draws it, with our own word on what is left."""


class Advance(Protocol):
    def __call__(self, amount: int = 1, work: float | None = None) -> None: ...


@contextmanager
def progress(what: str, total: int | None, *, unit: str, work: float | None = None) -> Iterator[Advance]:
    """Show how far `what` has come while the block runs; call what is yielded with the units just done.

    `work`: how much there is to do, where units are not alike (characters of texts); then `advance` is told how much of it
    was done too, and what is left is judged by that.
    """
    if sys.stderr.isatty():
        from tqdm import tqdm

        form = _BAR if total else None

        with tqdm(total=total, desc=one_line(what), unit=f" {unit}", file=sys.stderr, leave=True, bar_format=form) as bar:
            left = _Left(total, work)

            def show(amount: int = 1, work: float | None = None) -> None:
                bar.set_postfix_str(left.after(amount, work), refresh=False)
                bar.update(amount)

            yield show
        return

    left, done = _Left(total, work), 0
    started = last = time.monotonic()

    def advance(amount: int = 1, work: float | None = None) -> None:
        nonlocal done, last
        done += amount
        says = left.after(amount, work)
        now = time.monotonic()
        if now - last >= _LOG_EVERY_S:
            last = now
            of = f" of {total:,}" if total else ""
            rate = done / (now - started)
            log.info("%s: %s%s %s, %.0f %s/s%s", what, f"{done:,}", of, unit, rate, unit, f", {says}" if says else "")

    yield advance


class _Left:
    """How long it still takes, from what is done so far."""

    def __init__(self, total: int | None, work: float | None) -> None:
        self._total = work or total or 0
        self._done, self._started = 0.0, time.monotonic()

    def after(self, amount: int, work: float | None) -> str:
        """What to say when so much more was done; "" when nobody can tell, or all is done."""
        self._done += amount if work is None else work
        if not 0 < self._done < self._total:
            return ""
        return f"{time_left((time.monotonic() - self._started) * (self._total - self._done) / self._done)} left"


def time_left(seconds: float) -> str:
    """About how long it still takes, for people: nobody trusts a second of it."""
    if seconds < 55:
        return f"about {max(5, 5 * round(seconds / 5))} seconds"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"about {minutes} minute{'s' if minutes > 1 else ''}"
    return f"about {round(minutes / 60)} hours"
