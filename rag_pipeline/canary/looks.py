"""Whether a canary is to be stopped, from counts alone: at fixed looks, each of which may be wrong by chance only so often.

Errors and slow answers of both arms are compared by the exact test of Fisher (hypergeometric), which holds for any rate and
any split. The chance of a false alarm over all looks is bounded: each look spends a part of it, by the function of O'Brien
and Fleming up to 400 queries ("A multiple testing procedure for clinical trials", 1979; Lan and DeMets, 1983), and a little
more with each doubling after that. The parts add up, so nothing is assumed about how looks depend on each other.
"""

import math
from dataclasses import dataclass

from rag_pipeline.canary.arms import Arms

FIRST = (50, 100, 200, 300, 400)
"""Queries of the canary arm at the first looks; then at every doubling."""
_FULL = FIRST[-1]

ERRORS = (0.008, 0.004)
SLOW = (0.004, 0.002)
"""Chances of a false alarm by errors and by slow answers: those of the first looks, and those of all later ones together."""

TIMES = 3
_LATER_BUCKETS = 21
"""Buckets of a twentieth each that make three times as long, less where in its bucket the 95th percentile may lie."""
_SLOW_SHARE = 0.025
"""One answer in forty; where the 95th percentile is three times as high, one in twenty is slower than that."""
LEAST_ANSWERS = 200
"""Answers of each arm below which nothing is said of their times."""
_ALONE = 50
"""Queries of the stable arm below which errors are held against `_USUAL` instead."""
_USUAL = 0.01

FAILED_OPENS = 5
"""Failed attempts in a row to open the canary's release after which a replica stops it."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a look found. `at`: the look, in queries of the canary arm; `stop`: why it is to be stopped, or empty."""

    at: int
    stop: str = ""


def look(arms: Arms, looked: int) -> Look | None:
    """Take the next look, if one is due. `looked`: where the last one was, 0 before the first."""
    due = _due(arms.canary.queries)
    if due <= looked:
        return None
    return Look(due, _errors(arms, looked, due) or _slow(arms, looked, due))


def spent(at: int, chances: tuple[float, float]) -> float:
    """How much of the chance of a false alarm looks up to this one may have spent."""
    first, later = chances
    if at <= 0:
        return 0.0
    if at > _FULL:
        return first + later * (1 - _FULL / at)
    from scipy.special import ndtr, ndtri  # a quarter of a second, which who loads the graph need not wait for

    return float(2 * (1 - ndtr(ndtri(1 - first / 2) / math.sqrt(at / _FULL))))


def _due(queries: int) -> int:
    passed = [at for at in FIRST if at <= queries]
    at = passed[-1] if passed else 0
    while at >= _FULL and 2 * at <= queries:
        at *= 2
    return at


def _errors(arms: Arms, looked: int, due: int) -> str:
    stable, canary = arms.stable, arms.canary
    if not canary.errors:
        return ""
    if stable.queries >= _ALONE:
        chance = _fisher(canary.errors, canary.queries, stable.errors, stable.queries)
        against = f"{stable.errors:,} of {stable.queries:,} of the stable one"
    else:
        from scipy.stats import binom

        chance = float(binom.sf(canary.errors - 1, canary.queries, _USUAL))
        against = f"{_USUAL:.0%} that is usual, as the stable one has too few"
    if chance > spent(due, ERRORS) - spent(looked, ERRORS):
        return ""
    return f"errors: {canary.errors:,} of {canary.queries:,} queries failed, against {against} (chance {chance:.2g})"


def _slow(arms: Arms, looked: int, due: int) -> str:
    stable, canary = arms.stable, arms.canary
    usual = stable.bucket_at(0.95)
    if usual is None or min(stable.answers, canary.answers) < LEAST_ANSWERS:
        return ""
    limit = usual + _LATER_BUCKETS
    slow = canary.slower_than(limit)
    if slow < _SLOW_SHARE * canary.answers:
        return ""
    chance = _fisher(slow, canary.answers, stable.slower_than(limit), stable.answers)
    if chance > spent(due, SLOW) - spent(looked, SLOW):
        return ""
    return (
        f"p95: {slow:,} of {canary.answers:,} answers took {TIMES} times as long as the stable arm's p95 "
        f"({stable.quantile_ms(0.95):g} ms) or longer; its own is {canary.quantile_ms(0.95):g} ms (chance {chance:.2g})"
    )


def _fisher(mine: int, of_mine: int, others: int, of_others: int) -> float:
    """How likely so many or more of both are mine, if they fall on all alike."""
    from scipy.stats import hypergeom

    return float(hypergeom.sf(mine - 1, of_mine + of_others, mine + others, of_mine))
