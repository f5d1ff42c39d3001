"""Measures, on the machine where it runs, what each way to run the embedding model costs and gives.

Every way embeds the same sample of the stored chunks and the same judged queries. Speed is compared slice by slice, in
turns, so that a machine that gets slower half way slows all of them. Quality is compared by exact search, so that no index
plays a part in it.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median

import numpy as np
import polars as pl

from rag_pipeline.corpus.encoders import Kind
from rag_pipeline.corpus.model import Encoder, Vectors
from rag_pipeline.corpus.tables import chunks_table
from rag_pipeline.errors import PipelineError
from rag_pipeline.evaluate.compare import Interval, answered_score, interval
from rag_pipeline.evaluate.evidence import average
from rag_pipeline.golden.resolve import ResolvedSet
from rag_pipeline.home import Home
from rag_pipeline.lake import collected
from rag_pipeline.metrics.documents import score
from rag_pipeline.progress import progress

_METRIC = "nDCG@10"
_DEPTH = 10
_SLICE = 128
_DIGITS = 6
"""Scores that differ by less are equal: a tie goes to the first chunk, on both sides the same."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Some of the stored chunks, those of judged documents first, and the judged queries they can answer."""

    documents: list[str]
    """The document of each text."""
    texts: list[str]
    queries: dict[str, str]
    """golden set and query id -> text"""
    qrels: dict[str, dict[str, int]]


@dataclass(frozen=True, slots=True)
class Result:
    """One way to run the model, against the first one measured."""

    way: Kind
    problem: str = ""
    """Why it was not measured; then nothing else is known."""
    texts_per_second: float = 0.0
    speed: float = 0.0
    """How many times as fast as the first: median over the slices."""
    cosine_mean: float = 0.0
    cosine_least: float = 0.0
    overlap_at_10: float = 0.0
    """Share of the first ten chunks that are the same."""
    ndcg: float = 0.0
    change: Interval | None = None
    """The change of nDCG@10, query by query; None without judged queries."""


@dataclass(slots=True)
class _Measured:
    encoder: Encoder
    seconds: list[float] = field(default_factory=list)
    parts: list[Vectors] = field(default_factory=list)


def sample_of(home: Home, living: Sequence[ResolvedSet], size: int, seed: int = 0) -> Sample:
    """About `size` stored chunks of whole documents. Raises `PipelineError` when nothing is stored yet."""
    stored = chunks_table(home).scan()
    counts = stored.group_by("document_id").len().pipe(collected).sort("document_id")
    if counts.is_empty():
        raise PipelineError("there is no chunk to measure with yet; run `rag refresh --no-promote`")
    judged = {document for one in living for grades in one.qrels.values() for document in grades}
    shuffled = counts.sample(fraction=1.0, shuffle=True, seed=seed)
    ordered = shuffled.sort(~pl.col("document_id").is_in(sorted(judged)), maintain_order=True)
    chosen = set(ordered.filter(pl.col("len").cum_sum() - pl.col("len") < size)["document_id"])
    rows = (
        stored.filter(pl.col("document_id").is_in(sorted(chosen))).select("document_id", "text").pipe(collected).sort("text")
    )
    qrels = {
        f"{one.golden.name}/{query}": kept
        for one in living
        for query, grades in one.qrels.items()
        if any((kept := {document: grade for document, grade in grades.items() if document in chosen}).values())
    }
    texts = {f"{one.golden.name}/{query}": text for one in living for query, text in one.golden.queries.items()}
    return Sample(rows["document_id"].to_list(), rows["text"].to_list(), {query: texts[query] for query in qrels}, qrels)


def embed_bench(sample: Sample, ways: Sequence[Kind], load: Callable[[Kind], Encoder], *, seed: int = 0) -> list[Result]:
    """Measure each way against the first, which must run. Raises `PipelineError` when that one does not."""
    measured, problems = _loaded(ways, load)
    if ways[0] not in measured:
        raise PipelineError(problems[ways[0]])
    order = np.random.default_rng(seed).permutation(len(sample.texts))
    slices = np.array_split(order, max(1, len(order) // _SLICE))
    _embed(sample, slices, measured)
    place = np.argsort(np.concatenate(slices))
    first = measured[ways[0]]
    own = np.concatenate(first.parts)[place]
    reference = _Answers(sample, own, first.encoder)
    results = []
    for way in ways:
        if way in problems:
            results.append(Result(way, problem=problems[way]))
            continue
        one = measured[way]
        vectors = np.concatenate(one.parts)[place]
        cosine = np.sum(vectors * own, axis=1)
        answers = reference if way == ways[0] else _Answers(sample, vectors, one.encoder)
        results.append(
            Result(
                way=way,
                texts_per_second=round(len(order) / sum(one.seconds), 2),
                speed=round(median(a / b for a, b in zip(first.seconds, one.seconds, strict=True)), 3),
                cosine_mean=round(float(cosine.mean()), 6),
                cosine_least=round(float(cosine.min()), 6),
                overlap_at_10=round(answers.overlap(reference), 4),
                ndcg=round(average(list(answers.scores.values())), 4),
                change=answers.change(reference),
            )
        )
    return results


def advice(results: Sequence[Result], margin: float) -> Result:
    """The fastest way that is not worse than the first by more than `margin`, as far as the queries can tell."""
    fit = [one for one in results if not one.problem and one.change and one.change.lower >= -margin]
    return max([results[0], *fit], key=lambda one: one.speed)


def undecided(results: Sequence[Result], margin: float) -> list[Result]:
    """Ways faster than the first that may be as good, or may not: the queries are too few to tell."""
    return [one for one in results[1:] if one.speed > 1 and one.change and one.change.lower < -margin <= one.change.upper]


def _loaded(ways: Sequence[Kind], load: Callable[[Kind], Encoder]) -> tuple[dict[Kind, _Measured], dict[Kind, str]]:
    measured: dict[Kind, _Measured] = {}
    problems: dict[Kind, str] = {}
    for way in ways:
        try:
            measured[way] = _Measured(load(way))
            measured[way].encoder.documents(["the first batch is slower"])
        except PipelineError as error:
            problems[way] = str(error)
    return measured, problems


def _embed(sample: Sample, slices: list[np.ndarray], measured: dict[Kind, _Measured]) -> None:
    """Every way embeds every slice; who comes first changes from slice to slice."""
    ways = list(measured)
    with progress("embedding", len(sample.texts) * len(ways), unit="texts") as advance:
        for number, places in enumerate(slices):
            texts = [sample.texts[place] for place in places]
            turn = number % len(ways)
            for way in ways[turn:] + ways[:turn]:
                started = time.perf_counter()
                measured[way].parts.append(measured[way].encoder.documents(texts))
                measured[way].seconds.append(time.perf_counter() - started)
                advance(len(texts))


class _Answers:
    """What one way's vectors answer: the first chunks of each query by exact search, and each query's score."""

    def __init__(self, sample: Sample, vectors: Vectors, encoder: Encoder) -> None:
        self.first: dict[str, list[int]] = {}
        run: dict[str, list[str]] = {}
        names = list(sample.queries)
        asked = encoder.queries([sample.queries[name] for name in names]) if names else np.empty((0, vectors.shape[1]))
        for name, query in zip(names, asked, strict=True):
            ranked = np.argsort(-np.round(vectors @ query, _DIGITS), kind="stable")
            self.first[name] = ranked[:_DEPTH].tolist()
            run[name] = list(dict.fromkeys(sample.documents[place] for place in ranked))[:_DEPTH]
        self.scores = score([_METRIC], sample.qrels, run)[_METRIC] if names else {}

    def overlap(self, other: "_Answers") -> float:
        return average([len({*mine} & {*other.first[name]}) / max(1, len(mine)) for name, mine in self.first.items()])

    def change(self, other: "_Answers") -> Interval | None:
        if not self.scores:
            return None
        differences = [value - other.scores[name] for name, value in self.scores.items()]
        return interval(differences, typical=answered_score(list(other.scores.values())))
