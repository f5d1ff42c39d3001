"""The index at 10,000, 100,000 and a million vectors: building, opening, querying, refreshing, and how much HNSW misses.

Synthetic vectors of 384 numbers in clusters of a hundred, of 24 dimensions of their own as embeddings of texts have,
straight into Chroma by the pipeline's own writer, so that only the index is measured. recall@10 is against exact search:

    .venv/bin/python -m benchmarks.scale --count 100000 --settings 16/100/100 32/200/200 48/200/200

Settings are neighbours/ef_construction/ef_search. Run it alone on a quiet machine; a million takes most of an hour.
"""

import argparse
import shutil
import statistics
import tempfile
import time
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rag_pipeline.index import chroma
from rag_pipeline.index.manifest import IndexParameters
from rag_pipeline.index.views import copy_files

DIMENSIONS, LATENT, A_CLUSTER = 384, 24, 100
SPREAD, NOISE = 0.4, 0.02
_PART = 5_000
_QUERIES = 500
_NEAREST = 10

Vectors = NDArray[np.float32]


def part(count: int, start: int, seed: int) -> Vectors:
    """Rows `start` to `start + 5,000` of a set: the same whichever rows were made before."""
    rows = np.arange(start, min(start + _PART, count))
    generator = np.random.default_rng([seed, start])
    latent = _centres(max(1, count // A_CLUSTER))[rows % max(1, count // A_CLUSTER)]
    return spread(latent + SPREAD * generator.normal(size=(len(rows), LATENT)), generator)


@lru_cache(maxsize=1)
def _centres(clusters: int) -> Any:
    return np.random.default_rng(1).normal(size=(clusters, LATENT))


def spread(latent: Any, generator: np.random.Generator) -> Vectors:
    """From their own dimensions to all of them, with a little noise in each, and length 1."""
    across = np.random.default_rng(2).normal(size=(LATENT, DIMENSIONS)) / np.sqrt(DIMENSIONS)
    vectors = latent @ across + NOISE * generator.normal(size=(len(latent), DIMENSIONS))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


def exact(count: int, queries: Vectors, seed: int) -> Vectors:
    """Similarity of the tenth nearest to each query, by exact search."""
    best = np.empty((len(queries), 0), dtype=np.float32)
    for start in range(0, count, _PART):
        best = np.hstack([best, queries @ part(count, start, seed).T])
        best = np.partition(best, -_NEAREST, axis=1)[:, -_NEAREST:] if best.shape[1] > _NEAREST else best
    return np.asarray(best.min(axis=1), dtype=np.float32)


def fill(folder: Path, count: int, parameters: IndexParameters, seed: int) -> float:
    """Seconds to build the collection."""
    started = time.perf_counter()
    with chroma.writer(folder, parameters, count) as collection:
        for start in range(0, count, _PART):
            vectors = part(count, start, seed)
            ids = [f"{place:012d}" for place in range(start, start + len(vectors))]
            collection.add(ids=ids, embeddings=vectors, documents=[f"text {name} " * 20 for name in ids])
    return time.perf_counter() - started


def peak_mb() -> float:
    """Most this process held; getrusage would count what its parent held too."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def measure(count: int, setting: str, work: Path, seed: int = 5) -> None:
    neighbours, construction, search = map(int, setting.split("/"))
    parameters = IndexParameters(max_neighbors=neighbours, ef_construction=construction, ef_search=search)
    folder = work / "chroma"
    shutil.rmtree(folder, ignore_errors=True)
    built = fill(folder, count, parameters, seed)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    generator = np.random.default_rng(9)
    near = _centres(max(1, count // A_CLUSTER))[generator.integers(max(1, count // A_CLUSTER), size=_QUERIES)]
    queries = spread(near + SPREAD * generator.normal(size=near.shape), generator)
    tenth = exact(count, queries, seed)
    started = time.perf_counter()
    with chroma.client(folder) as opened:
        collection = opened.get_collection(chroma.COLLECTION, embedding_function=None)
        collection.query(query_embeddings=queries[:1], n_results=_NEAREST, include=["distances"])
        opening = time.perf_counter() - started
        took, hits = [], 0
        for query, last in zip(queries, tenth, strict=True):
            asked = time.perf_counter()
            found = collection.query(query_embeddings=query[None], n_results=_NEAREST, include=["distances"])
            took.append(1000 * (time.perf_counter() - asked))
            hits += sum(1 - distance >= last - 1e-4 for distance in found["distances"][0])
    changed = count // 100
    started = time.perf_counter()
    copy_files(folder, work / "next")
    with chroma.editor(work / "next", 2 * changed) as collection:
        gone = [f"{place:012d}" for place in range(0, count, 100)]
        for first in range(0, len(gone), 1_000):
            collection.delete(ids=gone[first : first + 1_000])
        fresh = np.concatenate([part(count, first, seed + 2) for first in range(0, changed, _PART)])[:changed]
        for first in range(0, changed, _PART):
            names = [f"n{place:011d}" for place in range(first, min(first + _PART, changed))]
            rows = fresh[first : first + _PART]
            collection.add(ids=names, embeddings=rows, documents=[f"text {name} " * 20 for name in names])
    refreshed = time.perf_counter() - started
    shutil.rmtree(work / "next")
    print(
        f"{count:>9,} {setting:>12}  built {built:8.1f} s  {size / 1e6:7.0f} MB  opened {opening:6.2f} s  "
        f"query p50 {statistics.median(took):6.2f} ms  p95 {np.quantile(took, 0.95):6.2f} ms  "
        f"recall@10 {hits / (_NEAREST * _QUERIES):.4f}  1 % changed {refreshed:6.1f} s ({refreshed / built:.3f})  "
        f"peak {peak_mb():.0f} MB",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--settings", nargs="+", default=["32/200/200"])
    arguments = parser.parse_args()
    for count in arguments.count:
        for setting in arguments.settings:
            with tempfile.TemporaryDirectory() as folder:
                measure(count, setting, Path(folder))


if __name__ == "__main__":
    main()
