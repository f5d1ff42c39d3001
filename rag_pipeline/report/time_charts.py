"""Charts over time as inline SVG: lines or bars by day or hour, with what happened in between marked. Pure."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from markupsafe import Markup

from rag_pipeline.report import svg
from rag_pipeline.report.words import number, visible

_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 390, 26, 140
_APART = 13
"""How far numbers of marks stand from each other at least; a mark between them has its line alone."""
_LETTER = 6.2

Css = Literal["first", "second", "third"]
_STYLES: tuple[Css, ...] = ("first", "second", "third")


@dataclass(frozen=True, slots=True)
class Axis:
    """`steps` parts of equal length from `start` on, in UTC."""

    start: datetime
    step: timedelta
    steps: int

    @property
    def end(self) -> datetime:
        return self.start + self.steps * self.step

    def at(self, place: int) -> datetime:
        return self.start + place * self.step

    def says(self, at: datetime) -> str:
        return f"{at:%d %b %Y}" if self.step >= timedelta(days=1) else f"{at:%d %b, %H:%M}"


@dataclass(frozen=True, slots=True)
class Series:
    """One line, or the bars of one thing. `values`: one a step, None where there is nothing to tell. `joined`: the line
    goes on over such steps, where not every step is measured."""

    name: str
    values: Sequence[float | None]
    joined: bool = False


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened: a line across the chart with a number, and what it was where a pointer rests on it."""

    at: datetime
    number: int
    says: str


@dataclass(frozen=True, slots=True)
class Limit:
    """A level that should not be passed, as a line across."""

    value: float
    label: str


def time_chart(
    axis: Axis,
    series: Sequence[Series],
    moments: Sequence[Moment] = (),
    *,
    title: str,
    limit: Limit | None = None,
    bars: bool = False,
) -> Markup:
    """Up to three series from zero on. `bars`: counts, stacked, in place of lines."""
    known = [value for one in series for value in one.values if value is not None]
    svg.check_finite([*known, limit.value if limit else 0.0])
    if not known:
        return svg.nothing(title)
    heights = [sum(one.values[place] or 0.0 for one in series) for place in range(axis.steps)] if bars else known
    high = max([*heights, limit.value if limit else 0.0]) * 1.08 or 1.0
    y = svg.Scale(0, high, _BOTTOM, _TOP)
    ticks = svg.ticks(0, high, 4)
    parts = [svg.line("grid", _LEFT, y(tick), _RIGHT, y(tick)) for tick in ticks]
    parts += [svg.text("tick end", _LEFT - 6, y(tick) + 4, number(tick, svg.digits(ticks))) for tick in ticks]
    parts += _moments(axis, moments)
    parts += [*_bars(axis, series, y)] if bars else [*_lines(axis, series, y)]
    if limit:
        parts.append(svg.line("limit", _LEFT, y(limit.value), _RIGHT, y(limit.value)))
        parts.append(svg.text("limit-label", _LEFT + 4, y(limit.value) - 5, limit.label))
    parts += _dates(axis)
    if len(series) > 1:
        parts += _legend(series, bars=bars)
    return svg.chart(_BOTTOM + (44 if len(series) > 1 else 24), title, _describes(axis, series), parts)


def _place(axis: Axis) -> Callable[[int], float]:
    """The middle of a step."""
    width = (_RIGHT - _LEFT) / axis.steps
    return lambda place: _LEFT + (place + 0.5) * width


def _lines(axis: Axis, series: Sequence[Series], y: svg.Scale) -> Iterator[Markup]:
    x = _place(axis)
    for css, one in zip(_STYLES, series, strict=False):
        run: list[str] = []
        for place, value in enumerate([*one.values, None]):
            if value is not None:
                run.append(f"{x(place):.1f},{y(value):.1f}")
                continue
            if one.joined and place < axis.steps:
                continue
            if len(run) > 1:
                yield Markup('<polyline class="over {}" points="{}"/>').format(css, " ".join(run))
            run = []
        for place, value in enumerate(one.values):
            if value is not None:
                says = f"{axis.says(axis.at(place))}: {one.name} {_written(value)}"
                yield Markup('<circle class="spot {}" cx="{:.1f}" cy="{:.1f}" r="2.6"><title>{}</title></circle>').format(
                    css, x(place), y(value), visible(says)
                )


def _bars(axis: Axis, series: Sequence[Series], y: svg.Scale) -> Iterator[Markup]:
    x, width = _place(axis), (_RIGHT - _LEFT) / axis.steps
    for place in range(axis.steps):
        below = 0.0
        for css, one in zip(_STYLES, series, strict=False):
            value = one.values[place] or 0.0
            if not value:
                continue
            says = f"{axis.says(axis.at(place))}: {one.name} {_written(value)}"
            top, bottom = y(below + value), y(below)
            yield Markup(
                '<rect class="column {}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"><title>{}</title></rect>'
            ).format(css, x(place) - width * 0.42, top, width * 0.84, max(bottom - top, 0.5), visible(says))
            below += value


def _moments(axis: Axis, moments: Sequence[Moment]) -> list[Markup]:
    parts, last = [], -_APART * 2.0
    scale = (_RIGHT - _LEFT) / (axis.end - axis.start).total_seconds()
    for one in moments:
        if not axis.start <= one.at <= axis.end:
            continue
        x = _LEFT + (one.at - axis.start).total_seconds() * scale
        parts.append(Markup("<g><title>{}</title>{}</g>").format(visible(one.says), svg.line("moment", x, 16, x, _BOTTOM)))
        if x - last >= _APART:
            parts.append(svg.text("moment-label middle", x, 11, f"{one.number}"))
            last = x
    return parts


def _dates(axis: Axis) -> list[Markup]:
    last = axis.at(axis.steps - 1)
    return [
        svg.text("tick", _LEFT, _BOTTOM + 17, axis.says(axis.start)),
        svg.text("tick end", _RIGHT, _BOTTOM + 17, axis.says(last)),
    ]


def _legend(series: Sequence[Series], *, bars: bool) -> Iterator[Markup]:
    x = float(_LEFT)
    for css, one in zip(_STYLES, series, strict=False):
        if bars:
            yield svg.rect(f"column {css}", x + 3, _BOTTOM + 29, 10, 10)
        else:
            yield svg.line(f"over {css}", x, _BOTTOM + 34, x + 16, _BOTTOM + 34)
        yield svg.text("tick", x + 21, _BOTTOM + 38, one.name)
        x += 21 + _LETTER * len(one.name) + 18


def _describes(axis: Axis, series: Sequence[Series]) -> str:
    parts = []
    for one in series:
        known = [value for value in one.values if value is not None]
        if known:
            parts.append(f"{one.name}: {_written(min(known))} to {_written(max(known))}, last {_written(known[-1])}")
    return f"From {axis.says(axis.start)} to {axis.says(axis.at(axis.steps - 1))}. {'; '.join(parts)}."


def _written(value: float) -> str:
    """As many decimals as a person reads."""
    return number(value, 0 if value >= 100 or value == int(value) else 2 if value >= 0.1 else 4)
