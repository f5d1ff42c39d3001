"""Whether small losses add up: one golden set over twenty nights, decided by the gate with its anchor and without.

`.venv/bin/python -m benchmarks.gate.drift` (an hour on two cores; `--repetitions 20` for a look). A repetition is one
golden set, with its 200 probes, that stays for all nights: of 180 questions, or of 300. Each night's release is held against
the one that serves, and with the anchor against what was accepted last too. Told is what production truly lost, over all
questions.

Promised with the anchor: of nights that each lose .005, production is never more than .02 below the anchor in 95 % of the
repetitions. Where 1 % of the questions move up or down each night around the same level, at most 5 % of nights are refused.
"""

import argparse
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

import numpy as np

from benchmarks.gate import planted
from benchmarks.gate.agree import default_policy
from benchmarks.gate.batch import decided
from benchmarks.gate.candidates import Pair, right_of
from benchmarks.gate.library import Answers, Library
from benchmarks.gate.planted import Right, Rows
from benchmarks.gate.sets import PROBES, Measured, evidence_of, measured
from benchmarks.judged import PAGES, PART, SHARED
from rag_pipeline.channels.pointer import Anchor
from rag_pipeline.evaluate.against import Against
from rag_pipeline.evaluate.evidence import Evidence
from rag_pipeline.gate.anchored import AnchorFacts, against_anchor, gained
from rag_pipeline.gate.demands import golden_sets
from rag_pipeline.gate.policy import Policy

NIGHTS = 20
STEP = 0.005
_ALLOWED = 0.02
_METRICS = ("nDCG@10", "hit@10")


@dataclass(frozen=True)
class Course:
    """What twenty nights bring: the lists of each, the first being what serves and is the anchor."""

    name: str
    library: Library
    levels: list[Answers]


@dataclass(frozen=True)
class Run:
    """What became of one golden set."""

    promoted: int
    worst: float
    """The furthest production ever truly was below its beginning."""
    last: float


def courses(library: Library, base: Answers) -> Iterator[Course]:
    right, generator = right_of(library), np.random.default_rng(29)
    everything = np.arange(len(library.asked))
    for name, bad in (
        ("answers lost", planted.lost(base, right, everything)),
        ("one place down", planted.lower(base, right, everything)),
    ):
        yield Course(f"-.005 a night, {name}", library, _downhill(base, bad, right, library.judged, generator))
    for percent in (1, 3):
        levels = [base, *(_stirred(base, right, percent / 100, library.judged, generator) for _ in range(NIGHTS))]
        yield Course(f"{percent} % of the questions move a night", library, levels)


def _downhill(base: Answers, bad: Answers, right: Right, judged: int, generator: np.random.Generator) -> list[Answers]:
    """Night by night more questions have the bad answers, judged ones and made ones alike."""
    drop = planted.gains(base, right) - planted.gains(bad, right)
    losing = np.flatnonzero(drop > 0)
    parts = [
        (generator.permutation(losing[losing < judged]), judged),
        (generator.permutation(losing[losing >= judged]), len(base) - judged),
    ]
    levels = []
    for night in range(NIGHTS + 1):
        level = base.copy()
        for order, total in parts:
            taken = order[: int(np.searchsorted(np.cumsum(drop[order]), night * STEP * total, side="right"))]
            level[taken] = bad[taken]
        levels.append(level)
    return levels


def _stirred(base: Answers, right: Right, share: float, judged: int, generator: np.random.Generator) -> Answers:
    """Half of so many questions one place down, half one up."""
    all_of = len(base)
    down = planted.share_of(planted.at(base, right, range(10)), share / 2, judged, all_of, generator)
    low = np.setdiff1d(planted.at(base, right, range(1, 10)), down)
    up: Rows = planted.share_of(low, share / 2, judged, all_of, generator)
    return planted.higher(planted.lower(base, right, down), right, up)


def runs(course: Course, questions: int, number: int, *, anchored: bool, work: Path) -> list[Run]:
    policy, library = default_policy(work), course.library
    generator = np.random.default_rng(zlib.crc32(f"{course.name} {questions}".encode()))
    everybody = np.arange(library.judged)

    @lru_cache(maxsize=256)
    def pair(night: int, before: int) -> Measured:
        return measured(library, Pair("", "movement", course.levels[night], course.levels[before], everybody))

    drawn = [generator.integers(0, library.judged, size=questions) for _ in range(number)]
    probes = [generator.integers(0, library.judged, size=PROBES) for _ in range(number)]
    serves, anchors, promoted = [0] * number, [0] * number, [0] * number
    truth = [pair(night, 0).change for night in range(NIGHTS + 1)]
    worst = [0.0] * number
    for night in range(1, NIGHTS + 1):
        asked = []
        for one in range(number):
            evidence = evidence_of(pair(night, serves[one]), drawn[one], probes[one])
            facts = _facts(pair(night, anchors[one]), drawn[one]) if anchored and anchors[one] != night else None
            asked.append((evidence, facts))
        for one, (passed, better) in enumerate(decided(asked, lambda item: _decide(*item, policy))):
            if passed:
                serves[one], promoted[one] = night, promoted[one] + 1
                anchors[one] = night if better else anchors[one]
                worst[one] = min(worst[one], truth[night])
    return [Run(promoted[one], worst[one], truth[serves[one]]) for one in range(number)]


def _facts(found: Measured, drawn: Rows) -> AnchorFacts:
    anchor = Anchor(release="r", fingerprint="", evidence="", at=datetime(2026, 1, 1, tzinfo=UTC), by="b", why="w")
    ids = tuple(str(place) for place in range(len(drawn)))
    mine = {name: tuple(found.condensed[name][drawn].tolist()) for name in _METRICS}
    theirs = {name: tuple(found.theirs[name][drawn].tolist()) for name in _METRICS}
    return AnchorFacts(anchor, {"set": Against(ids, len(ids), mine, theirs)})


def _decide(evidence: Evidence, facts: AnchorFacts | None, policy: Policy) -> tuple[bool, bool]:
    """Whether it is promoted, and whether it becomes the anchor."""
    found = golden_sets(evidence, policy, "production")
    if facts:
        against_anchor(evidence, policy, "production", facts, found, serves=False)
    return not found.reasons, bool(facts and gained(policy, "production", facts))


def told(found: Sequence[Run]) -> str:
    nights = np.mean([one.promoted for one in found])
    within = np.mean([one.worst >= -_ALLOWED - 1e-6 for one in found])
    last = np.mean([one.last for one in found])
    return f"{nights:5.1f} of {NIGHTS} nights promoted, production {last:+.3f} at the end, {within:4.0%} never below -.02"


def main() -> None:
    from benchmarks.gate_power import library

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=100)
    parser.add_argument("--sizes", type=int, nargs="*", default=[180, 300])
    parser.add_argument("--questions", type=int, default=1_500, help="of a collection at most, drawn at random")
    parser.add_argument("--data", type=Path, default=SHARED)
    parser.add_argument("--work", type=Path, default=Path(".rag-bench"))
    parser.add_argument("--corpora", nargs="*", default=["gitlab_handbook", PART, PAGES])
    arguments = parser.parse_args()
    with ProcessPoolExecutor(2) as pool:
        for name in arguments.corpora:
            whole = library(name, arguments.work, arguments.data, arguments.questions)
            base = whole.answers(whole.chunks, "hybrid")["hybrid"]
            light = replace(whole, documents=[], chunks=None, known={})  # type: ignore[arg-type]
            tasks = [
                (
                    course.name,
                    size,
                    anchored,
                    pool.submit(runs, course, size, arguments.repetitions, anchored=anchored, work=arguments.work),
                )
                for course in courses(light, base)
                for size in arguments.sizes
                for anchored in (False, True)
            ]
            for label, size, anchored, task in tasks:
                how = "with the anchor" if anchored else "without"
                print(f"{name:18} {label:36} {size:4} {how:16} {told(task.result())}", flush=True)


if __name__ == "__main__":
    main()
