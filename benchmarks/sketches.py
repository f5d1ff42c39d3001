"""What narrowed questions miss of real texts: sketches of their vectors against exact search over the rows that are left.

Texts are cut into pieces of 45 words and embedded by the bundled model, as are the questions of a collection in BEIR's form.
A hundred thousand rows are made of these: a piece, and half of what two others differ in.

    OPENBLAS_NUM_THREADS=1 .venv/bin/python -m benchmarks.sketches --texts DATA --questions DATA/squad-dev --kept /tmp/kept

`--texts`: a folder, with `.md`, `.txt` or `.jsonl` files (`text`) at any depth. `--kept`: where vectors are kept; embedding
16,000 pieces takes five minutes of CPU. Times are CPU of finding the best among those that are left.
"""

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rag_pipeline.corpus.model import Vectors, model_of
from rag_pipeline.index.sketch import Sketch
from rag_pipeline.process import prepare
from rag_pipeline.settings import Settings

WORDS, FEWEST_WORDS, MOST_PIECES, QUESTIONS, MADE = 45, 10, 24_000, 300, 100_000


def main() -> None:
    prepare()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=Path, required=True)
    parser.add_argument("--questions", type=Path, required=True)
    parser.add_argument("--kept", type=Path, required=True)
    arguments = parser.parse_args()
    arguments.kept.mkdir(parents=True, exist_ok=True)
    chance = np.random.default_rng(0)
    queries = (arguments.questions / "queries.jsonl").read_text(encoding="utf-8").splitlines()
    texts = [str(json.loads(line)["text"]) for line in chance.choice(queries, QUESTIONS, replace=False)]
    asked = embedded(arguments.kept, "queries", texts)
    found = sorted(pieces(arguments.texts))
    chosen = [found[place] for place in chance.permutation(len(found))[:MOST_PIECES]]
    real = embedded(arguments.kept, "documents", chosen)
    measured("real pieces", real, asked, chance)
    one, other, third = chance.integers(len(real), size=(3, MADE))
    measured("made of these", of_length_1(real[one] + (real[other] - real[third]) / 2), asked, chance)


def pieces(folder: Path) -> Iterator[str]:
    for path in folder.rglob("*"):
        if path.suffix not in (".md", ".txt", ".jsonl") or path.name == "queries.jsonl":
            continue
        held = path.read_text(encoding="utf-8", errors="ignore")
        whole = [json.loads(line).get("text", "") for line in held.splitlines()] if path.suffix == ".jsonl" else [held]
        for words in (str(text).split() for text in whole):
            parts = (words[start : start + WORDS] for start in range(0, len(words), WORDS))
            yield from (" ".join(part) for part in parts if len(part) > FEWEST_WORDS)


def embedded(kept: Path, kind: str, texts: list[str]) -> Vectors:
    """Their vectors, of length 1: kept, or embedded now."""
    file = kept / f"{kind}.npy"
    if not file.exists():
        encoder = model_of(Settings(home=kept / "home")).load()
        np.save(file, encoder.queries(texts) if kind == "queries" else encoder.documents(texts))
    return of_length_1(np.load(file))


def of_length_1(vectors: Vectors) -> Vectors:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


def measured(what: str, rows: Vectors, asked: Vectors, chance: np.random.Generator) -> None:
    """Prints recall, and how much was compared, for rows that lie anywhere, and for those away from one of them."""
    read: list[int] = []

    def at(places: NDArray[np.int64]) -> Vectors:
        read.append(len(places))
        return rows[places]

    sketch, away = Sketch.of(len(rows), at), np.argsort(rows @ rows[7])
    left = {f"anywhere, one in {share}": chance.permutation(len(rows))[: len(rows) // share] for share in (1, 2, 20)}
    left |= {f"away from one, one in {share}": away[: len(rows) // share] for share in (2, 20)}
    for where, places in ((where, np.sort(places)) for where, places in left.items()):
        truly = np.sort(asked @ rows[places].T, axis=1)
        for depth in (10, 100):
            read.clear()
            hits, took = 0, []
            for vector, cosines in zip(asked, truly, strict=True):
                started = time.process_time()
                _, alike = sketch.best(vector, depth, places, at)
                took.append(1000 * (time.process_time() - started))
                hits += min(depth, int((alike >= cosines[-depth] - 1e-6).sum()))
            p50, p95 = np.quantile(took, [0.5, 0.95])
            print(
                f"{what}, {len(rows):,} rows; {where}: recall@{depth} {hits / depth / len(asked):.4f}  "
                f"compared whole {sum(read) / len(asked):,.0f}  CPU p50 {p50:.2f} ms  p95 {p95:.2f} ms",
                flush=True,
            )


if __name__ == "__main__":
    main()
