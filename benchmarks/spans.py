"""Published measurements of chunking, repeated: five corpora, 472 questions, recall and precision of characters.

Run it from the checkout: `.venv/bin/python -m benchmarks.spans` (minutes). Each published setting cuts the corpora with
a recursive splitter, embeds the chunks with the packaged model, retrieves 5 of all chunks for every question by exact
cosine search, and scores them with the project's own span metrics. Source of method, data and figures: Smith and Troynikov,
"Evaluating Chunking Strategies for Retrieval", Chroma, 2024, https://research.trychroma.com/evaluating-chunking,
the table for all-MiniLM-L6-v2 (± there is the standard deviation over questions).
"""

import argparse
import csv
import json
import math
import statistics
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from rag_pipeline.corpus.model import Model, Vectors, model_of
from rag_pipeline.metrics.spans import Span, by_document, common, merged, size, span_scores
from rag_pipeline.process import prepare
from rag_pipeline.settings import load_settings
from tests.support.recursive_splitter import RecursiveSplitter, TokenLengths

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "chunking-evaluation"
RETRIEVED = 5
FIGURES = ("recall", "precision", "omega", "iou")

PUBLISHED = {
    (250, 125): {"tokens": 180, "recall": 78.7, "precision": 4.9, "omega": 21.9, "iou": 4.9},
    (250, 0): {"tokens": 162, "recall": 78.5, "precision": 5.4, "omega": 26.7, "iou": 5.4},
    (200, 0): {"tokens": 128, "recall": 75.7, "precision": 6.5, "omega": 31.2, "iou": 6.5},
}
"""(size, overlap) in tokens -> percent, and the mean tokens of a chunk, all as printed"""


@dataclass(frozen=True)
class Question:
    text: str
    references: list[Span]


@dataclass(frozen=True)
class Figure:
    """Percent, over questions."""

    mean: float
    error: float
    """standard error of the mean"""


def read_corpora(data: Path) -> dict[str, str]:
    return {path.stem: path.read_text(encoding="utf-8") for path in sorted((data / "corpora").glob("*.md"))}


def read_questions(data: Path) -> list[Question]:
    with (data / "questions_df.csv").open(encoding="utf-8", newline="") as file:
        return [
            Question(
                row["question"],
                [(row["corpus_id"], one["start_index"], one["end_index"]) for one in json.loads(row["references"])],
            )
            for row in csv.DictReader(file)
        ]


def precision_omega(references: Sequence[Span], chunks: Iterable[Span]) -> float:
    """The IoU of a retriever that returns every chunk of the corpus which touches a reference, and no other; 0 to 1.

    It says how good retrieval can become with these chunks. Unlike in `span_scores`, overlap of the chunks counts once:
    the denominator is the union of those chunks and of the references. A chunk that only borders on a reference touches it,
    as in the code of the paper: without it the published figures come out up to one point (of 100) too high.
    """
    wanted = by_document(references)
    touching = by_document(
        (document, start, end)
        for document, start, end in chunks
        if any(start <= last and first <= end for first, last in wanted.get(document, ()))
    )
    covered = sum(size(common(intervals, touching.get(document, []))) for document, intervals in wanted.items())
    either = sum(size(merged([*intervals, *touching.get(document, [])])) for document, intervals in wanted.items())
    return covered / either


class Bench:
    """The data, and the model, loaded once for all settings."""

    def __init__(self, data: Path, model: Model) -> None:
        self._model = replace(model, batch=8)
        self._lengths = TokenLengths(model.tokenizer())
        self.corpora = read_corpora(data)
        self.questions = read_questions(data)

    @cached_property
    def _asked(self) -> Vectors:
        return self._model.load().queries([question.text for question in self.questions])

    def chunks(self, size: int, overlap: int) -> list[Span]:
        """All corpora cut; sizes in tokens of the model, the two marks around every text among them."""
        splitter = RecursiveSplitter(size, overlap, self._lengths)
        return [(name, *span) for name, text in self.corpora.items() for span in splitter.spans(text)]

    def mean_tokens(self, chunks: list[Span]) -> float:
        return statistics.fmean(self._lengths(self._texts(chunks)))

    def omega(self, chunks: list[Span]) -> Figure:
        """Precision-omega, for which nothing has to be retrieved."""
        return _figure([precision_omega(question.references, chunks) for question in self.questions])

    def retrieval(self, chunks: list[Span]) -> dict[str, Figure]:
        """Recall, precision and IoU of the nearest chunks of all corpora."""
        similar = self._asked @ self._model.load().documents(self._texts(chunks)).T
        order = (-similar).argsort(axis=1, kind="stable")[:, :RETRIEVED]
        scores = [
            span_scores(question.references, [chunks[place] for place in best], RETRIEVED)
            for question, best in zip(self.questions, order, strict=True)
        ]
        return {
            "recall": _figure([one.recall for one in scores]),
            "precision": _figure([one.precision for one in scores]),
            "iou": _figure([one.iou for one in scores]),
        }

    def _texts(self, chunks: list[Span]) -> list[str]:
        return [self.corpora[name][start:end] for name, start, end in chunks]


def _figure(values: list[float]) -> Figure:
    return Figure(100 * statistics.fmean(values), 100 * statistics.stdev(values) / math.sqrt(len(values)))


def setting(words: str) -> tuple[int, int]:
    """`250/125` -> (250, 125)"""
    size, _, overlap = words.partition("/")
    return int(size), int(overlap or 0)


def main() -> None:
    prepare()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", type=Path, default=DATA, help="folder of questions_df.csv and corpora/")
    parser.add_argument("--settings", nargs="+", type=setting, default=list(PUBLISHED), metavar="SIZE/OVERLAP")
    arguments = parser.parse_args()
    bench = Bench(arguments.data, model_of(load_settings()))
    sys.stdout.write("percent, mean ± standard error over questions; published in brackets\n")
    titles = "".join(f"{name:>23}" for name in FIGURES)
    sys.stdout.write(f"{'size/overlap':<13}{'chunks':>7}{'mean tokens':>17}{titles}{'s':>7}\n")
    for length, overlap in arguments.settings:
        started = time.perf_counter()
        chunks, printed = bench.chunks(length, overlap), PUBLISHED.get((length, overlap), {})
        figures = bench.retrieval(chunks) | {"omega": bench.omega(chunks)}
        cells = "".join(
            f"{f'{figures[name].mean:.2f} ± {figures[name].error:.2f}':>15}{_printed(printed, name):>8}" for name in FIGURES
        )
        tokens = f"{bench.mean_tokens(chunks):>10.1f}{_printed(printed, 'tokens'):>7}"
        seconds = time.perf_counter() - started
        sys.stdout.write(f"{f'{length}/{overlap}':<13}{len(chunks):>7,}{tokens}{cells}{seconds:>7.0f}\n")
        sys.stdout.flush()


def _printed(printed: dict[str, float], name: str) -> str:
    return f"({printed[name]})" if name in printed else ""


if __name__ == "__main__":
    main()
