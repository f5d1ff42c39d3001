"""Searching texts for private data: megabytes a second, and beside it the same texts through the model's tokenizer.

Run it alone on a quiet machine: `.venv/bin/python benchmarks/privacy.py [FOLDER]`. FOLDER holds text files (`.md`, `.txt`,
`.jsonl`, `.csv`); without one, the Python language reference is read. Nothing is written.
"""

import argparse
import pydoc_data.topics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from rag_pipeline.contracts.entities import ENTITIES
from rag_pipeline.contracts.read_terms import DEFAULT_ENTITIES
from rag_pipeline.corpus.model import model_of
from rag_pipeline.ingest.privacy.recognizers import finds
from rag_pipeline.settings import load_settings

SUFFIXES = (".md", ".txt", ".jsonl", ".csv")


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path)
    texts = texts_of(parser.parse_args().folder)
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
