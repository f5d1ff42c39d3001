"""This project side by side with LangChain, LlamaIndex and CocoIndex: how fast, and how right.

    .venv/bin/python -m benchmarks.peers env                            # the peers' environments, once
    .venv/bin/python -m benchmarks.peers speed --documents 250 --repeats 5
    .venv/bin/python -m benchmarks.peers matrix --documents 60

Run it from the checkout; `speed` alone on a quiet machine. benchmarks/peers/README.md says what is held equal.
"""

import argparse
import json
import os
import platform
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.peers import corpus, matrix, speed
from benchmarks.peers.feed import Feed
from benchmarks.peers.ours import Ours, golden_questions
from benchmarks.peers.systems import QUIET, ChromaPeer, Peer, Place, System

PEERS = ("langchain", "llamaindex", "cocoindex")
OURS = {"ours": "torch", "ours-openvino": "openvino"}
"""This project, by the back end that embeds."""

_KEYS = {"langchain": "source", "llamaindex": "ref_doc_id"}
"""Peers whose store is Chroma -> the metadata that names a chunk's document."""

_QUESTIONS = 50


def main() -> None:
    arguments = _arguments()
    os.environ |= QUIET
    work = arguments.work.absolute()
    place = Place(work)
    environments = (arguments.environments or work / "environments").absolute()
    peers = [
        ChromaPeer(name, place, environments, _KEYS[name]) if name in _KEYS else Peer(name, place, environments)
        for name in PEERS
        if name in arguments.systems
    ]
    for peer in peers:
        peer.make_environment()
    if arguments.command == "env":
        return
    if not (arguments.data / "corpus.jsonl").is_file():
        raise SystemExit(f"{arguments.data} has no corpus.jsonl: this benchmark needs the squad-dev data, so it is skipped")
    documents, places = corpus.documents_of(arguments.data, arguments.documents)
    feed = Feed(place, corpus.copied(documents, arguments.copies))
    feed.make_models(arguments.layers)
    questions = golden_questions(arguments.data, places, _QUESTIONS)
    ours = [Ours(place, questions, backend) for name, backend in OURS.items() if name in arguments.systems]
    print(f"{len(feed.documents):,} documents, {feed.publish(feed.documents).rows.total():,} chunks", flush=True)
    {"speed": _speed, "matrix": _matrix}[arguments.command]([*ours, *peers], feed, arguments)


def _speed(systems: list[System], feed: Feed, arguments: argparse.Namespace) -> None:
    found = []
    for one in speed.timed(systems, feed, arguments.repeats):
        found.append(one)
        print(
            f"{one.repeat + 1}: {one.system}, {one.night}: {one.wall_s:.1f} s, {one.embedded} texts, {one.holds}", flush=True
        )
        _write(feed.place.work / "speed.json", arguments, [asdict(timed) for timed in found])
    print(f"\n{speed.table(found)}\n\n{speed.comparison(found, Ours.name)}")


def _matrix(systems: list[System], feed: Feed, arguments: argparse.Namespace) -> None:
    found = []
    for system in systems:
        for one in matrix.Nights(system, feed).outcomes():
            found.append(one)
            told = f" ({one.told[-1][:200]})" if one.told else ""
            print(f"{one.system}, {one.case}: {one}{told}", flush=True)
            _write(feed.place.work / "matrix.json", arguments, [asdict(outcome) for outcome in found])
    print(f"\n{matrix.table(found)}")


def _write(path: Path, arguments: argparse.Namespace, results: list[dict[str, Any]]) -> None:
    about = {
        "at": f"{datetime.now(UTC):%Y-%m-%d %H:%M}",
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "documents": arguments.documents,
        "ours": {name: version(name) for name in ("chromadb", "dagster", "sentence-transformers", "torch")},
    }
    path.write_text(json.dumps({**about, "results": results}, indent=1) + "\n", encoding="utf-8")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=["env", "speed", "matrix"])
    parser.add_argument("--data", type=Path, default=corpus.DATA, help="folder with corpus.jsonl, queries.jsonl and qrels/")
    parser.add_argument("--work", type=Path, default=Path(".rag-bench/peers"))
    parser.add_argument("--environments", type=Path, help="where the peers' environments are; default: below --work")
    parser.add_argument("--documents", type=int, default=250)
    parser.add_argument("--copies", type=int, default=1, help="of every document, each a little other, for a larger feed")
    parser.add_argument("--layers", type=int, default=0, help="of the model's six, to spare time on a larger feed; 0: all")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--systems", nargs="+", choices=[*OURS, *PEERS], default=["ours", *PEERS])
    return parser.parse_args(sys.argv[1:])


if __name__ == "__main__":
    main()
