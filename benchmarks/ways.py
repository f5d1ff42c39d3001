"""Is the way to retrieve that half of the queries choose the best one on the other half?

`.venv/bin/python -m benchmarks.ways`: for each corpus of ../shared/data, every way scored on even and odd queries; the
choice of each half against the best of the other half, in points of nDCG@10 (hundredths).
"""

import argparse
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from benchmarks.judged import NAMES, SHARED, Judged, prepared
from rag_pipeline.corpus.model import model_of
from rag_pipeline.evaluate.bench import Bench
from rag_pipeline.evaluate.choose import best_way, figures, ways
from rag_pipeline.golden.read import read_golden_set
from rag_pipeline.golden.resolve import corpus_for, resolve
from rag_pipeline.index.manifest import RetrievalParameters
from rag_pipeline.process import prepare
from rag_pipeline.settings import load_settings


def scores(judged: Judged) -> dict[str, np.ndarray]:
    """way to retrieve -> nDCG@10 of each living query, in their order"""
    golden = read_golden_set(judged.settings.evals / judged.name)
    with ExitStack() as stack:
        bench = Bench.open(stack, judged.settings.home, judged.release, model_of(judged.settings), all_modes=True)
        living = resolve(golden, corpus_for(judged.settings.home, list(bench.release.manifest.sources), (golden,)))
        found = figures(bench, [living], RetrievalParameters())
        return {
            way: np.array([sets[golden.name].per_query[golden.about.primary][query] for query in sorted(living.qrels)])
            for way, sets in found.items()
        }


def main() -> None:
    prepare()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=SHARED)
    parser.add_argument("--work", type=Path, default=Path(".rag-bench"))
    parser.add_argument("--corpora", nargs="*", default=["squad_dev", "gitlab_handbook", "python_docs"])
    arguments = parser.parse_args()
    for name in arguments.corpora:
        own = name not in NAMES
        judged = Judged(name, load_settings()) if own else prepared(name, arguments.work, arguments.data, retrieval="dense")
        found = scores(judged)
        print(f"\n{name}: {len(next(iter(found.values())))} queries")
        for way, values in found.items():
            even, odd = 100 * values[::2].mean(), 100 * values[1::2].mean()
            print(f"  {way:12} {100 * values.mean():6.2f}  even {even:6.2f}  odd {odd:6.2f}")
        for label, first in (("even", 0), ("odd", 1)):
            chosen = choice({way: values[first::2] for way, values in found.items()})
            there = {way: 100 * float(values[1 - first :: 2].mean()) for way, values in found.items()}
            below = max(there.values()) - there[chosen]
            print(f"  chosen on the {label} half: {chosen}; on the other half {below:.2f} points below the best")
        below_best = np.array([halves(found, np.random.default_rng(seed)) for seed in range(200)])
        near = np.mean(below_best <= 0.5)
        print(f"  200 random halves: {below_best.mean():.2f} points below the best, {near:.0%} within half a point")


def choice(found: dict[str, np.ndarray]) -> str:
    """The way these queries choose, as the pipeline chooses it."""
    return best_way({way: [values.tolist()] for way, values in found.items()}, ways(RetrievalParameters()))


def halves(found: dict[str, np.ndarray], generator: np.random.Generator) -> float:
    """How many points the way chosen on one random half is below the best on the other."""
    order = generator.permutation(len(next(iter(found.values()))))
    mine, other = order[: len(order) // 2], order[len(order) // 2 :]
    chosen = choice({way: values[mine] for way, values in found.items()})
    there = {way: 100 * float(values[other].mean()) for way, values in found.items()}
    return max(there.values()) - there[chosen]


if __name__ == "__main__":
    main()
