"""Rows that are divided by who may read them, and questions that are narrowed: building, asking, and what narrowing misses.

Made-up chunks with vectors as `benchmarks.scale` makes them, straight into the tables of a home of its own: once without
labels, once with 64 sets of them, of which a reader is granted 8; both are built and asked in turns.

    .venv/bin/python -m benchmarks.scopes --count 100000

Times are of the index alone: a question comes with its vector. Run it alone on a quiet machine.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.scale import A_CLUSTER, DIMENSIONS, LATENT, SPREAD, Vectors, _centres, part, spread
from rag_pipeline.contracts.labels import LABELS
from rag_pipeline.corpus.tables import CHUNKS, VECTORS, chunks_table, vectors_table
from rag_pipeline.files import fingerprint
from rag_pipeline.home import Home
from rag_pipeline.index.build import Recipe, build_release
from rag_pipeline.index.manifest import MODES, Manifest, ModelEntry, SourceEntry
from rag_pipeline.index.narrow import Narrow
from rag_pipeline.index.retrieve import OpenRelease, Query, open_release
from rag_pipeline.process import prepare

SCOPES, GRANTED = 64, 8
SHARES = {"half": 2, "twentieth": 20, "two_hundredth": 200}
"""Column -> one in how many rows has the value `yes` in it."""
_PART, _SEED, _WORDS = 5_000, 5, 20_000


def main() -> None:
    prepare()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--questions", type=int, default=200)
    arguments = parser.parse_args()
    questions = list(made_questions(arguments.count, arguments.questions))
    with tempfile.TemporaryDirectory() as work:
        plain, divided = (home_with(Path(work) / name, arguments.count, name == "divided") for name in ("plain", "divided"))
        manifests: dict[Home, Manifest] = {}
        for home in (plain, divided):
            started, spent = time.perf_counter(), time.process_time()
            manifests[home] = build(home)
            seconds, cpu = time.perf_counter() - started, time.process_time() - spent
            scopes = len(manifests[home].scopes) or 1
            print(f"{arguments.count:,} chunks in {scopes} scopes: built in {seconds:.1f} s, {cpu:.1f} s of CPU")
        granted = [f"group {number}" for number in range(GRANTED)]
        with opened(plain, manifests[plain]) as one, opened(divided, manifests[divided]) as many:
            ways: dict[str, OpenRelease] = {
                "not divided": one,
                f"{GRANTED} of {SCOPES} scopes": many.readable_by(granted),
                f"all {SCOPES} scopes": many,
            }
            for name in SHARES:
                ways[f"narrowed to 1 in {SHARES[name]}"] = one.narrowed(Narrow.of((), {name: ["yes"]}))
            for number in range(arguments.rounds):
                print(f"round {number + 1}")
                for what, release in ways.items():
                    for mode in MODES:
                        spent = time.process_time()
                        took = [timed(release, question, mode) for question in questions]
                        told(f"{what}, {mode}", took, 1000 * (time.process_time() - spent) / len(took))
            for name in SHARES:
                print(f"narrowed to 1 in {SHARES[name]}: recall@10 {recall(one, name, arguments.count, questions):.4f}")


def made_questions(count: int, number: int) -> Iterator[Query]:
    generator = np.random.default_rng(9)
    clusters = max(1, count // A_CLUSTER)
    near = _centres(clusters)[generator.integers(clusters, size=number)]
    vectors = spread(near + SPREAD * generator.normal(size=(number, LATENT)), generator)
    for vector in vectors:
        yield Query(words(generator, 5), vector)


def words(generator: np.random.Generator, number: int) -> str:
    """Words as often as they are in texts: few of them in most, most of them in few."""
    return " ".join(f"w{int(place)}" for place in np.minimum(generator.zipf(1.3, number), _WORDS))


def home_with(root: Path, count: int, divided: bool, model: str = "made") -> Home:
    """A home whose tables hold these chunks. `model`: fingerprint of the model their vectors are said to be of."""
    root.mkdir(exist_ok=True)
    home = Home(root)
    home.releases.mkdir(exist_ok=True)
    add_chunks(home, range(count), divided=divided, model=model)
    return home


def add_chunks(home: Home, places: range, *, divided: bool, model: str) -> None:
    """Made chunks with these numbers."""
    generator = np.random.default_rng(3)
    for start in range(places.start, places.stop, _PART):
        vectors, rows, stored = part(places.stop, start, _SEED), [], []
        for place, vector in enumerate(vectors, start):
            text = f"{place} {words(generator, 60)}"
            labels = {LABELS: [f"group {place % SCOPES}"]} if divided else {}
            said = labels | {name: "yes" if place % share == 0 else "no" for name, share in SHARES.items()}
            rows.append(chunk(place, text, json.dumps(said, sort_keys=True)))
            stored.append({"model": model, "text_hash": fingerprint(text), "vector": vector.tolist()})
        chunks_table(home).append(pa.Table.from_pylist(rows, CHUNKS))
        vectors_table(home).append(pa.Table.from_pylist(stored, VECTORS))


def chunk(place: int, text: str, metadata: str) -> dict[str, Any]:
    name = fingerprint(place)
    return {
        **dict.fromkeys(CHUNKS.names, "x"),
        "chunk_id": name,
        "document_id": f"made/{place}",
        "source": "made",
        "text": text,
        "metadata": metadata,
        "text_hash": fingerprint(text),
        "payload_hash": fingerprint(metadata, length=16),
        "start": 0,
        "end": len(text),
        "parts": 1,
    }


def build(home: Home, model: ModelEntry | None = None) -> Manifest:
    said = SourceEntry(
        documents=1, chunks=1, data_version="1", contract_id="made", contract_version="1.0.0", filterable=tuple(SHARES)
    )
    recipe = Recipe(model or ModelEntry(name="made", fingerprint="made", dimensions=DIMENSIONS), "made", {"made": said})
    return build_release(home, recipe, run_id="benchmark", now=datetime.now(UTC)).manifest


def opened(home: Home, manifest: Manifest) -> Any:
    return open_release(home, manifest.id, MODES)


def timed(release: OpenRelease, question: Query, mode: Any) -> float:
    started = time.perf_counter()
    release.search(question, 10, mode)
    return 1000 * (time.perf_counter() - started)


def told(what: str, took: list[float], cpu_ms: float) -> None:
    took = took[min(20, len(took) // 4) :]  # the first ones warm caches
    print(f"  {what:<34} p50 {statistics.median(took):7.2f} ms  p95 {np.quantile(took, 0.95):7.2f} ms  CPU {cpu_ms:6.2f} ms")


def recall(release: OpenRelease, name: str, count: int, questions: list[Query]) -> float:
    """Share of the ten truly nearest among the rows that are left, by exact search over made vectors; a tie is a hit."""
    asked: Vectors = np.stack([question.vector for question in questions if question.vector is not None])
    best = np.empty((len(asked), 0), dtype=np.float32)
    for start in range(0, count, _PART):
        rows = np.arange(start, min(start + _PART, count))
        near = asked @ part(count, start, _SEED)[rows % SHARES[name] == 0].T
        best = np.sort(np.hstack([best, near]), axis=1)[:, -10:]
    narrowed: Callable[[Query, int], Any] = release.narrowed(Narrow.of((), {name: ["yes"]})).search
    found = [[hit.score for hit in narrowed(question, 10)] for question in questions]
    hits = sum(sum(score >= tenth - 1e-4 for score in scores) for scores, tenth in zip(found, best.min(axis=1), strict=True))
    return hits / best.size


if __name__ == "__main__":
    main()
