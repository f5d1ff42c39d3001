"""The figures a verdict rests on, each beside the limit it is held against: numbers that are plotted night after night.

It decides nothing. What it tells follows from the same functions and the same policy as the decision.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from rag_pipeline.evaluate.compare import share_bounds
from rag_pipeline.evaluate.evidence import Evidence, SetEvidence, average
from rag_pipeline.gate.demands import compared, sound
from rag_pipeline.gate.policy import LatencyPolicy, NotWorse, Policy, SetPolicy


@dataclass(frozen=True, slots=True)
class Figure:
    """One number. `limit`: the least it may be, or the most where `at_most`; None where nothing is demanded of it."""

    name: str
    value: float
    limit: float | None = None
    at_most: bool = False

    @property
    def holds(self) -> bool:
        if self.limit is None:
            return True
        return self.value <= self.limit if self.at_most else self.value >= self.limit  # NaN holds neither way

    def __str__(self) -> str:
        demanded = "" if self.limit is None else f", at {'most' if self.at_most else 'least'} {self.limit:g}"
        return f"{self.name} {self.value:.4g}{demanded}"


def overlap_name(golden_set: str) -> str:
    """What the figure is called that says how alike the answers of candidate and production are."""
    return f"{golden_set}/overlap@10 with production"


def vanished_name(golden_set: str) -> str:
    """What the figure is called that says how many judged answers are gone."""
    return f"{golden_set}/vanished answers percent"


def numbers(figures: list[Figure]) -> dict[str, float]:
    """Name -> value, and `<name> limit` -> its limit."""
    found = {one.name: round(one.value, 6) for one in figures if math.isfinite(one.value)}
    return found | {f"{one.name} limit": one.limit for one in figures if one.limit is not None}


def figures_of(evidence: Evidence, policy: Policy, channel: str) -> list[Figure]:
    """What was measured on a release, against what a channel demands."""
    wanted = policy.channel(channel)
    found: list[Figure] = []
    for name, measured in evidence.golden_sets.items():
        if sound(measured) and measured.queries:
            found += _of_set(name, measured, policy.demands_on(name, channel, made_by=measured.made_by))
        if measured.overlap_at_10 is not None:
            found.append(Figure(overlap_name(name), measured.overlap_at_10, wanted.overlap_at_10_min))
    if evidence.approximate_recall is not None:
        found.append(Figure("approximate recall@10", evidence.approximate_recall, wanted.approximate_recall_min))
    return [*found, *_latency(evidence, wanted.latency)]


def _of_set(name: str, measured: SetEvidence, demands: SetPolicy) -> Iterator[Figure]:
    for metric, floor in demands.floors.items():
        if metric in measured.values:
            yield Figure(f"{name}/{metric}", average(measured.values[metric]), floor)
    if measured.judgments:
        dead = 100 * len(measured.dead(and_vanished=not demands.not_worse)) / measured.judgments
        yield Figure(f"{name}/dead judgments percent", dead, demands.dead_judgments_max_percent, at_most=True)
    if demands.not_worse and measured.production is not None:
        yield from _against_production(name, measured, demands.not_worse)


def _against_production(name: str, measured: SetEvidence, wanted: NotWorse) -> Iterator[Figure]:
    both = measured.values.keys() & (measured.production or {}).keys()
    margins = {wanted.metric: wanted.margin}
    if wanted.guard_margin is not None:
        margins.setdefault(f"recall@{wanted.guard_k}", wanted.guard_margin)
    for metric, margin in margins.items():
        if metric in both:
            difference = compared(measured, metric, wanted.confidence)
            yield Figure(f"{name}/{metric} difference", difference.mean)
            yield Figure(f"{name}/{metric} lower bound", difference.lower, -margin)
    hit = f"hit@{wanted.guard_k}"
    if hit in both and wanted.hit_to_miss_max_percent is not None:
        lost = sum(one < 0 for one in measured.differences(hit))
        _, upper = share_bounds(lost, measured.queries, confidence=wanted.confidence)
        gain = wanted.metric in both and compared(measured, wanted.metric, wanted.confidence).lower > 0
        yield Figure(f"{name}/lost answers percent", 100 * lost / measured.queries)
        limit = wanted.lost_max_percent(gain=gain)
        yield Figure(f"{name}/lost answers percent upper bound", 100 * upper, limit, at_most=True)
    if measured.judgments:
        vanished = 100 * len(measured.vanished) / measured.judgments
        yield Figure(vanished_name(name), vanished, wanted.vanished_max_percent, at_most=True)


def _latency(evidence: Evidence, wanted: LatencyPolicy) -> Iterator[Figure]:
    for one in evidence.latency:
        if one.concurrency == wanted.concurrency:
            yield Figure("latency_p50_ms", one.p50_ms, wanted.p50_ms, at_most=True)
            yield Figure("latency_p95_ms", one.p95_ms, wanted.p95_ms, at_most=True)
