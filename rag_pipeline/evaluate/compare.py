"""The statistics of a comparison by pairs: is a release not worse than production, on the same queries?

Everything here is a pure function of differences (release minus production, one for each query) and seeded, so that the
same evidence gives the same verdict. Formulas and what they were measured to do: docs/evaluation.md.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

DRAWS = 10_000
_SEED = 20_240_229
_POWER = 0.8416
"""Normal quantile of 80 %: how sure one wants to be to see what is there."""

Differences = Sequence[float] | NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Interval:
    """The mean difference with its one-sided bounds; both together hold it with twice the error of one."""

    queries: int
    mean: float
    lower: float
    upper: float
    sd: float
    imagined: float
    """What the imagined query of the lower bound lost."""
    detectable: float
    """The smallest loss these queries would show four times out of five."""


def interval(differences: Differences, *, confidence: float = 0.95, typical: float = 0.0) -> Interval:
    """The mean of paired differences with one-sided bounds, by percentile bootstrap with one imagined query on each side.

    A plain bootstrap cannot imagine a loss it has not seen: with few queries that lose much it passes a release at the
    margin 12 % of the time instead of 5 % (benchmarks/gate_power.py). So the lower bound is drawn with one more query
    that lost as much as the worst seen, or `typical` (what an answered query scores in production) where that is more;
    the upper bound with one that gained as much. Sources: Efron and Tibshirani 1993, chapter 13; Agresti and Coull 1998
    for the imagined observations.
    """
    values = np.asarray(differences, dtype=np.float64)
    n = len(values)
    if not n:
        return Interval(0, 0.0, -math.inf, math.inf, math.inf, 1.0, math.inf)
    worst, best = max(typical, -float(values.min())), max(typical, float(values.max()))
    tail, sd = 1 - confidence, float(values.std(ddof=1)) if n > 1 else math.inf
    return Interval(
        queries=n,
        mean=float(values.mean()),
        lower=_quantile(np.append(values, -worst).tobytes(), tail),
        upper=_quantile(np.append(values, best).tobytes(), confidence),
        sd=sd,
        imagined=worst,
        detectable=(quantile(confidence) + _POWER) * max(sd, worst / math.sqrt(n)) / math.sqrt(n),
    )


def seen_bounds(differences: Differences, *, confidence: float = 0.95) -> tuple[float, float]:
    """The bounds of what was seen alone, by percentile bootstrap without an imagined query: nothing lost, nothing feared.

    For a demand that must not refuse a release that changed nothing, however few the queries are. Without queries: 0 and 0.
    """
    values = np.asarray(differences, dtype=np.float64)
    if not values.any():
        return 0.0, 0.0
    return _quantile(values.tobytes(), 1 - confidence), _quantile(values.tobytes(), confidence)


def half_the_error(confidence: float) -> float:
    """The confidence of a bound that has one more try beside another: half the error of one comparison."""
    return (1 + confidence) / 2


def answered_score(values: Sequence[float]) -> float:
    """What a query scores that is answered: the mean of those above 0, which is score / hits; 0 where none is.

    It is what a query loses that loses its answer. The mean of all is less: with it up to 30 % of the golden sets that
    score .40 let a release at the margin pass, instead of 5 %.
    """
    found = [value for value in values if value > 0]
    return math.fsum(found) / len(found) if found else 0.0


@lru_cache(maxsize=64)
def _quantile(differences: bytes, share: float) -> float:
    """A quantile of the mean of these float64 under resampling. Gate and report ask for the same ones: a second for 10,000.

    Ranks are drawn, with the same numbers for as many values: so whoever scores lower on some query has no draw that
    comes out higher, and a further loss can never turn a refusal into a pass by the luck of the draw.
    """
    generator, ordered = np.random.default_rng(_SEED), np.sort(np.frombuffer(differences))
    n = len(ordered)
    means, part = [], max(1, 8_000_000 // n)
    for start in range(0, DRAWS, part):
        ranks = generator.integers(0, n, size=(min(part, DRAWS - start), n), dtype=np.int32)
        means.append(ordered[ranks].mean(axis=1))
    return float(np.quantile(np.concatenate(means), share))


def quantile(confidence: float) -> float:
    """The quantile of the standard normal distribution: 1.645 for .95."""
    return NormalDist().inv_cdf(confidence)


def share_bounds(cases: int, queries: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """One-sided exact bounds of a share (Clopper and Pearson 1934): lower, upper. Without queries: 0 and 1."""
    from scipy.special import betaincinv

    lower = float(betaincinv(cases, queries - cases + 1, 1 - confidence)) if cases else 0.0
    upper = float(betaincinv(cases + 1, queries - cases, confidence)) if cases < queries else 1.0
    return lower, upper


def more_for_margin(found: Interval, margin: float, *, confidence: float = 0.95) -> int | None:
    """How many more judged queries would decide, four times out of five, if they turn out as these did.

    None when the difference lies so near the margin that ten thousand would not.
    """
    distance = abs(found.mean + margin)
    if not found.queries or not distance > 1e-9:  # so that NaN is left out too
        return None
    sd = found.sd if found.queries > 1 else 0.0
    needed = _needed(found.imagined if found.mean > -margin else 0.0, sd, distance, confidence)
    return max(1, needed - found.queries) if needed <= 10_000 else None


def enough_for_margin(answered: float, margin: float, *, sd: float = 0.0, confidence: float = 0.95) -> int | None:
    """Queries from which a release that is no worse can be shown to be so: what the imagined query asks for, or the scatter.

    `answered`: what an answered query scores. With `sd` 0 no answer changes, and the imagined query alone decides; else four
    times out of five. None for a margin of 0, which no number of queries can show.
    """
    if margin <= 0:
        return None
    return _needed(answered, sd, margin, confidence)


def _needed(imagined: float, sd: float, distance: float, confidence: float) -> int:
    """Queries with which a bound lies within a distance of the truth four times out of five.

    The imagined query moves the mean by its share and widens the scatter; the bound lies so far below the mean, and the mean
    itself so far below the truth in one case out of five. Without scatter, only what a resample holds of the imagined one
    counts.
    """

    def reach(n: int) -> float:
        around = quantile(confidence) * math.sqrt(sd**2 + imagined**2 / n) + _POWER * sd
        return imagined / n + around / math.sqrt(n)

    low = max(1, math.ceil(_copies(confidence) * imagined / distance - 1e-9))
    if not sd or reach(low) <= distance:
        return low
    high = low
    while reach(high) > distance:
        high *= 2
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if reach(middle) > distance else (low, middle)
    return low


def _copies(confidence: float) -> int:
    """How often a resample holds one given query at most, with this confidence: 3 times 98 % of the time, 2 times 92 %."""
    copies, share = 0, math.exp(-1)
    held = share
    while held < confidence:
        copies += 1
        share /= copies
        held += share
    return copies


def enough_for_share(limit: float, *, confidence: float = 0.95) -> int | None:
    """Queries from which no case at all bounds a share by `limit`: 59 for 5 %. None for a limit of 0."""
    return more_for_share(0, 0, limit, confidence=confidence)


def more_for_share(cases: int, queries: int, limit: float, *, confidence: float = 0.95) -> int | None:
    """How many more queries without a further case would bring the upper bound of a share down to `limit`."""
    if cases / max(queries, 1) >= limit:
        return None
    low, high = queries, max(queries, 1)
    while share_bounds(cases, high, confidence=confidence)[1] > limit:
        high *= 2
    while low < high:
        middle = (low + high) // 2
        if share_bounds(cases, middle, confidence=confidence)[1] > limit:
            low = middle + 1
        else:
            high = middle
    return max(1, low - queries)


def lost_by_chance(differences: Differences) -> float:
    """p-value of "got worse" by random signs (Fisher 1935), one-sided, seeded. 1.0 where nothing changed."""
    changed = np.asarray([value for value in differences if value], dtype=np.float64)
    if not len(changed):
        return 1.0
    generator = np.random.default_rng(_SEED)
    signs = generator.integers(0, 2, size=(DRAWS, len(changed)), dtype=np.int8) * 2 - 1
    as_low = int(np.sum(signs @ changed <= changed.sum() + 1e-12))
    return (as_low + 1) / (DRAWS + 1)


def holm(p_values: Mapping[str, float], *, alpha: float = 0.05) -> list[str]:
    """Names that got worse beyond chance, all of them together wrong at most `alpha` of the time (Holm 1979)."""
    worse = []
    for place, (name, p) in enumerate(sorted(p_values.items(), key=lambda item: (item[1], item[0]))):
        if p > alpha / (len(p_values) - place):
            break
        worse.append(name)
    return worse
