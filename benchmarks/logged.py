"""What keeping questions costs a replica: one that keeps none, and one that keeps them masked, asked in turns.

`RAG_HOME=… .venv/bin/python -m benchmarks.logged`: both serve a copy of that home, side by side, and are asked the golden
sets' questions in blocks: off, masked, masked, off. Processor time is that of the whole process, with the thread that
masks and writes; it is read once the block's rows are on the disk. Wall times count on a quiet machine alone.
"""

import argparse
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import httpx
import numpy as np

from benchmarks.serve import WARM, cpu_s, headers, post, replica, timed
from rag_pipeline.golden.read import read_golden_sets
from rag_pipeline.home import Home
from rag_pipeline.process import prepare
from rag_pipeline.settings import load_settings

_WRITTEN_S = 2.5
"""After so long the rows of a block are segments."""
WAYS = ("off", "masked")


def main() -> None:
    prepare()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="of four blocks each")
    parser.add_argument("--block", type=int, default=200, help="questions of a block")
    arguments = parser.parse_args()
    settings = load_settings()
    questions = [text for golden in read_golden_sets(settings.evals) for text in golden.queries.values()]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "home"
        shutil.copytree(settings.home.root, root, ignore=shutil.ignore_patterns("views", "traffic", "dagster"))
        os.environ["RAG_HOME"] = str(root)
        measure(Home(root), questions, arguments.rounds, arguments.block)


def measure(home: Home, questions: list[str], rounds: int, block: int) -> None:
    spent: dict[str, list[float]] = {way: [] for way in WAYS}
    took: dict[str, list[float]] = {way: [] for way in WAYS}
    with (
        replica(home, RAG_QUERY_TEXT="off") as off,
        replica(home, RAG_QUERY_TEXT="masked", RAG_PII_SALT="a salt of benchmarks") as masked,
        httpx.Client() as web,
    ):
        replicas = dict(zip(WAYS, (off, masked), strict=True))
        for way in WAYS:
            ask(web, replicas[way][0], replicas[way][1], questions, WARM)
        time.sleep(_WRITTEN_S)
        for _ in range(rounds):
            for way in (*WAYS, *reversed(WAYS)):
                url, key, process = replicas[way]
                before = cpu_s(process)
                took[way] += ask(web, url, key, questions, block)
                time.sleep(_WRITTEN_S)
                spent[way].append(1000 * (cpu_s(process) - before) / block)
            print(f"  {told(spent)}")
    print(f"{told(spent)}, in {rounds * 2} blocks of {block} questions each")
    for way in WAYS:
        print(f"{way}: p50 {statistics.median(took[way]):.1f} ms, p95 {np.quantile(took[way], 0.95):.1f} ms (wall)")


def ask(web: httpx.Client, url: str, key: str, questions: list[str], count: int) -> list[float]:
    """Milliseconds of each, one after the other."""
    web.headers = httpx.Headers(headers(key))
    texts = [questions[place % len(questions)] for place in range(count)]
    return [timed(lambda text=text: post(web, url, text)) for text in texts]


def told(spent: dict[str, list[float]]) -> str:
    off, masked = (statistics.median(spent[way]) for way in WAYS)
    return f"CPU a question: off {off:.2f} ms, masked {masked:.2f} ms, ratio {masked / off:.3f}"


if __name__ == "__main__":
    main()
