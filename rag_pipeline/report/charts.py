"""Small charts as inline SVG: pure functions of values. Colors come from the page's style sheet, by class.

Every chart carries a title and a description for people who cannot see it, and refuses values that are not finite.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Literal

from markupsafe import Markup

from rag_pipeline.report.words import milliseconds, number, signed, visible

Tone = Literal["worse", "unsure", "fine", "even"]
"""How a figure reads: `even` where no demand stands on it and nothing can be told."""

_WIDTH = 400
_LETTER = 6.6
"""About how wide a letter of a label is."""
_SHAPES: dict[str, str] = {
    "worse": '<path class="{}" d="M{x} {low} l-6 -10 h12 z"/>',
    "unsure": '<path class="{}" d="M{x} {top} l5.5 5.5 l-5.5 5.5 l-5.5 -5.5 z"/>',
}
"""A shape beside each color, for people who do not see colors: triangle down, diamond, else a dot."""


@dataclass(frozen=True, slots=True)
class Whisker:
    """One difference with its bounds, and the margin it is held to, if any."""

    label: str
    mean: float
    lower: float
    upper: float
    margin: float | None
    tone: Tone


@dataclass(frozen=True, slots=True)
class Point:
    """One release of a trend. `series` tells what is comparable: the line breaks where it changes."""

    release: str
    at: datetime
    value: float
    series: str = ""
    served: bool = False
    current: bool = False


@dataclass(frozen=True, slots=True)
class Mark:
    """A line across a histogram."""

    label: str
    value_ms: float
    kind: Literal["figure", "limit"] = "figure"


class _Scale:
    """Values to places on the page, in proportion."""

    def __init__(self, low: float, high: float, start: float, end: float) -> None:
        self.low, self.start = low, start
        self.factor = (end - start) / (high - low) if high > low else 0.0

    def __call__(self, value: float) -> float:
        return self.start + (value - self.low) * self.factor


def interval_chart(rows: Sequence[Whisker], *, title: str) -> Markup:
    """Differences from production with their bounds, one a line; what lies beyond a margin is shaded."""
    _finite(value for row in rows for value in (row.mean, row.lower, row.upper, row.margin or 0.0))
    if not rows:
        return _nothing(title)
    left, right, step = 84, 338, 34
    ends = [0.0, *(end for row in rows for end in (row.lower, row.upper, -(row.margin or 0.0)))]
    low, high = _padded(min(ends), max(ends), least=0.01)
    bottom = 8 + step * len(rows)
    x = _Scale(low, high, left, right)
    ticks = _ticks(low, high, 5)
    parts = [_line("grid", x(tick), 8, x(tick), bottom) for tick in ticks if tick]
    parts += [_text("tick middle", x(tick), bottom + 16, signed(tick, _digits(ticks))) for tick in ticks]
    for place, row in enumerate(rows):
        middle = 8 + step * place + step / 2
        if row.margin is not None:
            edge = x(-row.margin)
            parts.append(_rect("beyond", left, middle - 13, edge - left, 26))
            parts.append(_line("margin", edge, middle - 13, edge, middle + 13))
        parts += [
            _text("label end", left - 10, middle + 4, row.label),
            _line(f"whisker {row.tone}", x(row.lower), middle, x(row.upper), middle),
            *(_line(f"whisker {row.tone}", x(end), middle - 5, x(end), middle + 5) for end in (row.lower, row.upper)),
            _shape(row.tone, x(row.mean), middle),
            _text(f"value {row.tone}", right + 8, middle + 4, signed(row.mean)),
        ]
    parts.append(_line("zero", x(0), 4, x(0), bottom))
    describes = "; ".join(
        f"{row.label} {signed(row.mean)}, between {signed(row.lower)} and {signed(row.upper)}"
        + (f", margin {number(row.margin)}" if row.margin is not None else "")
        for row in rows
    )
    return _svg(bottom + 24, title, describes, parts)


def trend_chart(points: Sequence[Point], *, title: str, floor: float | None = None) -> Markup:
    """One metric over releases in the order given, the floor it is held to, and the current release marked."""
    _finite([*(point.value for point in points), floor or 0.0])
    if not points:
        return _nothing(title)
    left, right, top, bottom = 44, 388, 22, 160
    values = [point.value for point in points] + ([floor] if floor is not None else [])
    low, high = _padded(min(values), max(values), least=0.02)
    x = _Scale(0, len(points) - 1, left + 8 if points[1:] else (left + right) / 2, right - 8)
    y = _Scale(low, high, bottom, top)
    ticks = _ticks(low, high, 4)
    parts = [_line("grid", left, y(tick), right, y(tick)) for tick in ticks]
    parts += [_text("tick end", left - 6, y(tick) + 4, number(tick, _digits(ticks))) for tick in ticks]
    if floor is not None:
        parts += [
            _line("limit", left, y(floor), right, y(floor)),
            _text("limit-label", left + 4, y(floor) - 5, f"floor {floor:g}"),
        ]
    parts += [_polyline(run) for run in _runs(points, x, y)]
    parts += [_dot(point, x(place), y(point.value)) for place, point in enumerate(points)]
    parts += [
        _text("value middle", min(max(x(place), left + 20), right - 20), y(point.value) - 11, number(point.value))
        for place, point in enumerate(points)
        if point.current
    ]
    parts.append(_text("tick", left, bottom + 18, f"{points[0].at:%d %b %Y}"))
    if len(points) > 1:
        parts.append(_text("tick end", right, bottom + 18, f"{points[-1].at:%d %b %Y}"))
    first, last = points[0], points[-1]
    describes = (
        f"{len(points)} releases, from {number(first.value)} ({first.release}) to {number(last.value)} ({last.release}); "
        f"lowest {number(min(p.value for p in points))}, highest {number(max(p.value for p in points))}."
    )
    return _svg(bottom + 28, title, describes, parts)


def histogram(times_ms: Sequence[float], marks: Sequence[Mark] = (), *, title: str, bars: int = 24) -> Markup:
    """How often a query took how long. A limit far to the right of every time is an arrow at the edge, not a squeeze."""
    _finite([*times_ms, *(mark.value_ms for mark in marks)])
    if not times_ms:
        return _nothing(title)
    left, right, top, bottom = 34, 388, 52, 160
    within = [mark.value_ms for mark in marks if mark.value_ms <= 2.5 * max(times_ms)]
    end = max([*times_ms, *within, 0.001]) * 1.04
    counts = [0] * bars
    for value in times_ms:
        counts[min(bars - 1, max(0, int(bars * value / end)))] += 1
    x, y = _Scale(0, end, left, right), _Scale(0, max(counts), bottom, top)
    width = (right - left) / bars
    parts = [
        _rect("bar", left + place * width + 0.5, y(count), width - 1, bottom - y(count))
        for place, count in enumerate(counts)
    ]
    parts.append(_line("axis", left, bottom, right, bottom))
    ticks = [tick for tick in _ticks(0, end, 5) if tick >= 0]
    parts += [_text("tick middle", x(tick), bottom + 16, f"{tick:.{_digits(ticks)}f}") for tick in ticks]
    parts += [_text("tick end", left - 6, y(count) + 4, f"{count}") for count in dict.fromkeys((0, max(counts)))]
    for place, mark in enumerate(sorted(marks, key=lambda mark: mark.value_ms)):
        height = 12 + 14 * (place % 3)
        label, css = f"{mark.label} {milliseconds(mark.value_ms)}", "limit" if mark.kind == "limit" else "mark"
        if mark.value_ms > end:
            parts.append(_text(f"{css}-label end", right, height, f"{label} →"))
            continue
        at = x(mark.value_ms)
        ends = at + _LETTER * len(label) > right
        parts.append(_line(css, at, height - 9, at, bottom))
        parts.append(_text(f"{css}-label{' end' if ends else ''}", at - 4 if ends else at + 4, height, label))
    figures = "; ".join(f"{mark.label} {milliseconds(mark.value_ms)}" for mark in marks)
    describes = f"{len(times_ms)} queries took {milliseconds(min(times_ms))} to {milliseconds(max(times_ms))}; {figures}"
    return _svg(bottom + 36, title, describes, [*parts, _text("tick end", right, bottom + 30, "milliseconds a query")])


def _runs(points: Sequence[Point], x: _Scale, y: _Scale) -> list[list[tuple[float, float]]]:
    """Pieces of the line: one for every stretch of releases measured on the same golden set."""
    runs: list[list[tuple[float, float]]] = []
    for place, point in enumerate(points):
        if not place or points[place - 1].series != point.series:
            runs.append([])
        runs[-1].append((x(place), y(point.value)))
    return [run for run in runs if len(run) > 1]


def _polyline(run: list[tuple[float, float]]) -> Markup:
    return Markup('<polyline class="trend" points="{}"/>').format(" ".join(f"{x:.1f},{y:.1f}" for x, y in run))


def _dot(point: Point, x: float, y: float) -> Markup:
    css = f"dot{' served' if point.served else ''}{' current' if point.current else ''}"
    says = f"{point.release}: {number(point.value)}" + (", served" if point.served else ", not promoted")
    return Markup('<circle class="{}" cx="{:.1f}" cy="{:.1f}" r="{}"><title>{}</title></circle>').format(
        css, x, y, 6 if point.current else 3.5, visible(says)
    )


def _shape(tone: str, x: float, middle: float) -> Markup:
    css = f"point {tone}"
    if tone not in _SHAPES:
        return Markup('<circle class="{}" cx="{:.1f}" cy="{:.1f}" r="5"/>').format(css, x, middle)
    return Markup(_SHAPES[tone]).format(css, x=f"{x:.1f}", low=f"{middle + 5:.1f}", top=f"{middle - 5.5:.1f}")


def _padded(low: float, high: float, *, least: float) -> tuple[float, float]:
    """A range with air on both sides, and never without width."""
    air = max((high - low) * 0.08, (least - (high - low)) / 2)
    return low - air, high + air


def _ticks(low: float, high: float, about: int) -> list[float]:
    """Round numbers within a range, some `about` of them."""
    raw = (high - low) / about
    unit = 10.0 ** math.floor(math.log10(raw))
    step = unit * next(factor for factor in (1, 2, 5, 10) if unit * factor >= raw * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(place * step, 12) for place in range(first, last + 1)]


def _digits(ticks: Sequence[float]) -> int:
    """Decimals that tell ticks apart."""
    step = min((b - a for a, b in pairwise(ticks)), default=1.0)
    return max(0, -math.floor(math.log10(step) + 1e-9))


def _finite(values: Iterable[float]) -> None:
    if not all(map(math.isfinite, values)):
        raise ValueError("a chart can draw finite values only; leave out what is not a number before")


def _svg(height: float, title: str, describes: str, parts: Iterable[Markup]) -> Markup:
    return Markup('<svg role="img" viewBox="0 0 {} {:.0f}"><title>{}</title><desc>{}</desc>{}</svg>').format(
        _WIDTH, height, visible(title), visible(describes), Markup("").join(parts)
    )


def _nothing(title: str) -> Markup:
    return _svg(40, title, "There are no values to draw.", [_text("tick middle", _WIDTH / 2, 24, "no values")])


def _line(css: str, x1: float, y1: float, x2: float, y2: float) -> Markup:
    return Markup('<line class="{}" x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}"/>').format(css, x1, y1, x2, y2)


def _rect(css: str, x: float, y: float, width: float, height: float) -> Markup:
    return Markup('<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>').format(
        css, x, y, max(width, 0), max(height, 0)
    )


def _text(css: str, x: float, y: float, text: str) -> Markup:
    return Markup('<text class="{}" x="{:.1f}" y="{:.1f}">{}</text>').format(css, x, y, visible(text))
