"""Building a release after a 1 % change against building the same release whole; promotion and rollback.

Run it alone on a quiet machine: `.venv/bin/python benchmarks/release.py build`, and, after a `make refresh`,
`.venv/bin/python benchmarks/release.py move`. Both work in temporary folders; `move` copies RAG_HOME first.
"""

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa

from rag_pipeline.channels.pointer import serving
from rag_pipeline.contracts.read import read_contracts
from rag_pipeline.corpus.model import model_of
from rag_pipeline.corpus.tables import CHUNKS, VECTORS, chunks_table, vectors_table
from rag_pipeline.evaluate.evaluate import Evaluation, ServingRelease, evaluate_release
from rag_pipeline.files import fingerprint
from rag_pipeline.home import Home
from rag_pipeline.index.build import Recipe, build_release
from rag_pipeline.index.manifest import ModelEntry, SourceEntry, read_manifest
from rag_pipeline.index.recipe import recipe_now
from rag_pipeline.process import prepare
from rag_pipeline.release.promote import inputs_now, promote
from rag_pipeline.release.request import PromotionRequest
from rag_pipeline.settings import load_settings

DIMENSIONS = 384
WORDS = [f"{first}{last}" for first in ("con", "pre", "tri", "met", "sol") for last in ("tract", "fix", "al", "ric", "id")]
RECIPE = Recipe(
    model=ModelEntry(name="synthetic", fingerprint="synthetic", dimensions=DIMENSIONS),
    chunker="synthetic",
    sources={"numbers": SourceEntry(documents=1, chunks=1, data_version="", contract_id="numbers", contract_version="1")},
)


def store(home: Home, count: int, replaced: int, generator: np.random.Generator) -> None:
    """`count` chunks of 100 words with clustered vectors; the first `replaced` are others than last time."""
    centres = np.random.default_rng(1).normal(size=(count // 100, DIMENSIONS))
    numbers = [f"{generator.integers(1 << 60)}" if place < replaced else str(place) for place in range(count)]
    noise = np.random.default_rng(2).normal(size=(count, DIMENSIONS))
    noise[:replaced] = generator.normal(size=(replaced, DIMENSIONS))
    vectors = (centres[np.arange(count) % len(centres)] + 0.6 * noise).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    chosen = np.random.default_rng(3).choice(WORDS, size=(count, 100))
    texts = [f"{number} {' '.join(words)}" for number, words in zip(numbers, chosen, strict=True)]
    hashes = [fingerprint(text) for text in texts]
    fixed = {"source": "numbers", "heading": "A > B", "title": "A title", "uri": "https://example.com/a", "metadata": "{}"}
    rows = [
        {
            **fixed,
            "chunk_id": text_hash,
            "document_id": f"numbers/{place // 5}",
            "text": text,
            "text_hash": text_hash,
            "start": 0,
            "end": len(text),
            "payload_hash": text_hash[:16],
            "document_hash": "",
            "chunker": "synthetic",
            "parts": 1,
        }
        for place, (text, text_hash) in enumerate(zip(texts, hashes, strict=True))
    ]
    chunks_table(home).overwrite(pa.Table.from_pylist(rows, CHUNKS))
    new = replaced if vectors_table(home).exists else count
    offsets = pa.array(np.arange(0, (new + 1) * DIMENSIONS, DIMENSIONS, dtype=np.int32))
    values = pa.ListArray.from_arrays(offsets, pa.array(vectors[:new].reshape(-1)))
    columns = [pa.array(["synthetic"] * new), pa.array(hashes[:new]), values, pa.nulls(new, pa.int64())]
    vectors_table(home).append(pa.Table.from_arrays(columns, schema=VECTORS))


def timed(work: Callable[[], object]) -> float:
    """Seconds; what was written before is on disk by then, as it is a night later."""
    os.sync()
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def build(count: int, repeats: int) -> None:
    """Pairs of (difference to a kept release, whole) builds of the very same content."""
    generator = np.random.default_rng(0)
    pairs = []
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder))
        store(home, count, 0, generator)
        build_release(home, RECIPE, run_id="benchmark", now=datetime.now(UTC))
        shutil.copytree(home.releases, home.root / "kept")
        for number in range(1, repeats + 1):
            store(home, count, count // 100, generator)
            shutil.rmtree(home.releases)
            shutil.copytree(home.root / "kept", home.releases)
            after = timed(lambda: build_release(home, RECIPE, run_id="benchmark", now=datetime.now(UTC)))
            shutil.rmtree(home.releases)
            whole = timed(lambda: build_release(home, RECIPE, run_id="benchmark", now=datetime.now(UTC)))
            pairs.append((after, whole))
            sys.stdout.write(f"pair {number}: 1 % changed {after:.2f} s, whole {whole:.2f} s, ratio {after / whole:.4f}\n")
            sys.stdout.flush()
    ratio = statistics.median(after / whole for after, whole in pairs)
    sys.stdout.write(f"{count:,} vectors, 1 % changed / whole: {ratio:.4f} (median of {repeats})\n")


def move(repeats: int) -> None:
    """Promotion and rollback between the release that serves and one that lacks a chunk."""
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder) / "home")
        shutil.copytree(load_settings().home.root, home.root, ignore=shutil.ignore_patterns("views", "scratch"))
        settings = load_settings().model_copy(update={"home": home})
        contracts, now = read_contracts(settings.contracts), datetime.now(UTC)
        first = serving(home)
        assert first, "nothing serves yet; run `make refresh` first"
        one = chunks_table(home).scan().select(pl.col("chunk_id").min()).collect().item()
        chunks_table(home).delete(f"chunk_id = '{one}'")
        second = build_release(home, recipe_now(settings, contracts, now), run_id="benchmark", now=now).manifest.id
        inputs = inputs_now(settings, contracts, now)
        work = Evaluation(
            home,
            inputs.golden_sets,
            model_of(settings),
            inputs.policy.fingerprints,
            run_id="benchmark",
            now=now,
            metrics={golden.name: inputs.policy.metrics(golden.name) for golden in inputs.golden_sets},
        )
        for release, rival in ((second, first), (first, second)):
            fingerprint_of_rival = read_manifest(home.release(rival)).fingerprint
            evaluate_release(work, release, ServingRelease(rival, fingerprint_of_rival))
        for number in range(1, repeats + 1):
            for what, release in (("promotion", second), ("rollback", first)):
                took = timed(
                    partial(
                        promote,
                        inputs,
                        PromotionRequest(release, by="benchmark", why="timing", named=True),
                        run_id="benchmark",
                    )
                )
                sys.stdout.write(f"{what} {number}: {1000 * took:.0f} ms\n")


def main() -> None:
    prepare()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["build", "move"])
    parser.add_argument("--count", type=int, default=50_000)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    if arguments.what == "build":
        build(arguments.count, arguments.repeats)
    else:
        move(arguments.repeats)


if __name__ == "__main__":
    main()
