"""What a million logged questions cost to put into their table, and whether what is judged of them tells the truth.

`.venv/bin/python -m benchmarks.traffic ingest` writes segments of a million questions as a hundred replicas-seconds would,
and puts them in, in a process of its own whose memory is told. `… kills` does it while it is killed twenty times.
`… judged` draws, judges and counts in 200 made worlds (`benchmarks/askers.py`). `… drift` tells how often a change is seen,
of made questions, or of real ones: `--questions` names a collection in BEIR's form, `--kept` a folder for their vectors.
"""

import argparse
import multiprocessing
import os
import random
import resource
import signal
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks import askers, real_topics
from rag_pipeline.files import private_folder
from rag_pipeline.home import Home
from rag_pipeline.lake import collected
from rag_pipeline.process import prepare
from rag_pipeline.traffic.drift import shift
from rag_pipeline.traffic.ingest import ingest
from rag_pipeline.traffic.rows import table
from rag_pipeline.traffic.segments import waiting, write_segment

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


def main() -> None:
    prepare()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["ingest", "kills", "judged", "drift"])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--a-segment", type=int, default=100, help="rows of a segment: a second of a busy replica")
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--first", type=int, default=0, help="number of the first run")
    parser.add_argument("--questions", type=Path)
    parser.add_argument("--kept", type=Path)
    arguments = parser.parse_args()
    if arguments.what == "judged":
        estimates(arguments.runs)
        return
    if arguments.what == "drift" and arguments.questions:
        with tempfile.TemporaryDirectory() as folder:
            asked = real_topics.read_questions(arguments.questions, arguments.kept or Path(folder))
            print(real_topics.told(asked, range(arguments.first, arguments.first + arguments.runs)))
        return
    if arguments.what == "drift":
        changes(arguments.runs)
        return
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder))
        began = time.monotonic()
        log_rows(home, arguments.rows, arguments.a_segment)
        segments = len(waiting(home, "queries"))
        print(f"{segments:,} segments of {arguments.rows:,} rows written in {time.monotonic() - began:.0f} s")
        if arguments.what == "kills":
            kill_twenty_times(home)
        told = in_a_process(home)
        rows = collected(table(home, "queries").scan().select("query_id", "lost_before"))
        ids, lost = rows["query_id"].n_unique(), rows["lost_before"].sum()
        print(f"{told}; the table has {rows.height:,} rows, {ids:,} ids, {lost} lost")
        assert rows.height == rows["query_id"].n_unique() == arguments.rows


def log_rows(home: Home, count: int, a_segment: int) -> None:
    """Over ten days, as one replica writes them."""
    folder, chance = private_folder(home.traffic), random.Random(1)
    for start in range(0, count, a_segment):
        rows = [_row(number, count, chance) for number in range(start, min(start + a_segment, count))]
        write_segment(folder, f"bench-1-20261130-120000-{start // a_segment:08d}", "queries", rows)


def _row(number: int, count: int, chance: random.Random) -> dict[str, Any]:
    at = NOW - timedelta(days=10) * (1 - number / count)
    hits = [f"{chance.getrandbits(128):032x}" for _ in range(10)]
    return {
        "query_id": f"q_{int(at.timestamp() * 1000):012x}{chance.getrandbits(112):028x}",
        "timestamp": at,
        "client_id": f"{chance.randrange(500):016x}",
        "user_query": f"how do I copy folder {chance.randrange(50_000)} to another place and keep its times",
        "query_hmac": f"{chance.getrandbits(128):032x}",
        "query_response_hit_ids": hits,
        "scores": [chance.random() for _ in hits],
        "channel": "production",
        "release": "20261129-075309-69102fa0",
        "mode": "hybrid",
        "degraded": [],
        "reads": ["public"],
        "k": 10,
        "narrowed": False,
        "status": 200,
        "problem": "",
        **{f"{step}_ms": chance.random() * 20 for step in ("total", "wait", "embed", "search")},
        "lost_before": 0,
    }


def _work(root: str, sends: Any) -> None:
    began = time.monotonic()
    done = ingest(Home(Path(root)), "queries", NOW + timedelta(hours=1), days=90)
    used = resource.getrusage(resource.RUSAGE_SELF)
    peak = used.ru_maxrss / 1024
    sends.send(
        f"{done.rows:,} rows put in, {done.known:,} known before, in {time.monotonic() - began:.1f} s "
        f"({used.ru_utime + used.ru_stime:.1f} s of CPU), at most {peak:.0f} MB"
    )


def in_a_process(home: Home) -> str:
    receives, sends = multiprocessing.get_context("spawn").Pipe()
    worker = multiprocessing.get_context("spawn").Process(target=_work, args=(str(home.root), sends))
    worker.start()
    told = str(receives.recv())
    worker.join()
    return told


def kill_twenty_times(home: Home) -> None:
    context, chance = multiprocessing.get_context("spawn"), random.Random(2)
    for kill in range(20):
        left = len(waiting(home, "queries"))
        worker = context.Process(target=_work, args=(str(home.root), context.Pipe()[1]))
        worker.start()
        goal = left - chance.randint(1, max(1, left // (20 - kill)))
        while worker.is_alive() and len(waiting(home, "queries")) > goal:
            time.sleep(0.01)
        time.sleep(chance.uniform(0, 0.3))
        assert worker.pid
        os.kill(worker.pid, signal.SIGKILL)
        worker.join()
    print(f"killed 20 times; {len(waiting(home, 'queries')):,} segments left")


def estimates(runs: int) -> None:
    inside, by_thumbs, off, off_thumbs, truths, complete, sizes = 0, 0, 0.0, 0.0, 0.0, 0.0, 0
    for seed in range(runs):
        one = askers.world(seed)
        told, said = askers.judged(one), askers.thumbs(one, seed)
        inside += told.holds(one.truth)
        by_thumbs += said.holds(one.truth)
        off += told.mean - one.truth
        off_thumbs += said.mean - one.truth
        truths += one.truth
        complete += one.complete
        sizes += told.questions
    print(f"{runs} worlds, {sizes / runs:.0f} answered questions judged; mean truth {truths / runs:.3f},")
    print(f"  from complete relevance {complete / runs:.3f}: documents that no way found first are judged by nobody")
    print(f"judged: the truth in the 95 % interval {inside / runs:.1%}, mean error {off / runs:+.4f}")
    print(f"thumbs: the truth in the 95 % interval {by_thumbs / runs:.1%}, mean error {off_thumbs / runs:+.4f}")


def changes(runs: int) -> None:
    """A week of 2,000 questions on made topics against 4,000 earlier ones: nothing changed, or a tenth is on a new one."""
    same = found = 0
    for seed in range(runs):
        before, after = askers.topic_vectors(seed, 4_000), askers.topic_vectors(seed, 2_000, run=1)
        new = askers.topic_vectors(seed, 2_000, run=2, new_share=0.1)
        told, changed = shift(after, before, seed=seed), shift(new, before, seed=seed)
        assert told and changed
        same += told.differs
        found += changed.differs
    print(f"{runs} runs: no change flagged {same / runs:.1%}, new topic of 10 % found {found / runs:.1%}")


if __name__ == "__main__":
    main()
