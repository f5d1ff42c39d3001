"""Measuring one release on golden sets: rankings, metrics, slices, latency. No decision is taken here."""

import time
from dataclasses import dataclass

import numpy as np

from rag_pipeline.corpus.model import Encoder
from rag_pipeline.evaluate.golden import GoldenSet
from rag_pipeline.evaluate.metrics import PerQuery, deepest, mean, score
from rag_pipeline.index.retrieve import OpenRelease
from rag_pipeline.progress import progress

_QUERIES_AT_ONCE = 64
_LATENCY_QUERIES = 50
_LATENCY_K = 10


@dataclass(frozen=True, slots=True)
class Alive:
    """A golden set without the judgments whose document is not in the corpus any more."""

    golden: GoldenSet
    qrels: dict[str, dict[str, int]]
    dead: tuple[tuple[str, str], ...]
    """(query id, document id) taken out"""

    @property
    def judgments(self) -> int:
        return sum(len(grades) for grades in self.golden.qrels.values())

    @property
    def dead_percent(self) -> float:
        return 100 * len(self.dead) / self.judgments if self.judgments else 0.0


@dataclass(frozen=True, slots=True)
class Measured:
    """One golden set measured on one release."""

    per_query: PerQuery
    retrieved: dict[str, list[str]]

    @property
    def means(self) -> dict[str, float]:
        return {name: mean(values) for name, values in self.per_query.items()}

    @property
    def unanswered(self) -> list[str]:
        return [query for query, documents in self.retrieved.items() if not documents]


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds for one query at a time, embedding included, after a warm-up."""

    queries: int
    p50_ms: float
    p95_ms: float


def alive(golden: GoldenSet, documents: set[str]) -> Alive:
    """Take out judgments of documents that are gone; a query left without a relevant one is taken out too."""
    dead = [(query, doc) for query, grades in golden.qrels.items() for doc in grades if doc not in documents]
    living = {query: {d: g for d, g in grades.items() if d in documents} for query, grades in golden.qrels.items()}
    qrels = {query: grades for query, grades in living.items() if any(grade > 0 for grade in grades.values())}
    return Alive(golden, qrels, tuple(dead))


def measure(release: OpenRelease, encoder: Encoder, living: Alive) -> Measured:
    """Every query of a golden set asked of a release, and scored."""
    names = living.golden.about.metrics
    queries = [(query, living.golden.queries[query]) for query in living.qrels]
    retrieved: dict[str, list[str]] = {}
    with progress(f"evaluating {living.golden.name}", len(queries), unit="queries") as advance:
        for start in range(0, len(queries), _QUERIES_AT_ONCE):
            part = queries[start : start + _QUERIES_AT_ONCE]
            vectors = encoder.queries([text for _, text in part])
            for (query, _), documents in zip(part, release.documents(vectors, deepest(names)), strict=True):
                retrieved[query] = documents
            advance(len(part))
    return Measured(score(names, living.qrels, retrieved), retrieved)


def by_slice(living: Alive, measured: Measured) -> dict[str, dict[str, dict[str, float]]]:
    """slice -> value -> metric -> mean, with the number of queries as metric `queries`."""
    table: dict[str, dict[str, dict[str, float]]] = {}
    for name in living.golden.about.slices:
        groups: dict[str, list[str]] = {}
        for query in living.qrels:
            groups.setdefault(living.golden.slices.get(query, {}).get(name, "(none)"), []).append(query)
        table[name] = {
            value: {"queries": float(len(members))}
            | {metric: mean({query: values[query] for query in members}) for metric, values in measured.per_query.items()}
            for value, members in sorted(groups.items())
        }
    return table


def latency(release: OpenRelease, encoder: Encoder, texts: list[str]) -> Latency:
    """Time a sample of queries as a user asks them: one at a time."""
    sample = texts[:: max(1, len(texts) // _LATENCY_QUERIES)][:_LATENCY_QUERIES]
    for text in sample[:3]:
        release.search(encoder.queries([text])[0], _LATENCY_K)
    times = []
    for text in sample:
        started = time.perf_counter()
        release.search(encoder.queries([text])[0], _LATENCY_K)
        times.append(1000 * (time.perf_counter() - started))
    p50, p95 = np.percentile(times, [50, 95]) if times else (0.0, 0.0)
    return Latency(len(sample), round(float(p50), 2), round(float(p95), 2))
