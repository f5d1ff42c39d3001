"""What it costs that commits are durable: small ones, as a night makes them, and a large one; with and without fsync.

Run it alone on a quiet machine: `.venv/bin/python benchmarks/commits.py`. It works in a temporary folder below the current
one, because a temporary file system in memory has nothing to sync.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa

from rag_pipeline.corpus.sound import vector_rows
from rag_pipeline.corpus.tables import vectors_table
from rag_pipeline.files import sync
from rag_pipeline.home import Home
from rag_pipeline.lake import OP, Table, durable
from rag_pipeline.lake import table as tables

ROWS = pa.schema([("key", pa.string()), ("text", pa.string())])
COMMITS = 30
VECTORS = 50_000
DIMENSIONS = 384


def rows(first: int) -> pa.Table:
    return pa.table({"key": [f"{first + place}" for place in range(20)], "text": ["a page " * 100] * 20}, ROWS)


def appended(table: Table, number: int) -> None:
    table.append(rows(20 * number))


def merged(table: Table, number: int) -> None:
    changed = rows(20 * number).append_column(OP, pa.array(["upsert"] * 20))
    table.merge(changed.to_reader(), "key")


def timed(folder: Path, work: Callable[[Table, int], None]) -> float:
    """Median milliseconds of a commit."""
    table, taken = Table(folder, ROWS), []
    for number in range(COMMITS):
        started = time.perf_counter()
        work(table, number)
        taken.append(1000 * (time.perf_counter() - started))
    return statistics.median(taken)


def large(home: Home) -> float:
    """Milliseconds to commit vectors as large as those of a first refresh."""
    vectors = np.random.default_rng(1).normal(size=(VECTORS, DIMENSIONS)).astype(np.float32)
    made = vector_rows("model", pa.array([f"{number:032x}" for number in range(VECTORS)]), vectors)
    started = time.perf_counter()
    vectors_table(home).append(made)
    return 1000 * (time.perf_counter() - started)


def main() -> None:
    real = durable.make_durable
    kinds: dict[str, Callable[[Path, int], None]] = {
        "neither": lambda path, since: None,
        "noted": real,
        "durable": real,
    }
    print(f"{'commit':<28} {'plain':>9} {'noted':>9} {'durable':>9}   ms, median of {COMMITS}")
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        for name, work in {"append of 20 rows": appended, "merge of 20 rows": merged, "vectors": None}.items():
            figures = []
            for kind, how in kinds.items():
                vars(tables)["make_durable"] = how
                vars(durable)["sync"] = sync if kind == "durable" else lambda path: None
                where = Path(folder) / f"{name}-{kind}"
                figures.append(timed(where / "lake" / "things", work) if work else large(Home(where)))
            label = name if work else f"append of {VECTORS:,} vectors"
            print(f"{label:<28} " + " ".join(f"{one:9.1f}" for one in figures))


if __name__ == "__main__":
    main()
