"""How the report writes numbers, and how it makes other people's text safe to show. Pure; the template escapes."""

import math
import re

from markupsafe import Markup

from rag_pipeline.metrics.definitions import METRICS

MOST_CHARACTERS = 2_000
"""The most characters of one text: a query or a message of any length must not bury the page."""

MINUS = "\N{MINUS SIGN}"

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_DIRECTION = re.compile("[\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
"""Characters that are not seen and turn the text around them, or hide in it."""
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
"""Half a character: it cannot be written as UTF-8."""

_SAYS = {name: one.says for name, one in METRICS.items()} | {
    "span_recall": "share of the judged passages' text in the first {k} chunks",
    "span_precision": "share of the first {k} chunks' text that was judged relevant",
    "span_iou": "overlap of the first {k} chunks with the judged passages",
}


def visible(value: object) -> object:
    """A value as it may stand on the page: hidden characters shown, half characters replaced, no more than a person reads.

    Markup is left as it is: it was made here.
    """
    if value is None:
        return "–"
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    text = value.replace("\r\n", "\n")
    if len(text) > MOST_CHARACTERS:
        text = f"{text[:MOST_CHARACTERS]} … ({len(text) - MOST_CHARACTERS:,} more characters)"
    text = _LONE_SURROGATE.sub("\ufffd", text)
    text = _CONTROL.sub(lambda found: chr(0x2400 + ord(found[0])) if ord(found[0]) < 32 else "\u2421", text)
    return _DIRECTION.sub(lambda found: f"[U+{ord(found[0]):04X}]", text)


def says(metric: str) -> str:
    """What a metric tells, in words; empty for one that is not known here."""
    name, _, depth = metric.partition("@")
    return _SAYS.get(name, "").format(k=depth)


def number(value: float | None, digits: int = 3) -> str:
    """`0.512`; a dash for what was not measured."""
    if value is None:
        return "–"
    if not math.isfinite(value):
        return "not a number" if math.isnan(value) else ("unbounded" if value > 0 else f"{MINUS}unbounded")
    return f"{value:,.{digits}f}".replace("-", MINUS)


def signed(value: float | None, digits: int = 3) -> str:
    """`+0.012` or `−0.012`; plain `0.000` for what rounds to nothing."""
    if value is None or not math.isfinite(value):
        return number(value, digits)
    text = f"{value:+,.{digits}f}"
    return text[1:] if float(text.replace(",", "")) == 0 else text.replace("-", MINUS)


def percent(share: float | None, digits: int = 1) -> str:
    """A share from 0 to 1 as `12.5 %`, without decimals that say nothing."""
    if share is None or not math.isfinite(share):
        return number(share)
    text = f"{100 * share:.{digits}f}"
    return (text.rstrip("0").rstrip(".") if digits else text) + "\N{NO-BREAK SPACE}%"


def milliseconds(value: float) -> str:
    """`8.4 ms`, `132 ms`, `2.4 s`."""
    if not math.isfinite(value):
        return number(value)
    if value >= 2000:
        return f"{value / 1000:.1f}\N{NO-BREAK SPACE}s"
    return f"{value:.{1 if value < 10 else 0}f}\N{NO-BREAK SPACE}ms"


def hours(value: float) -> str:
    """`5.0 hours`, or `3.2 days` from two days on."""
    return f"{value / 24:.1f} days" if value >= 48 else f"{value:.1f} hours"


def score(value: float) -> str:
    """A passage's score: cosine, BM25 or what a fusion gives, which differ in size."""
    return number(value, 3 if abs(value) >= 0.1 else 4)


def change(now: int | None, before: int | None) -> str:
    """`+12`, `−3`, or `no change`; empty where there is nothing to compare."""
    if now is None or before is None:
        return ""
    return f"{now - before:+,}".replace("-", MINUS) if now != before else "no change"


def counted(count: int, one: str, many: str = "") -> str:
    """`1 query`, `3 queries`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
