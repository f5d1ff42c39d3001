"""Which questions people shall judge: a uniform sample of what was asked, and some that look as if they went wrong.

The uniform sample is the questions whose ids have the smallest hashes. So it is uniform at any time, whatever was drawn
before, and grows in one order: those judged first are a uniform sample too. Values in, values out.
"""

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from rag_pipeline.golden.words import fold

Stratum = Literal["uniform", "differs", "not_useful", "far", "low"]
STRATA: tuple[Stratum, ...] = ("uniform", "differs", "not_useful", "far", "low")
"""Uniform; another release found other chunks; a principal said so; unlike every golden question; found nothing, or less
than most do."""

SIZES_OF_A_DRAW: Mapping[Stratum, int] = {"uniform": 100, "differs": 80, "not_useful": 20, "far": 20, "low": 20}
"""Questions of each stratum at most, where nothing else is said."""


@dataclass(frozen=True, slots=True)
class Served:
    """One question that was answered. `top`: its best score, None without hits; `way`: release and mode, which it is of."""

    query_id: str
    text: str
    asked: str
    """Day."""
    way: tuple[str, str]
    top: float | None


@dataclass(frozen=True, slots=True)
class Line:
    """One question of the queue. `events`: ids of the questions of the uniform sample that asked just this."""

    query_id: str
    text: str
    stratum: Stratum
    weight: float
    """How many questions of its stratum it stands for."""
    asked: str
    events: tuple[str, ...] = ()
    found: tuple[tuple[str, str], ...] = ()
    """(release, chunk) that two releases found for it, where they differ: judged with what else is found."""


@dataclass(frozen=True, slots=True)
class Draw:
    """What was drawn. Every question asked whose `order` is at most `until` is in the uniform sample."""

    lines: tuple[Line, ...]
    until: float
    drawn: int
    of: int
    """Questions that were drawn from."""


def order(query_id: str) -> float:
    """A number from 0 to 1 that nobody chose: half of the id is random, and all of it is hashed."""
    return int.from_bytes(hashlib.sha256(query_id.encode()).digest()[:8], "big") / 2**64


def turn_of(line: Line) -> float:
    """When a line is judged among those of its stratum: where the first of what asked it stands in the sample."""
    return min(map(order, line.events or (line.query_id,)))


def draw(served: Sequence[Served], odd: Mapping[Stratum, Collection[str]], sizes: Mapping[Stratum, int]) -> Draw:
    """Choose among questions. `odd`: stratum -> ids of those that look as if they went wrong; `sizes`: how many at most."""
    ordered = sorted(((order(one.query_id), one) for one in served), key=lambda pair: pair[0])
    uniform = ordered[: sizes["uniform"]]
    asking: dict[str, list[Served]] = defaultdict(list)
    for _, one in uniform:
        asking[fold(one.text)].append(one)
    weight = len(ordered) / len(uniform) if uniform else 0.0
    lines = [_line(some[0], "uniform", weight, tuple(one.query_id for one in some)) for some in asking.values()]
    taken = set(asking)
    for stratum in STRATA[1:]:
        mine: dict[str, Served] = {}
        ids = odd.get(stratum, ())
        for _, one in ordered:
            if one.query_id in ids and (folded := fold(one.text)) not in taken:
                mine.setdefault(folded, one)
        chosen = dict(list(mine.items())[: sizes.get(stratum, 0)])
        taken |= chosen.keys()
        share = len(mine) / len(chosen) if chosen else 0.0
        lines += [_line(one, stratum, share, ()) for one in chosen.values()]
    until = 1.0 if len(uniform) == len(ordered) else uniform[-1][0] if uniform else 0.0
    return Draw(tuple(lines), until, len(uniform), len(ordered))


def merged(now: Draw, before: Iterable[Line], keep: Collection[str]) -> tuple[Line, ...]:
    """The lines of the queue after another draw. `keep`: ids of lines that somebody has judged, which stay.

    One that asks what a kept line asks becomes that line.
    """
    kept = {fold(line.text): line for line in before if line.query_id in keep}
    lines: list[Line] = []
    for line in now.lines:
        if old := kept.pop(fold(line.text), None):
            events = tuple(dict.fromkeys((*old.events, *line.events)))
            stratum = "uniform" if "uniform" in (line.stratum, old.stratum) else old.stratum
            line = replace(line, query_id=old.query_id, text=old.text, stratum=stratum, events=events)
        lines.append(line)
    return (*lines, *kept.values())


def low(served: Sequence[Served], share: float = 0.05) -> set[str]:
    """Those that found nothing, and those whose best score is among the lowest of their release and mode."""
    found: dict[tuple[str, str], list[tuple[float, str]]] = defaultdict(list)
    nothing = {one.query_id for one in served if one.top is None}
    for one in served:
        if one.top is not None:
            found[one.way].append((one.top, one.query_id))
    for some in found.values():
        nothing |= {query_id for _, query_id in sorted(some)[: int(share * len(some))]}
    return nothing


def _line(one: Served, stratum: Stratum, weight: float, events: tuple[str, ...]) -> Line:
    return Line(one.query_id, one.text, stratum, round(weight, 4), one.asked, events)
