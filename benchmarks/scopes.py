"""Rows that are divided by who may read them, and questions that are narrowed: building, asking, and what narrowing misses.

Made-up chunks with vectors as `benchmarks.scale` makes them, straight into the tables of a home of its own: once without
labels, once with 64 sets of them, of which a reader is granted 8; both are built and asked in turns, ten questions each.
Each column that questions are narrowed by is there twice: once it goes with the cluster, once it has nothing to do with it.

    .venv/bin/python -m benchmarks.scopes --count 100000
    .venv/bin/python -m benchmarks.scopes --count 100000 --narrowed --work /tmp/scopes    # what is there is used again

Times are of the index alone: a question comes with its vector. Run it alone on a quiet machine. Times of CPU
are those of all threads; their ratios hold beside other work too.
"""

import argparse
import json
import tempfile
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.scale import A_CLUSTER, DIMENSIONS, LATENT, SPREAD, Vectors, _centres, part, peak_mb, spread
from rag_pipeline.contracts.labels import LABELS
from rag_pipeline.corpus.tables import CHUNKS, VECTORS, chunks_table, vectors_table
from rag_pipeline.files import fingerprint
from rag_pipeline.home import Home
from rag_pipeline.index.build import Recipe, build_release
from rag_pipeline.index.manifest import MODES, Manifest, Mode, ModelEntry, SourceEntry, read_manifest
from rag_pipeline.index.narrow import Narrow
from rag_pipeline.index.retrieve import OpenRelease, Query, open_release
from rag_pipeline.process import prepare

SCOPES, GRANTED = 64, 8
SHARES = {"half": 2, "twentieth": 20, "two_hundredth": 200}
"""Column -> one in how many rows has the value `yes` in it. It goes with the cluster: whole neighborhoods are left out."""
ANYWHERE = "_anywhere"
"""How the columns end that keep as many rows, whichever cluster they are of."""
COLUMNS = (*SHARES, *(name + ANYWHERE for name in SHARES))
_PART, _SEED, _WORDS, _TURN = 5_000, 5, 20_000, 10


def main() -> None:
    prepare()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--questions", type=int, default=200)
    parser.add_argument("--narrowed", action="store_true", help="only narrowed questions, no scopes")
    parser.add_argument("--work", type=Path, help="keep the homes here, and use those that are here")
    arguments = parser.parse_args()
    questions = list(made_questions(arguments.count, arguments.questions))
    names = ("plain",) if arguments.narrowed else ("plain", "divided")
    with ExitStack() as stack:
        work = arguments.work or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        plain, *divided = (
            stack.enter_context(opened(*built(work / name, arguments.count, name == "divided"))) for name in names
        )
        ways: dict[str, OpenRelease] = {"not divided": plain}
        for many in divided:
            granted = [f"group {number}" for number in range(GRANTED)]
            ways |= {f"{GRANTED} of {SCOPES} scopes": many.readable_by(granted), f"all {SCOPES} scopes": many}
        for name in COLUMNS:
            said = f"narrowed to 1 in {SHARES[name.removesuffix(ANYWHERE)]}" + (
                ", anywhere" if name.endswith(ANYWHERE) else ""
            )
            started, spent = time.perf_counter(), time.process_time()
            ways[said] = plain.narrowed(Narrow.of((), {name: ["yes"]}))
            ways[said].search(questions[0], 10, "dense")
            took = time.perf_counter() - started
            while any(one.name == "sketch" for one in threading.enumerate()):
                time.sleep(0.01)
            spent = time.process_time() - spent
            print(f"{said}: first answered in {took:.2f} s, prepared with {spent:.2f} s of CPU", flush=True)
        for number in range(arguments.rounds):
            print(f"round {number + 1}")
            for mode in MODES:
                asked_in_turns(ways, questions, mode)
        for name in COLUMNS:
            print(f"{name}: recall@10 {recall(plain, name, arguments.count, questions):.4f}")
        print(f"{peak_mb():.0f} MB at most")


def built(root: Path, count: int, divided: bool) -> tuple[Home, Manifest]:
    """A home with a release of so many chunks: the one that is there, or a new one."""
    if kept := sorted((root / "releases").glob("*/manifest.json")):
        return Home(root), read_manifest(kept[0].parent)
    home = home_with(root, count, divided)
    started, spent = time.perf_counter(), time.process_time()
    manifest = build(home)
    seconds, cpu = time.perf_counter() - started, time.process_time() - spent
    scopes = len(manifest.scopes) or 1
    print(f"{count:,} chunks in {scopes} scopes: built in {seconds:.1f} s, {cpu:.1f} s of CPU", flush=True)
    return home, manifest


def asked_in_turns(ways: Mapping[str, OpenRelease], questions: Sequence[Query], mode: Mode) -> None:
    """Asks the same questions in all ways, and prints what they took, and how often as long as in the first way."""
    took: dict[str, list[tuple[float, float]]] = {what: [] for what in ways}
    for start in range(-_TURN, len(questions), _TURN):  # the first turn warms caches
        for what, release in ways.items():
            turn = [timed(release, question, mode) for question in questions[max(0, start) :][:_TURN]]
            took[what] += turn if start >= 0 else []
    first = None
    for what, times in took.items():
        figures = np.quantile(np.array(times), [0.5, 0.95], axis=0)
        first = figures if first is None else first
        (p50, cpu50), (p95, cpu95) = figures
        (of_p50, of_cpu50), (of_p95, of_cpu95) = figures / first
        print(
            f"  {mode:<8}{what:<32} ms: p50 {p50:6.2f} ({of_p50:4.2f})  p95 {p95:6.2f} ({of_p95:4.2f})"
            f"   of CPU: p50 {cpu50:6.2f} ({of_cpu50:4.2f})  p95 {cpu95:6.2f} ({of_cpu95:4.2f})",
            flush=True,
        )


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
    root.mkdir(parents=True, exist_ok=True)
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
            said = labels | {name: "yes" if keeps(name, place) else "no" for name in COLUMNS}
            rows.append(chunk(place, text, json.dumps(said, sort_keys=True)))
            stored.append({"model": model, "text_hash": fingerprint(text), "vector": vector.tolist()})
        chunks_table(home).append(pa.Table.from_pylist(rows, CHUNKS))
        vectors_table(home).append(pa.Table.from_pylist(stored, VECTORS))


def keeps(name: str, place: int) -> bool:
    """Whether a row has the value `yes` in a column."""
    share = SHARES[name.removesuffix(ANYWHERE)]
    return (zlib.crc32(f"{place}".encode()) if name.endswith(ANYWHERE) else place) % share == 0


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
        documents=1, chunks=1, data_version="1", contract_id="made", contract_version="1.0.0", filterable=COLUMNS
    )
    recipe = Recipe(model or ModelEntry(name="made", fingerprint="made", dimensions=DIMENSIONS), "made", {"made": said})
    return build_release(home, recipe, run_id="benchmark", now=datetime.now(UTC)).manifest


def opened(home: Home, manifest: Manifest) -> Any:
    return open_release(home, manifest.id, MODES)


def timed(release: OpenRelease, question: Query, mode: Mode) -> tuple[float, float]:
    """Milliseconds of time, and of CPU in all threads."""
    started, spent = time.perf_counter(), time.process_time()
    release.search(question, 10, mode)
    return 1000 * (time.perf_counter() - started), 1000 * (time.process_time() - spent)


def recall(release: OpenRelease, name: str, count: int, questions: list[Query]) -> float:
    """Share of the ten truly nearest among the rows that are left, by exact search over made vectors; a tie is a hit."""
    asked: Vectors = np.stack([question.vector for question in questions if question.vector is not None])
    best = np.empty((len(asked), 0), dtype=np.float32)
    for start in range(0, count, _PART):
        rows = np.arange(start, min(start + _PART, count))
        left = [keeps(name, row) for row in rows.tolist()]
        near = asked @ part(count, start, _SEED)[left].T
        best = np.sort(np.hstack([best, near]), axis=1)[:, -10:]
    narrowed: Callable[[Query, int], Any] = release.narrowed(Narrow.of((), {name: ["yes"]})).search
    found = [[hit.score for hit in narrowed(question, 10)] for question in questions]
    hits = sum(sum(score >= tenth - 1e-4 for score in scores) for scores, tenth in zip(found, best.min(axis=1), strict=True))
    return hits / best.size


if __name__ == "__main__":
    main()
