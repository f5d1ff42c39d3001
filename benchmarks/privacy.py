"""Searching texts for private data: megabytes a second, and beside it the same texts through the model's tokenizer.

Run it alone on a quiet machine: `.venv/bin/python benchmarks/privacy.py [FOLDER]`. FOLDER holds text files (`.md`, `.txt`,
`.jsonl`, `.csv`); without one, the Python language reference is read. Nothing is written. `--hostile` searches texts made to
take long instead, each at two lengths: CPU milliseconds for 1,000 characters, which must not grow with the length.
"""

import argparse
import pydoc_data.topics
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

from rag_pipeline.contracts.entities import ENTITIES
from rag_pipeline.contracts.read_terms import DEFAULT_ENTITIES
from rag_pipeline.corpus.model import model_of
from rag_pipeline.errors import Unreadable
from rag_pipeline.privacy.recognizers import finds
from rag_pipeline.process import prepare
from rag_pipeline.settings import load_settings

SUFFIXES = (".md", ".txt", ".jsonl", ".csv")


_SAME = [
    "0 ",
    "0/",
    "00 000 ",
    "+49 ",
    "+49 30 901820 ",
    "030 901820 ",
    "7",
    "@",
    "a@",
    "a@b.c.",
    "4111 ",
    "DE89 3704 0044 ",
]
_SAME += [
    "af:",
    "1::1%a",
    "&#64;",
    "%2540",
    "a%40 ",
    "**",
    "__",
    "<a ",
    "[a](",
    "\n>",
    "93.184.216.34 ",
    "jane@example.com ",
]


def texts_of(folder: Path | None) -> list[str]:
    if folder is None:
        return list(pydoc_data.topics.topics.values())
    paths = sorted(path for path in folder.rglob("*") if path.suffix in SUFFIXES)
    return [path.read_text(encoding="utf-8", errors="replace") for path in paths]


def timed(work: Callable[[str], object], texts: list[str]) -> float:
    """Seconds for all texts; the best of three, after one that loads what is loaded once."""
    work(texts[0])
    runs = []
    for _ in range(3):
        started = time.perf_counter()
        for text in texts:
            work(text)
        runs.append(time.perf_counter() - started)
    return min(runs)


def searching(entities: tuple[str, ...], regions: tuple[str, ...]) -> Callable[[str], object]:
    return lambda text: finds(text, entities, regions)


def pieces() -> dict[str, Callable[[random.Random], str]]:
    """What a hostile text is made of, again and again."""
    return {repr(unit): lambda _, unit=unit: unit for unit in _SAME} | {
        "a 0 and a digit /": lambda r: f"0{r.randrange(10)}/",
        "digits, each alone": lambda r: f"{r.randrange(10)} ",
        "grey values, mostly 0": lambda r: f"{r.randrange(256) if r.random() < 0.2 else 0} ",
        "numbers of 7 digits": lambda r: f"{r.randrange(10**6, 10**7)} ",
        "(0 and two digits)": lambda r: f"(0{r.randrange(100)}) ",
        "phone numbers, a line each": lambda r: f"+49 30 {r.randrange(10**5, 10**7)}\n",
    }


def hostile() -> None:
    find = searching(DEFAULT_ENTITIES, ("US", "DE"))
    find("jane@example.com +49 30 901820")
    sys.stdout.write(f"{'':<30}{'10,000 characters':>20}{'40,000':>10}{'ratio':>8}\n")
    for name, piece in pieces().items():
        costs, gave_up = [], ""
        for length in (10_000, 40_000):
            numbers, text = random.Random(7), ""
            while len(text) < length:
                text += piece(numbers)
            started = time.process_time()
            try:
                find(text[:length])
            except Unreadable:
                gave_up = "  gave up: unreadable"
            costs.append((time.process_time() - started) * 1e6 / length)
        told = f"{name:<30}{costs[0]:>17.1f} ms{costs[1]:>7.1f} ms{costs[1] / costs[0]:>8.2f}{gave_up}"
        sys.stdout.write(f"{told}\n")


def main() -> None:
    prepare()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--hostile", action="store_true")
    arguments = parser.parse_args()
    if arguments.hostile:
        hostile()
        return
    texts = texts_of(arguments.folder)
    size_mb = sum(len(text.encode()) for text in texts) / 1e6
    tokenizer = model_of(load_settings()).tokenizer()
    rows = [("tokenizer", timed(tokenizer.encode, texts))]
    rows.append(("entities when none are named", timed(searching(DEFAULT_ENTITIES, ()), texts)))
    rows.append(("the same, regions US and DE", timed(searching(DEFAULT_ENTITIES, ("US", "DE")), texts)))
    rows.append(("every entity, US and DE", timed(searching(tuple(ENTITIES), ("US", "DE")), texts)))
    rows += [(f"  {entity}", timed(searching((entity,), ("US", "DE")), texts)) for entity in ENTITIES]
    sys.stdout.write(f"{len(texts):,} texts, {size_mb:.1f} MB\n{'':<34}{'s':>8}{'MB/s':>8}{'of tokenizing':>15}\n")
    for name, seconds in rows:
        sys.stdout.write(f"{name:<34}{seconds:>8.2f}{size_mb / seconds:>8.1f}{seconds / rows[0][1]:>14.0%}\n")


if __name__ == "__main__":
    main()
