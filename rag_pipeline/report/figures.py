"""What was measured on one golden set, as the page shows it: every figure with its bounds, its margin and its meaning."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from markupsafe import Markup

from rag_pipeline.evaluate.compare import Interval, share_bounds
from rag_pipeline.evaluate.evidence import Evidence, SetEvidence, average
from rag_pipeline.gate.demands import compared
from rag_pipeline.gate.enough import Enough, enough_of
from rag_pipeline.gate.policy import ChannelPolicy, NotWorse, SetPolicy
from rag_pipeline.report.charts import Tone, Whisker, interval_chart

FEW_QUERIES = 59
"""Fewer queries say little about a slice: with no loss in n queries up to about 3/n of all may be lost, 5 % at 59."""

_CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Figure:
    """One metric of this release, and against production where that was measured."""

    label: str
    queries: int
    candidate: float
    production: float | None
    found: Interval | None
    """None without production, or where a value is not a number."""
    margin: float | None
    floor: float | None
    word: str
    tone: Tone
    """How it reads in all: the difference, and the floor."""
    drawn: Tone
    """How the difference alone reads."""

    @property
    def few(self) -> bool:
        return self.queries < FEW_QUERIES


@dataclass(frozen=True, slots=True)
class Answers:
    """Queries that production answers in its first `depth` and this release does not, and the other way round."""

    depth: int
    lost: int
    won: int
    queries: int
    at_most: float
    """Exact upper bound of the share that is lost."""
    limit: float | None


@dataclass(frozen=True, slots=True)
class SetView:
    """One golden set on the page."""

    name: str
    measured: SetEvidence
    critical: bool
    machine: bool
    confidence: float
    figures: tuple[Figure, ...]
    primary: Figure | None
    answers: Answers | None
    judged: tuple[float, float | None] | None
    """judged@10 of this release and of production"""
    slices: tuple[tuple[str, tuple[Figure, ...]], ...]
    chart: Markup
    questions: Mapping[str, str]
    enough: Enough | None = None
    """How many judged queries could pass a release."""

    @property
    def modes(self) -> list[tuple[str, dict[str, float]]]:
        """Ways to retrieve, in the order of their names."""
        return sorted(self.measured.modes.items())

    @property
    def vanished(self) -> frozenset[tuple[str, str, str, str]]:
        """Judgments that count as lost, because production can meet them still."""
        return frozenset(one.judgment for one in self.measured.vanished)

    @property
    def mode_metrics(self) -> list[str]:
        named = {metric for values in self.measured.modes.values() for metric in values}
        return [figure.label for figure in self.figures if figure.label in named]

    @property
    def lost(self) -> int:
        """Queries that score less than in production by the set's own measure."""
        measured = self.measured
        both = measured.primary in measured.values and measured.primary in (measured.production or {})
        return sum(one < 0 for one in measured.differences(measured.primary)) if both else 0

    @property
    def margins(self) -> bool:
        """Whether a demand stands on some difference."""
        return any(one.margin is not None for one in self.figures)

    def best(self, metric: str) -> float:
        return max((values[metric] for values in self.measured.modes.values() if metric in values), default=math.inf)


def set_views(
    evidence: Evidence, demands: ChannelPolicy | None, questions: Mapping[str, Mapping[str, str]]
) -> tuple[SetView, ...]:
    """Every golden set that was measured. Sets the policy does not name are held to its defaults, as by the gate."""
    return tuple(
        _set_view(name, measured, _demands(demands, name), questions.get(name, {}))
        for name, measured in evidence.golden_sets.items()
    )


def _demands(demands: ChannelPolicy | None, name: str) -> SetPolicy | None:
    return demands.golden_sets.get(name, SetPolicy()) if demands else None


def _set_view(name: str, measured: SetEvidence, demands: SetPolicy | None, questions: Mapping[str, str]) -> SetView:
    machine = measured.made_by == "machine"
    wanted = demands.not_worse if demands and not machine else None
    confidence = wanted.confidence if wanted else _CONFIDENCE
    floors = demands.floors if demands else {}
    margins = _margins(wanted)
    figures = tuple(
        _figure(metric, metric, measured, None, _Demand(confidence, margins.get(metric), floors.get(metric)))
        for metric in measured.values
    )
    first = wanted.metric if wanted else measured.primary
    figures = tuple(sorted(figures, key=lambda one: (one.label != first, one.margin is None, one.floor is None)))
    judged = next((one for one in figures if one.label == "judged@10"), None)
    shown = tuple(one for one in figures if one is not judged)
    return SetView(
        name=name,
        measured=measured,
        critical=demands.critical if demands else True,
        machine=machine,
        confidence=confidence,
        figures=shown,
        primary=next((one for one in shown if one.label == first), None),
        answers=_answers(measured, wanted, confidence),
        judged=(judged.candidate, judged.production) if judged else None,
        slices=tuple(_slices(measured, demands, wanted, confidence)),
        chart=interval_chart(
            [
                Whisker(one.label, one.found.mean, one.found.lower, one.found.upper, one.margin, one.drawn)
                for one in shown
                if one.found and math.isfinite(one.found.lower) and math.isfinite(one.found.upper)
            ],
            title=f"{name}: this release minus production, with {100 * confidence:g} % bounds",
        ),
        questions=questions,
        enough=enough_of(name, measured, demands) if demands else None,
    )


def _margins(wanted: NotWorse | None) -> dict[str, float]:
    """metric -> margin. The metric of the policy comes last, since one may name the same metric twice."""
    if wanted is None:
        return {}
    guard = {f"recall@{wanted.guard_k}": wanted.guard_margin} if wanted.guard_margin is not None else {}
    return {**guard, wanted.metric: wanted.margin}


@dataclass(frozen=True, slots=True)
class _Demand:
    """What the policy asks of a figure, if it asks anything."""

    confidence: float
    margin: float | None
    floor: float | None


def _figure(label: str, metric: str, measured: SetEvidence, places: list[int] | None, asked: _Demand) -> Figure:
    margin, floor = asked.margin, asked.floor
    mine = _at(measured.values[metric], places)
    theirs = _at(measured.production[metric], places) if measured.production and metric in measured.production else None
    found = None
    if theirs is not None and all(map(math.isfinite, (*mine, *theirs))):
        found = compared(measured, metric, asked.confidence, places)
    word, tone = _reading(found, margin, compared_at_all=theirs is not None)
    candidate, drawn = average(mine), tone
    if floor is not None and not candidate >= floor:
        word, tone = ("worse, below its floor" if word == "worse" else "below its floor"), "worse"
    before = average(theirs) if theirs is not None else None
    return Figure(label, len(mine), candidate, before, found, margin, floor, word, tone, drawn)


def _at(values: list[float], places: list[int] | None) -> list[float]:
    return values if places is None else [values[place] for place in places]


def _reading(found: Interval | None, margin: float | None, *, compared_at_all: bool) -> tuple[str, Tone]:
    """How a difference reads, in a word: against its margin, or against nothing changed where no demand stands on it."""
    if found is None:
        return ("not a number", "worse") if compared_at_all else ("not compared", "even")
    if found.lower > 0:
        return "better", "fine"
    if margin is not None and found.lower >= -margin:
        return "not worse", "fine"
    if found.upper < -(margin or 0.0):
        return "worse", "worse"
    return ("inconclusive", "unsure") if margin is not None else ("no clear change", "even")


def _answers(measured: SetEvidence, wanted: NotWorse | None, confidence: float) -> Answers | None:
    depth = wanted.guard_k if wanted else 10
    hit = f"hit@{depth}"
    if measured.production is None or hit not in measured.values or hit not in measured.production:
        return None
    differences = measured.differences(hit)
    lost, won = sum(one < 0 for one in differences), sum(one > 0 for one in differences)
    limit = None
    if wanted:
        gain = wanted.metric in measured.values and compared(measured, wanted.metric, confidence).lower > 0
        limit = wanted.lost_max_percent(gain=gain)
    upper = share_bounds(lost, measured.queries, confidence=confidence)[1] if measured.queries else 1.0
    return Answers(depth, lost, won, measured.queries, upper, limit / 100 if limit is not None else None)


def _slices(
    measured: SetEvidence, demands: SetPolicy | None, wanted: NotWorse | None, confidence: float
) -> Iterator[tuple[str, tuple[Figure, ...]]]:
    """Every slice by the metric the gate looks at, worst difference first."""
    metric = wanted.metric if wanted else measured.primary
    if metric not in measured.values:
        return
    for field_name in measured.slices:
        held = demands.slices.get(field_name, {}) if demands else {}
        figures = []
        for value, places in measured.members(field_name).items():
            own = held.get(value)
            margin = own.margin if own and wanted else None
            floor = own.floors.get(metric) if own else None
            figures.append(_figure(value, metric, measured, places, _Demand(confidence, margin, floor)))
        yield field_name, tuple(sorted(figures, key=lambda one: one.found.mean if one.found else 0.0))
