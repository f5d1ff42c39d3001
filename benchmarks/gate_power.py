"""How often the gate is right: golden sets drawn from real questions, decided by the gate itself.

`.venv/bin/python -m benchmarks.gate_power` (hours on two cores; `--sets 100 --sizes 100` for a look). Collections: those of
../shared/data, and with `--corpora python_docs` this project's own, as `make refresh` released it. All are served hybrid.

A golden set is so many questions drawn from all of a collection's, with replacement. It is not a night: in life a set stays,
so an unlucky one is unlucky every night. A share of sets is a share of projects. Each is decided three times: without
probes, with 200 questions nobody judged that people asked, and with 200 made by rule (`rag golden probes`).

Promised, with probes: what is harmless is promoted in at least 95 %. At every size: what truly loses the margin or more, or
5 % of the answers, in at most 5 %. Gains and harmless movement are told as they are.
"""

import argparse
import json
import re
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from benchmarks.gate.agree import agreement, default_policy
from benchmarks.gate.built import built
from benchmarks.gate.candidates import MARGIN, other_ways, planted_in
from benchmarks.gate.library import Library, library_of
from benchmarks.gate.sets import PROBES, Measured, Probes, counted, measured
from benchmarks.judged import PAGES, PART, SHARED, Judged, prepared
from rag_pipeline.process import prepare
from rag_pipeline.settings import load_settings

SIZES = [10, 30, 60, 100, 180, 300]
_LOST = 0.05
"""Share of the answers that may be lost, of the gate's defaults."""
Cell = tuple[int, Probes]


def cells(found: Measured, sizes: Sequence[int], number: int, work: Path, probes: int = PROBES) -> dict[Cell, Counter[str]]:
    """What the gate says of one candidate, by size and kind of probes."""
    policy = default_policy(work)
    return {(size, kind): one for size in sizes for kind, one in counted(found, size, number, policy, probes).items()}


def promise(found: Measured, probes: Probes, promoted: float) -> str:
    """Whether what is promised of such a candidate holds; empty where nothing is promised."""
    if found.pair.kind == "harmless" and probes != "none":
        return "" if promoted >= 0.95 else "MISSED"
    if found.pair.kind == "loss" and (found.change <= -MARGIN + 1e-6 or found.lost > _LOST):
        return "" if promoted <= 0.05 else "MISSED"
    return ""


def library(name: str, work: Path, data: Path, limit: int) -> Library:
    own = name == "python_docs"
    judged = Judged(name, load_settings()) if own else prepared(name, work, data, retrieval="dense")
    return library_of(judged, limit, work)


def main() -> None:
    prepare()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=int, default=500, help="golden sets a cell")
    parser.add_argument("--probes", type=int, default=PROBES, help="of a golden set that has some")
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES)
    parser.add_argument("--questions", type=int, default=3_000, help="of a collection at most, drawn at random")
    parser.add_argument("--data", type=Path, default=SHARED)
    parser.add_argument("--work", type=Path, default=Path(".rag-bench"))
    parser.add_argument("--corpora", nargs="*", default=["gitlab_handbook", PART, PAGES])
    parser.add_argument("--agreement", type=int, default=200, help="decisions that the product takes again, one by one")
    parser.add_argument("--processes", type=int, default=2, help="with OPENBLAS_NUM_THREADS=1, or they take turns")
    parser.add_argument("--only", default="", help="candidates whose name fits this regular expression")
    parser.add_argument("--json", type=Path, help="write the rows here too")
    arguments = parser.parse_args()
    rows: list[dict[str, object]] = []
    for name in arguments.corpora:
        corpus = library(name, arguments.work, arguments.data, arguments.questions)
        served, pairs = built(corpus, arguments.work)
        pairs += [*other_ways(corpus, served), *planted_in(corpus, served)]
        found = [measured(corpus, pair) for pair in pairs if re.search(arguments.only, pair.label)]
        print(
            f"\n{name}: {corpus.judged} judged questions, {len(corpus.asked) - corpus.judged} made, {len(corpus.names)} "
            f"documents, {corpus.chunks.frame.height} chunks, nDCG@10 {found[0].score:.4f}",
            flush=True,
        )
        print(agreement(found, arguments.sizes, arguments.agreement, default_policy(arguments.work)), flush=True)
        with ProcessPoolExecutor(arguments.processes) as pool:
            tasks = [
                pool.submit(cells, one, arguments.sizes, arguments.sets, arguments.work, arguments.probes) for one in found
            ]
            for one, task in zip(found, tasks, strict=True):
                rows += _told(name, one, task.result(), arguments.sets)
                if arguments.json:
                    arguments.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")


def _told(name: str, found: Measured, said: dict[Cell, Counter[str]], number: int) -> list[dict[str, object]]:
    """Printed, a line a kind of probes; and as rows."""
    pair, rows = found.pair, []
    for kind in dict.fromkeys(kind for _, kind in said):
        line = f"{pair.label:58} {kind:5} {found.change:+.3f} {found.lost:5.1%}"
        missed = []
        for (size, of), counts in said.items():
            if of != kind:
                continue
            share = {one: counts[one] / number for one in ("passed", "regressed", "inconclusive", "could not be evaluated")}
            line += f" {100 * share['passed']:4.0f}({100 * share['regressed']:3.0f})"
            missed += [str(size)] if promise(found, kind, share["passed"]) else []
            rows.append(
                {"corpus": name, "candidate": pair.label, "kind": pair.kind, "note": pair.note, "probes": kind, "n": size}
                | {"change": found.change, "lost": found.lost, "score": found.score, "missed": str(size) in missed}
                | share
            )
        print(line + (f"  MISSED at {', '.join(missed)}" if missed else ""), flush=True)
    return rows


if __name__ == "__main__":
    main()
