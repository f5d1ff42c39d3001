"""The door beside the library: one user, a steady load, as much as it bears, and three times that.

`RAG_HOME=… .venv/bin/python -m benchmarks.serve`: starts `rag serve` on what serves there, with a key of its own that is
revoked in the end, and asks the golden sets' questions. With `--made 100000` it serves a home of its own instead, of so
many made chunks: their vectors are made up (`benchmarks.scopes`), the questions and the model that embeds them are real.
Each round measures the library in this process and the replica in turns, so that a busy machine troubles both alike. Run it
alone on a quiet machine: clients and replica share its cores.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
import pyarrow as pa

from benchmarks.asking import Web, bare_server, closed_loop, one, open_loop
from benchmarks.scopes import add_chunks, build, home_with
from rag_pipeline import Index
from rag_pipeline.channels.audit import move_and_record
from rag_pipeline.channels.pointer import PRODUCTION, Channel, read_channel
from rag_pipeline.corpus.control import spread
from rag_pipeline.corpus.model import Model, model_of
from rag_pipeline.corpus.tables import VECTORS, chunks_table, vectors_table
from rag_pipeline.door.keys import KeyToMake, make_key, revoke_key
from rag_pipeline.golden.read import read_golden_sets
from rag_pipeline.home import Home
from rag_pipeline.home_mark import claim_home
from rag_pipeline.index.manifest import Manifest, ModelEntry, all_manifests
from rag_pipeline.process import prepare
from rag_pipeline.settings import Settings, load_settings

WARM = 20
FREE = dict.fromkeys(("RAG_SERVE_RATE", "RAG_SERVE_RATE_TOTAL"), "900000/minute") | {"RAG_SERVE_AT_ONCE_EACH": "1024"}


def main() -> None:
    prepare()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--made", type=int, help="serve so many made chunks")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10, help="of each load")
    parser.add_argument("--alone", type=int, default=200, help="questions of one user, a round")
    parser.add_argument("--rate", type=float, default=50, help="questions a second of the steady load")
    arguments = parser.parse_args()
    with ExitStack() as stack:
        if arguments.made:
            os.environ["RAG_HOME"] = stack.enter_context(tempfile.TemporaryDirectory())
            made_home(load_settings(), arguments.made)
        measure(arguments)


def measure(arguments: argparse.Namespace) -> None:
    settings = load_settings()
    questions = [text for golden in read_golden_sets(settings.evals) for text in golden.queries.values()]
    with replica(settings.home) as (url, key, process), Index.open() as index:
        for number in range(arguments.rounds):
            print(f"round {number + 1}")
            asked = [questions[place % len(questions)] for place in range(WARM + arguments.alone)]
            spent = time.process_time()
            library = told("library, one user", [timed(lambda text=text: index.search(text, 10)) for text in asked][WARM:])
            print(f"    {1000 * (time.process_time() - spent) / len(asked):.1f} ms of CPU a question")
            spent = cpu_s(process)
            with httpx.Client(headers=headers(key)) as web:
                door = told("replica, one user", [timed(lambda text=text: post(web, url, text)) for text in asked][WARM:])
            print(f"    {1000 * (cpu_s(process) - spent) / len(asked):.1f} ms of CPU a question, in the replica")
            print(f"  the door adds {door - library:.1f} ms at p95")
            asyncio.run(loads(url, key, questions, arguments.rate, arguments.seconds))
            if arguments.made:
                asyncio.run(moves(Web(url, key), settings.home, questions, arguments.seconds))


def made_home(settings: Settings, count: int) -> None:
    """A home whose production holds so many made chunks, of the model that is configured."""
    claim_home(settings)
    model = model_of(settings)
    root = settings.home.root
    home = home_with(root, count, divided=False, model=model.fingerprint)
    entry = ModelEntry(name=settings.model, fingerprint=model.fingerprint, dimensions=model.dimensions)
    _true_control(home, model)
    move(home, build(home, entry))
    add_chunks(home, range(count, count + 1), divided=False, model=model.fingerprint)  # another release, to be moved to
    _true_control(home, model)
    move(home, build(home, entry))
    print(f"{count + 1:,} made chunks are served")


def move(home: Home, release: Manifest) -> None:
    """Have production point to a release, whatever the gate would say."""
    now = read_channel(home, PRODUCTION)
    then = Channel(
        release=release.id,
        fingerprint=release.fingerprint,
        previous=now.release if now else None,
        sequence=now.sequence + 1 if now else 1,
        at=datetime.now(UTC),
        by="benchmark",
        why="to be measured",
        run_id="benchmark",
        action="overridden",
        outcome="could not be evaluated",
    )
    move_and_record(home, PRODUCTION, then, expected=now)


def _true_control(home: Home, model: Model) -> None:
    """The vectors that a reader holds against its model are the model's own; all others are made up."""
    chunks = chunks_table(home).scan().collect().sort("end", "chunk_id")
    few = chunks[spread(chunks.height)]
    vectors_table(home).remove(pa.table({"text_hash": few["text_hash"].to_list()}), ("text_hash",))
    vectors = model.load().documents(few["text"].to_list())
    rows = [
        {"model": model.fingerprint, "text_hash": text, "vector": vector.tolist()}
        for text, vector in zip(few["text_hash"], vectors, strict=True)
    ]
    vectors_table(home).append(pa.Table.from_pylist(rows, VECTORS))


async def loads(url: str, key: str, questions: list[str], rate: float, seconds: float) -> None:
    web = Web(url, key)
    steady = await open_loop(web, questions, rate, seconds)
    report(f"{rate:g} a second", steady, seconds)
    bears = await closed_loop(web, questions, 16, seconds)
    print(f"  16 at once: {bears:.0f} a second sustained")
    with bare_server() as port:
        bare = Web(f"http://127.0.0.1:{port}", key)
        beside = asyncio.create_task(open_loop(bare, questions, bears / 2, seconds))
        report(f"three times that ({3 * bears:.0f} a second)", await open_loop(web, questions, 3 * bears, seconds), seconds)
        told("a server that does nothing, beside it", [took for _, took in await beside])
        bare.close()
    began = time.perf_counter()
    while (await one(web, questions[0]))[0] != 200:
        await asyncio.sleep(0.05)
    print(f"  answered again after {time.perf_counter() - began:.2f} s")
    web.close()


async def moves(web: "Web", home: Home, questions: list[str], seconds: float) -> None:
    """One user, who asks ten times a second: first while nothing happens, then while production moves every 3 s."""
    quiet = [took for _, took in await open_loop(web, questions, 10, seconds)]
    told("10 a second, nothing moves", quiet)
    releases = sorted(all_manifests(home.releases), key=lambda one: one.id)
    ended = asyncio.Event()

    async def mover() -> int:
        moved = 0
        while not ended.is_set():
            await asyncio.to_thread(move, home, releases[moved % len(releases)])
            moved += 1
            with suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), 3)
        return moved

    moving = asyncio.create_task(mover())
    found = await open_loop(web, questions, 10, 3 * seconds)
    ended.set()
    took = [each for _, each in found]
    told(f"10 a second, {await moving} moves, each of which opens a release", took)
    longest = f"{max(took):.0f} ms, {max(quiet):.0f} while nothing moved"
    print(f"  the longest took {longest}; {dict(Counter(status for status, _ in found))}")


def report(name: str, found: list[tuple[int, float]], seconds: float) -> None:
    statuses = Counter(status for status, _ in found)
    print(f"  {name}: {dict(statuses)} in {seconds:g} s")
    for status in sorted(statuses):
        told(f"  {status}", [took for each, took in found if each == status])


def told(name: str, took: list[float]) -> float:
    p50, p95 = statistics.median(took), float(np.quantile(took, 0.95))
    print(f"  {name}: p50 {p50:.1f} ms, p95 {p95:.1f} ms ({len(took)})")
    return p95


def timed(work: Any) -> float:
    began = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - began)


def post(web: httpx.Client, url: str, text: str) -> None:
    web.post(f"{url}/v1/search", json={"query": text, "k": 10}).raise_for_status()


def cpu_s(process: psutil.Process) -> float:
    said = process.cpu_times()
    return float(said.user + said.system)


def headers(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


@contextmanager
def replica(home: Home, **variables: str) -> Iterator[tuple[str, str, psutil.Process]]:
    """A replica that is ready: its address, a key, and its process. `variables`: on top of the environment."""
    made, key = make_key(home, KeyToMake(name="benchmark", may=("search",), reads=("all",), days=1), datetime.now(UTC))
    command = [str(Path(sys.executable).with_name("rag")), "serve", "--port", "0", "--metrics-port", "0", "--json"]
    process = subprocess.Popen(
        command, env={**os.environ, **FREE, **variables}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["url"]
        while httpx.get(f"{url}/readyz").status_code != 200:
            time.sleep(0.2)
        yield url, key, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait()
        revoke_key(home, made.id, datetime.now(UTC))


if __name__ == "__main__":
    main()
