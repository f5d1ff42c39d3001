"""Small charts as inline SVG: pure functions of values. Colors come from the page's style sheet, by class.

Every chart carries a title and a description for people who cannot see it, and refuses values that are not finite.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from markupsafe import Markup

from rag_pipeline.report import svg
from rag_pipeline.report.words import milliseconds, number, signed, visible

Tone = Literal["worse", "unsure", "fine", "even"]
"""How a figure reads: `even` where no demand stands on it and nothing can be told."""

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


def interval_chart(rows: Sequence[Whisker], *, title: str) -> Markup:
    """Differences from production with their bounds, one a line; what lies beyond a margin is shaded."""
    svg.check_finite(value for row in rows for value in (row.mean, row.lower, row.upper, row.margin or 0.0))
    if not rows:
        return svg.nothing(title)
    left, right, step = 84, 338, 34
    ends = [0.0, *(end for row in rows for end in (row.lower, row.upper, -(row.margin or 0.0)))]
    low, high = _padded(min(ends), max(ends), least=0.01)
    bottom = 8 + step * len(rows)
    x = svg.Scale(low, high, left, right)
    ticks = svg.ticks(low, high, 5)
    parts = [svg.line("grid", x(tick), 8, x(tick), bottom) for tick in ticks if tick]
    parts += [svg.text("tick middle", x(tick), bottom + 16, signed(tick, svg.digits(ticks))) for tick in ticks]
    for place, row in enumerate(rows):
        middle = 8 + step * place + step / 2
        if row.margin is not None:
            edge = x(-row.margin)
            parts.append(svg.rect("beyond", left, middle - 13, edge - left, 26))
            parts.append(svg.line("margin", edge, middle - 13, edge, middle + 13))
        parts += [
            svg.text("label end", left - 10, middle + 4, row.label),
            svg.line(f"whisker {row.tone}", x(row.lower), middle, x(row.upper), middle),
            *(svg.line(f"whisker {row.tone}", x(end), middle - 5, x(end), middle + 5) for end in (row.lower, row.upper)),
            _shape(row.tone, x(row.mean), middle),
            svg.text(f"value {row.tone}", right + 8, middle + 4, signed(row.mean)),
        ]
    parts.append(svg.line("zero", x(0), 4, x(0), bottom))
    describes = "; ".join(
        f"{row.label} {signed(row.mean)}, between {signed(row.lower)} and {signed(row.upper)}"
        + (f", margin {number(row.margin)}" if row.margin is not None else "")
        for row in rows
    )
    return svg.chart(bottom + 24, title, describes, parts)


def trend_chart(points: Sequence[Point], *, title: str, floor: float | None = None) -> Markup:
    """One metric over releases in the order given, the floor it is held to, and the current release marked."""
    svg.check_finite([*(point.value for point in points), floor or 0.0])
    if not points:
        return svg.nothing(title)
    left, right, top, bottom = 44, 388, 22, 160
    values = [point.value for point in points] + ([floor] if floor is not None else [])
    low, high = _padded(min(values), max(values), least=0.02)
    x = svg.Scale(0, len(points) - 1, left + 8 if points[1:] else (left + right) / 2, right - 8)
    y = svg.Scale(low, high, bottom, top)
    ticks = svg.ticks(low, high, 4)
    parts = [svg.line("grid", left, y(tick), right, y(tick)) for tick in ticks]
    parts += [svg.text("tick end", left - 6, y(tick) + 4, number(tick, svg.digits(ticks))) for tick in ticks]
    if floor is not None:
        parts += [
            svg.line("limit", left, y(floor), right, y(floor)),
            svg.text("limit-label", left + 4, y(floor) - 5, f"floor {floor:g}"),
        ]
    parts += [_polyline(run) for run in _runs(points, x, y)]
    parts += [_dot(point, x(place), y(point.value)) for place, point in enumerate(points)]
    parts += [
        svg.text("value middle", min(max(x(place), left + 20), right - 20), y(point.value) - 11, number(point.value))
        for place, point in enumerate(points)
        if point.current
    ]
    parts.append(svg.text("tick", left, bottom + 18, f"{points[0].at:%d %b %Y}"))
    if len(points) > 1:
        parts.append(svg.text("tick end", right, bottom + 18, f"{points[-1].at:%d %b %Y}"))
    first, last = points[0], points[-1]
    describes = (
        f"{len(points)} releases, from {number(first.value)} ({first.release}) to {number(last.value)} ({last.release}); "
        f"lowest {number(min(p.value for p in points))}, highest {number(max(p.value for p in points))}."
    )
    return svg.chart(bottom + 28, title, describes, parts)


def histogram(times_ms: Sequence[float], marks: Sequence[Mark] = (), *, title: str, bars: int = 24) -> Markup:
    """How often a query took how long. A limit far to the right of every time is an arrow at the edge, not a squeeze."""
    svg.check_finite([*times_ms, *(mark.value_ms for mark in marks)])
    if not times_ms:
        return svg.nothing(title)
    left, right, top, bottom = 34, 388, 52, 160
    within = [mark.value_ms for mark in marks if mark.value_ms <= 2.5 * max(times_ms)]
    end = max([*times_ms, *within, 0.001]) * 1.04
    counts = [0] * bars
    for value in times_ms:
        counts[min(bars - 1, max(0, int(bars * value / end)))] += 1
    x, y = svg.Scale(0, end, left, right), svg.Scale(0, max(counts), bottom, top)
    width = (right - left) / bars
    parts = [
        svg.rect("bar", left + place * width + 0.5, y(count), width - 1, bottom - y(count))
        for place, count in enumerate(counts)
    ]
    parts.append(svg.line("axis", left, bottom, right, bottom))
    ticks = [tick for tick in svg.ticks(0, end, 5) if tick >= 0]
    parts += [svg.text("tick middle", x(tick), bottom + 16, f"{tick:.{svg.digits(ticks)}f}") for tick in ticks]
    parts += [svg.text("tick end", left - 6, y(count) + 4, f"{count}") for count in dict.fromkeys((0, max(counts)))]
    for place, mark in enumerate(sorted(marks, key=lambda mark: mark.value_ms)):
        height = 12 + 14 * (place % 3)
        label, css = f"{mark.label} {milliseconds(mark.value_ms)}", "limit" if mark.kind == "limit" else "mark"
        if mark.value_ms > end:
            parts.append(svg.text(f"{css}-label end", right, height, f"{label} →"))
            continue
        at = x(mark.value_ms)
        ends = at + _LETTER * len(label) > right
        parts.append(svg.line(css, at, height - 9, at, bottom))
        parts.append(svg.text(f"{css}-label{' end' if ends else ''}", at - 4 if ends else at + 4, height, label))
    figures = "; ".join(f"{mark.label} {milliseconds(mark.value_ms)}" for mark in marks)
    describes = f"{len(times_ms)} queries took {milliseconds(min(times_ms))} to {milliseconds(max(times_ms))}; {figures}"
    return svg.chart(
        bottom + 36, title, describes, [*parts, svg.text("tick end", right, bottom + 30, "milliseconds a query")]
    )


def _runs(points: Sequence[Point], x: svg.Scale, y: svg.Scale) -> list[list[tuple[float, float]]]:
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
