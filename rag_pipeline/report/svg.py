"""What charts are drawn of: lines, rectangles and texts as inline SVG. Pure; colors come from the style sheet, by class."""

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise

from markupsafe import Markup

from rag_pipeline.report.words import visible

WIDTH = 400


class Scale:
    """Values to places on the page, in proportion."""

    def __init__(self, low: float, high: float, start: float, end: float) -> None:
        self.low, self.start = low, start
        self.factor = (end - start) / (high - low) if high > low else 0.0

    def __call__(self, value: float) -> float:
        return self.start + (value - self.low) * self.factor


def ticks(low: float, high: float, about: int) -> list[float]:
    """Round numbers within a range, some `about` of them."""
    raw = (high - low) / about
    unit = 10.0 ** math.floor(math.log10(raw))
    step = unit * next(factor for factor in (1, 2, 5, 10) if unit * factor >= raw * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(place * step, 12) for place in range(first, last + 1)]


def digits(ticks: Sequence[float]) -> int:
    """Decimals that tell ticks apart."""
    step = min((b - a for a, b in pairwise(ticks)), default=1.0)
    return max(0, -math.floor(math.log10(step) + 1e-9))


def check_finite(values: Iterable[float]) -> None:
    if not all(map(math.isfinite, values)):
        raise ValueError("a chart can draw finite values only; leave out what is not a number before")


def chart(height: float, title: str, describes: str, parts: Iterable[Markup]) -> Markup:
    return Markup('<svg role="img" viewBox="0 0 {} {:.0f}"><title>{}</title><desc>{}</desc>{}</svg>').format(
        WIDTH, height, visible(title), visible(describes), Markup("").join(parts)
    )


def nothing(title: str) -> Markup:
    return chart(40, title, "There are no values to draw.", [text("tick middle", WIDTH / 2, 24, "no values")])


def line(css: str, x1: float, y1: float, x2: float, y2: float) -> Markup:
    return Markup('<line class="{}" x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}"/>').format(css, x1, y1, x2, y2)


def rect(css: str, x: float, y: float, width: float, height: float) -> Markup:
    return Markup('<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>').format(
        css, x, y, max(width, 0), max(height, 0)
    )


def text(css: str, x: float, y: float, text: str) -> Markup:
    return Markup('<text class="{}" x="{:.1f}" y="{:.1f}">{}</text>').format(css, x, y, visible(text))
