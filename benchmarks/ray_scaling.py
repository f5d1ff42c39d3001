"""What a second worker of Ray is worth, and what Ray costs: texts a second with two workers, with one, and without Ray.

`.venv/bin/python -m benchmarks.ray_scaling --texts 4000`: the same parts each time, five rounds in turns, medians. Each
worker has one thread and a core of its own; Ray's other processes and the driver are niced. What counts is the time between
the fragment after a quarter of all and the last one: the start of the cluster and of the models is told apart.

- scaling efficiency = rate of two workers / (2 x rate of one): .85 is wanted.
- ceiling = rate of two such processes side by side without Ray / (2 x rate of one): what this machine's second core is
  worth, since two cores share memory and its caches. Efficiency beyond it is not to be had from any engine.
- overhead = rate of one worker / rate in process, one thread: .90 is wanted.

On a busy machine it says nothing.
"""

import argparse
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa

from rag_pipeline.corpus.control import Control
from rag_pipeline.corpus.embeddings import update_embeddings
from rag_pipeline.corpus.engines import Cluster
from rag_pipeline.corpus.engines.handover import addresses_of
from rag_pipeline.corpus.engines.parts import parts_of
from rag_pipeline.corpus.engines.worker import Worker, orders_of
from rag_pipeline.corpus.missing import find_missing
from rag_pipeline.corpus.model import model_of
from rag_pipeline.corpus.tables import CHUNKS, chunks_table, vectors_table
from rag_pipeline.files import fingerprint
from rag_pipeline.home import Home
from rag_pipeline.process import prepare
from rag_pipeline.settings import PROJECT, Settings

CHARACTERS = 356
"""Of a text: what a chunk of the bundled corpus has."""


def store(home: Home, count: int) -> None:
    """So many distinct texts, cut from the pages of the documentation."""
    pages = "\n".join(path.read_text(encoding="utf-8") for path in sorted((PROJECT / "docs").rglob("*.md")))
    step = max(1, (len(pages) - CHARACTERS) // count)
    empty = {**dict.fromkeys(CHUNKS.names, ""), "start": 0, "end": CHARACTERS, "parts": 1, "source": "docs"}
    texts = (pages[place * step : place * step + CHARACTERS] for place in range(count))
    rows = [empty | {"chunk_id": fingerprint(text), "text": text, "text_hash": fingerprint(text)} for text in texts]
    chunks_table(home).overwrite(pa.Table.from_pylist(rows, CHUNKS))


def rate(home: Home, part: int) -> float:
    """Texts a second between the fragment after a quarter of all and the last one, by the times they were finished at."""
    ends = sorted(file.stat().st_mtime_ns for file in home.vectors.glob("model=*/*.parquet"))
    skipped = len(ends) // 4
    return (len(ends) - 1 - skipped) * part / ((ends[-1] - ends[skipped]) / 1e9)


def embed(home: Home, names: list[str], core: int) -> None:
    """What a worker does with these parts, without Ray, on this core."""
    os.sched_setaffinity(0, {core})
    prepare()
    nothing = Control("nothing", [], np.empty((0, 0), dtype=np.float32))
    model = model_of(Settings(home=home.root))
    orders = orders_of(model, Settings().model, nothing, addresses_of(home, home.vectors), threads=1)
    worker = Worker(orders.as_json())
    for name in names:
        assert "error" not in worker.embed(name)


def without_ray(home: Home, part: int, processes: int) -> None:
    """Every part, in so many processes of one thread, each on a core of its own."""
    missing = find_missing(chunks_table(home), vectors_table(home), model_of(Settings()).fingerprint, home.scratch)
    new = multiprocessing.get_context("spawn").Process
    with parts_of(home, missing, part) as parts:
        names = [one.name for one in parts]
        running = [new(target=embed, args=(home, names[core::processes], core)) for core in range(processes)]
        for process in running:
            process.start()
        for process in running:
            process.join()
            assert process.exitcode == 0


@contextmanager
def arranged() -> Iterator[None]:
    """Give each worker of Ray below this process a core, and let everything else of Ray wait for them."""
    leave, cores = threading.Event(), dict[int, int]()

    def arrange() -> None:
        while not leave.wait(0.2):
            for process in psutil.Process().children(recursive=True):
                with suppress(psutil.Error, ProcessLookupError):
                    if "MapWorker" not in " ".join(process.cmdline()):
                        process.nice(10)
                        continue
                    core = cores.setdefault(process.pid, len(cores))
                    for thread in process.threads():
                        os.sched_setaffinity(thread.id, {core % (os.cpu_count() or 1)})

    thread = threading.Thread(target=arrange, daemon=True)
    thread.start()
    try:
        yield
    finally:
        leave.set()
        thread.join()


def on_ray(home: Home, part: int, workers: int) -> None:
    model = model_of(Settings(home=home.root))
    how = Cluster(Settings().model, workers=(workers, workers), part=part, minimum=1)
    with arranged():
        update_embeddings(home, model, model.load, how)


RUNS = {"here": (without_ray, 1), "both": (without_ray, 2), "one": (on_ray, 1), "two": (on_ray, 2)}


def measured(kind: str, texts: int, part: int) -> tuple[float, float]:
    """Texts a second, and seconds of all together, of one kind in a process and a home of its own."""
    with tempfile.TemporaryDirectory(prefix="rag-ray-") as folder:
        store(Home(Path(folder)), texts)
        started = time.monotonic()
        command = [sys.executable, "-m", "benchmarks.ray_scaling", "--run", kind, "--home", folder, "--part", str(part)]
        subprocess.run(command, check=True, cwd=PROJECT)
        return rate(Home(Path(folder)), part), time.monotonic() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=4_000)
    parser.add_argument("--part", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--run", choices=RUNS, help=argparse.SUPPRESS)
    parser.add_argument("--home", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.run:
        how, workers = RUNS[asked.run]
        how(Home(asked.home), asked.part, workers)
        return
    texts = asked.texts // asked.part * asked.part
    found: dict[str, list[tuple[float, float]]] = {kind: [] for kind in RUNS}
    for number in range(asked.rounds):
        for kind, rates in found.items():
            rates.append(measured(kind, texts, asked.part))
            print(f"round {number + 1}, {kind}: {rates[-1][0]:.1f} texts/s, {rates[-1][1]:.0f} s in all", flush=True)
    here, both, one, two = (statistics.median(each for each, _ in rates) for rates in found.values())
    told = {
        "texts": texts,
        "rounds": asked.rounds,
        "in_process_per_s": round(here, 2),
        "two_processes_per_s": round(both, 2),
        "one_worker_per_s": round(one, 2),
        "two_workers_per_s": round(two, 2),
        "scaling_efficiency": round(two / (2 * one), 3),
        "ceiling": round(both / (2 * here), 3),
        "overhead": round(one / here, 3),
        "seconds_in_all": {kind: round(statistics.median(all_s for _, all_s in rates), 1) for kind, rates in found.items()},
    }
    print(json.dumps(told, indent=2))


if __name__ == "__main__":
    main()
