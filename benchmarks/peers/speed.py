"""Time and texts embedded of four nights, for every system, in turns on the same machine."""

import statistics
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.peers import corpus
from benchmarks.peers.feed import Feed
from benchmarks.peers.protocol import Document
from benchmarks.peers.systems import Options, System, Unreadable
from benchmarks.peers.truth import judge

FIRST, UNCHANGED, EDITED, DELETED = "first build", "unchanged night", "a paragraph edited in 1 %", "1 % deleted"


@dataclass(frozen=True)
class Timed:
    """One night of one system. `wall_s`: process start to end; `inside_s`: as the process itself counted."""

    system: str
    night: str
    repeat: int
    wall_s: float
    cpu_s: float
    inside_s: float | None
    embedded: int | None
    exit_code: int
    holds: str


def timed(systems: list[System], feed: Feed, repeats: int) -> Iterator[Timed]:
    """Every system through every night, `repeats` times; who goes first changes with each repeat."""
    for repeat in range(repeats):
        turn = repeat % len(systems)
        for system in systems[turn:] + systems[:turn]:
            system.clear()
            for night, documents in _nights(feed.documents):
                truth = feed.publish(documents)
                ran = system.update(Options(feed.place.model))
                try:
                    holds = str(judge(system.rows(), truth))
                except Unreadable as error:
                    holds = f"no answer: {error}"
                yield Timed(
                    system.name, night, repeat, ran.wall_s, ran.cpu_s, ran.inside_s, ran.embedded, ran.exit_code, holds
                )


def _nights(documents: list[Document]) -> list[tuple[str, list[Document]]]:
    size = corpus.share(documents, 1)
    edited = corpus.edited(documents, corpus.spread(documents, size, first=7), "third")
    deleted = corpus.without(edited, corpus.spread(edited, size, first=3))
    return [(FIRST, documents), (UNCHANGED, documents), (EDITED, edited), (DELETED, deleted)]


def table(found: list[Timed]) -> str:
    """Markdown: a system a row, a night a column; median seconds of the process, least and most, texts embedded."""
    nights = list(dict.fromkeys(one.night for one in found))
    lines = [f"| system | {' | '.join(nights)} |", f"| --- |{' --- |' * len(nights)}"]
    for system in dict.fromkeys(one.system for one in found):
        cells = [_cell([one for one in found if (one.system, one.night) == (system, night)]) for night in nights]
        lines.append(f"| {system} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(runs: list[Timed]) -> str:
    walls = [one.wall_s for one in runs]
    inside = [one.inside_s for one in runs if one.inside_s is not None]
    embedded = "/".join(sorted({"?" if one.embedded is None else f"{one.embedded:,}" for one in runs}))
    wrong = sorted({one.holds for one in runs if one.holds != "right"})
    cpu = f" (CPU {statistics.median(one.cpu_s for one in runs):.1f}"
    within = f", {statistics.median(inside):.1f} inside)" if inside else ")"
    bounds = f", {min(walls):.1f} to {max(walls):.1f}" if len(walls) > 1 else ""
    return f"{statistics.median(walls):.1f} s{cpu}{within}{bounds}; {embedded} texts" + "".join(
        f"; **{what}**" for what in wrong
    )


def comparison(found: list[Timed], ours: str) -> str:
    """How many times as long each peer takes, by medians, on the two nights that must be won."""
    median = {
        (system, night): statistics.median(one.wall_s for one in found if (one.system, one.night) == (system, night))
        for system, night in {(one.system, one.night) for one in found}
    }
    if not any(system == ours for system, _ in median):
        return ""
    lines = []
    for night in (FIRST, EDITED):
        for system in dict.fromkeys(one.system for one in found if one.system != ours):
            ratio = median[system, night] / median[ours, night]
            lines.append(
                f"- {night}: {system} takes {ratio:.2f} times as long{'' if ratio > 1 else ', **so it is faster**'}"
            )
    return "\n".join(lines)
