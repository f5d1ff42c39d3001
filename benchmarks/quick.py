"""What commands cost where little has to be done, in CPU seconds, of several checkouts in turns on one and the same home.

    .venv/bin/python -m benchmarks.quick --work /tmp/quick --checkouts /tmp/before .

Squad-dev as benchmarks/peers cuts it, 250 documents of about 1,100 chunks. The home is built once. Before each round it is
put back, so that every checkout has the same nights: nothing changed, a paragraph edited in 1 % of the documents, 1 % of
them deleted. Between them the commands that people wait for. CPU is user and system time of the command and its children:
on a busy machine it says more than the wall does. `--profile` writes where one refresh of each kind spends its time.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.peers import corpus
from benchmarks.peers.feed import Feed
from benchmarks.peers.ours import Ours, golden_questions
from benchmarks.peers.protocol import Document
from benchmarks.peers.systems import QUIET, Options, Place, stopped

_RAG = "from rag_pipeline.cli import main; main()"
_QUESTIONS = 50
_REFRESH = ["refresh", "--json"]


def main() -> None:
    arguments = _arguments()
    os.environ |= QUIET
    place = Place(arguments.work.absolute())
    documents, places = corpus.documents_of(arguments.data, arguments.documents)
    feed = Feed(place, documents)
    ours = Ours(place, golden_questions(arguments.data, places, _QUESTIONS))
    if not place.documents.is_file():
        feed.make_models()
        feed.publish(documents)
        ours.clear()
        if (ran := ours.update(Options(place.model))).exit_code:
            raise SystemExit("\n".join(ran.said))
        ours.update(Options(place.model))  # the first night after a promotion
        ours.keep()
    found: dict[tuple[str, Path], list[tuple[float, float]]] = {}
    for number in range(arguments.repeats):
        turn = number % len(arguments.checkouts)
        for checkout in arguments.checkouts[turn:] + arguments.checkouts[:turn]:
            ours.bring_back()
            for name, command in _steps(feed, documents):
                if arguments.only and name not in arguments.only:
                    continue
                profile = place.work / f"{name.replace(' ', '-')}-{checkout.absolute().name}.prof"
                cpu_s, wall_s = _ran(ours, checkout, command, profile if arguments.profile else None)
                found.setdefault((name, checkout), []).append((cpu_s, wall_s))
                print(f"{number + 1}: {checkout}, {name}: {cpu_s:.2f} s of CPU, {wall_s:.2f} s", flush=True)
    print(f"\n{_table(found)}")


def _steps(feed: Feed, documents: list[Document]) -> Iterator[tuple[str, list[str]]]:
    """Name and arguments of each command, after its documents were put in place."""
    size = corpus.share(documents, 1)
    edited = corpus.edited(documents, corpus.spread(documents, size, first=7), "third")
    corpus.write_documents(feed.place.documents, documents)
    yield "unchanged night", _REFRESH
    yield "rag query, as the release serves", ["query", "Who won the game?", "--json"]
    yield "rag query --mode dense", ["query", "Who won the game?", "--mode", "dense", "--json"]
    yield "rag status", ["status", "--json"]
    yield "rag --help", ["--help"]
    corpus.write_documents(feed.place.documents, edited)
    yield "a paragraph edited in 1 %", _REFRESH
    deleted = corpus.without(edited, corpus.spread(edited, size, first=3))
    corpus.write_documents(feed.place.documents, deleted)
    yield "1 % deleted", _REFRESH


def _ran(ours: Ours, checkout: Path, command: list[str], profile: Path | None) -> tuple[float, float]:
    """CPU and wall seconds of one command. Raises when it failed, or a refresh did not end in what serves."""
    how = ["-m", "cProfile", "-o", str(profile), "-m", "benchmarks.quick_rag"] if profile else ["-c", _RAG]
    environment = {**ours.environment(Options(ours.place.model)), "PYTHONPATH": str(checkout.absolute())}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # modules are compiled once, as on a machine of a user's
    done, wall_s, cpu_s = stopped(
        lambda: subprocess.run(
            [sys.executable, *how, *command], cwd=ours.state, env=environment, capture_output=True, text=True, check=False
        )
    )
    if done.returncode:
        raise SystemExit(f"{checkout}: rag {' '.join(command)} failed:\n{done.stdout}\n{done.stderr}")
    if command == _REFRESH:
        summary = json.loads(done.stdout)
        assert summary["production"] == summary["release"], summary["says"]
    return cpu_s, wall_s


def _table(found: dict[tuple[str, Path], list[tuple[float, float]]]) -> str:
    """Markdown: a command a row, a checkout a column; median CPU seconds, least and most."""
    checkouts = list(dict.fromkeys(checkout for _, checkout in found))
    lines = [f"| | {' | '.join(map(str, checkouts))} |", f"| --- |{' ---: |' * len(checkouts)}"]
    for name in dict.fromkeys(name for name, _ in found):
        cpu = [[cpu_s for cpu_s, _ in found[name, checkout]] for checkout in checkouts]
        cells = [f"{statistics.median(one):.2f} ({min(one):.2f} to {max(one):.2f})" for one in cpu]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.quick", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=corpus.DATA, help="folder with corpus.jsonl, queries.jsonl and qrels/")
    parser.add_argument("--work", type=Path, default=Path(".rag-bench/quick"), help="the home that is there is used again")
    parser.add_argument("--checkouts", type=Path, nargs="+", default=[Path()], help="folders that hold a rag_pipeline")
    parser.add_argument("--documents", type=int, default=250)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", nargs="+", default=[], help="names of rows")
    parser.add_argument("--profile", action="store_true", help="write a cProfile of each command into --work")
    return parser.parse_args()


if __name__ == "__main__":
    main()
