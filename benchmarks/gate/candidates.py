"""What a release could be instead of the one that serves, and what each question then brings."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from benchmarks.gate import planted
from benchmarks.gate.library import Answers, Library
from benchmarks.gate.planted import Right, Rows
from rag_pipeline.index.manifest import Mode

Kind = Literal["harmless", "movement", "loss", "gain"]
Served = Mapping[Mode, Answers]
MARGIN = 0.02
"""Of the gate's defaults; the losses "at the margin" are as large."""
_HARD = 0.40
"""Mean score of the golden set that is hard."""


@dataclass(frozen=True)
class Pair:
    """A candidate and what serves, on every question."""

    label: str
    kind: Kind
    mine: Answers
    theirs: Answers
    pool: Rows
    """The judged questions golden sets are drawn from."""
    new: frozenset[str] = frozenset()
    """Documents the candidate has and production could not have."""
    dead: frozenset[str] = frozenset()
    """Documents that vanished at their source since production was promoted."""
    note: str = field(default="", compare=False)


def right_of(library: Library) -> Right:
    """The documents that answer each question; of one made by rule, the document it was made from."""
    judged = [{library.place[one] for one, grade in of.items() if grade > 0} for of in library.living.qrels.values()]
    return judged + [{library.place[document]} for document in library.made_from.values()]


def other_ways(library: Library, served: Served) -> Iterator[Pair]:
    everybody = np.arange(library.judged)
    ways: tuple[tuple[Kind, Mode, Mode], ...] = (
        ("loss", "dense", "hybrid"),
        ("loss", "lexical", "hybrid"),
        ("gain", "hybrid", "dense"),
        ("gain", "hybrid", "lexical"),
    )
    for kind, mine, theirs in ways:
        yield Pair(f"{mine} for {theirs}", kind, served[mine], served[theirs], everybody)


def planted_in(library: Library, served: Served) -> Iterator[Pair]:
    """Changes of the lists themselves, at exactly the size that is wanted, of judged questions."""
    base, right, generator = served["hybrid"], right_of(library), np.random.default_rng(11)
    everybody, everything = np.arange(library.judged), np.arange(len(library.asked))
    answered, low = planted.at(base, right, range(10)), planted.at(base, right, range(1, 10))

    def some(rows: Rows, share: float) -> Rows:
        return planted.share_of(rows, share, library.judged, len(base), generator)

    for percent in (2, 5, 10):
        worse = planted.lost(base, right, some(answered, percent / 100))
        yield Pair(f"answers lost, {percent} % of the questions", "loss", worse, base, everybody)
        if percent == 5:
            yield Pair("5 % of lost answers found again", "gain", base, worse, everybody)
    yield Pair(
        "one place down, 20 % of the questions", "loss", planted.lower(base, right, some(answered, 0.2)), base, everybody
    )
    down = some(answered, 0.05)
    up = some(np.setdiff1d(low, down), 0.05)
    both = planted.higher(planted.lower(base, right, down), right, up)
    yield Pair("5 % one place down, 5 % one up", "movement", both, base, everybody)
    asking: dict[int, list[int]] = defaultdict(list)
    for row, wanted in enumerate(right[: library.judged]):  # of those made by rule, many ask for pages nobody else does
        for document in wanted:
            asking[document].append(row)
    ruined = planted.slice_rows(asking, library.judged, 0.1)
    rest = np.setdiff1d(everything, ruined)
    spoilt = planted.first(planted.lost(base, right, ruined), right, rest)
    yield Pair("a slice of 10 % lost, the rest at the top", "loss", spoilt, base, everybody)
    above = float(planted.gains(base, right)[: library.judged].mean()) - _HARD
    unanswered = planted.lost(base, right, everything)
    hard = planted.until(base, unanswered, right, library.judged, above, generator) if above > 0 else base
    for name, before in (("", base), ("a set that scores .40, ", hard)):
        for label, bad in (
            ("answers lost", planted.lost(before, right, everything)),
            ("one place down", planted.lower(before, right, everything)),
            ("dense for some", served["dense"]),
        ):
            mine = planted.until(before, bad, right, library.judged, MARGIN, generator)
            yield Pair(f"{name}at the margin: {label}", "loss", mine, before, everybody)
