"""Whether replicas serve as the policy promises: their counts of the last hour, added up. Values in, values out."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from rag_pipeline.gate.figures import Figure
from rag_pipeline.gate.traffic_policy import ServingPolicy
from rag_pipeline.replicas.standing import Standing
from rag_pipeline.replicas.tally import BOUNDS_MS, MINUTES, Minute, quantile_ms

WINDOW = timedelta(minutes=MINUTES)


@dataclass(frozen=True, slots=True)
class Counts:
    """Requests of the last hour, what callers did wrong left out."""

    answered: int
    errors: int
    refused: int
    degraded: int
    p50_ms: float | None
    """None without answers."""
    p95_ms: float | None
    problems: tuple[tuple[str, int], ...] = ()
    """Problem and how often, the most frequent first."""

    @property
    def requests(self) -> int:
        return self.answered + self.errors + self.refused

    def percent(self, part: int) -> float:
        """The share of all requests in percent; 0 without any."""
        return 100 * part / self.requests if self.requests else 0.0


def counted(minutes: Iterable[Minute], now: datetime) -> Counts:
    """What some minutes of one or more replicas add up to; those more than an hour ago are left out."""
    since = int((now - WINDOW).timestamp() // 60)
    mine = [one for one in minutes if one.start > since]
    answered = [sum(one.answered[place] for one in mine) for place in range(len(BOUNDS_MS) + 1)]
    errors, refused = _sum(one.errors for one in mine), _sum(one.refused for one in mine)
    return Counts(
        answered=sum(answered),
        errors=errors.total(),
        refused=refused.total(),
        degraded=_sum(one.degraded for one in mine).total(),
        p50_ms=quantile_ms(answered, 0.5),
        p95_ms=quantile_ms(answered, 0.95),
        problems=tuple((errors + refused).most_common()),
    )


def _sum(parts: Iterable[dict[str, int]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for one in parts:
        total.update(one)
    return total


def figures(counts: Counts, wanted: ServingPolicy) -> list[Figure]:
    """What was counted against what is promised; without limits where the requests are too few to tell."""
    enough = counts.requests >= wanted.least
    found = [Figure("requests in the last hour", counts.requests)]
    for name, value, limit in (
        ("p50_ms", counts.p50_ms, wanted.p50_ms),
        ("p95_ms", counts.p95_ms, wanted.p95_ms),
        ("errors percent", counts.percent(counts.errors), wanted.errors_max_percent),
        ("refused percent", counts.percent(counts.refused), wanted.refused_max_percent),
        ("degraded percent", counts.percent(counts.degraded), wanted.degraded_max_percent),
    ):
        if value is not None:
            found.append(Figure(name, value, limit if enough else None, at_most=True))
    return found


def troubles(found: Sequence[Standing], now: datetime) -> list[str]:
    """What is wrong with replicas of the last hour, a line each: gone without a word, or not serving as they should."""
    lines = []
    for one in found:
        if now - one.written_at > WINDOW:
            continue
        if one.is_silent(now):
            lines.append(
                f"{one.replica} ({one.url}) has been silent since {one.written_at:%Y-%m-%d %H:%M:%S} UTC and did not end in "
                "order: it was killed, or its machine is gone. Start it again; this is said for an hour"
            )
        elif one.ended_at is None:
            lines += [
                f"{one.replica} ({one.url}), {name}: {serves.trouble}"
                for name, serves in one.channels.items()
                if serves.trouble
            ]
    return lines
