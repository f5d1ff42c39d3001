"""Measuring one release on golden sets: rankings of every way to retrieve, metrics, latency. Nothing is decided here."""

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import repeat

import numpy as np

from rag_pipeline.corpus.model import Encoder, Vectors
from rag_pipeline.evaluate.chunk_spans import Places
from rag_pipeline.evaluate.condensed import DEEP
from rag_pipeline.evaluate.evidence import LatencyEvidence, average
from rag_pipeline.evaluate.retrieved import Retrieved
from rag_pipeline.golden.read import Reference
from rag_pipeline.golden.resolve import ResolvedSet
from rag_pipeline.index.fusion import Ranking, fuse
from rag_pipeline.index.manifest import Mode, RetrievalParameters
from rag_pipeline.index.retrieve import OpenRelease, Query
from rag_pipeline.metrics.documents import PerQuery, deepest, score
from rag_pipeline.metrics.spans import Span, is_span_metric, span_depth, span_score
from rag_pipeline.progress import progress

_QUERIES_AT_ONCE = 256
_LATENCY_QUERIES = 100
_LATENCY_K = 10
_CHUNKS_A_DOCUMENT = 10
"""Chunks fetched for each document wanted, since many chunks of one document may come first."""
SHOWN = 10
"""Documents and chunks a person is shown of one ranking."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One golden set measured on one release, as it serves."""

    per_query: PerQuery
    retrieved: dict[str, list[str]]
    """query id -> documents, best first"""
    chunks: dict[str, Ranking]
    """query id -> its first chunks"""
    spans: dict[str, list[Span]] = field(default_factory=dict)
    """query id -> where its chunks stand, best first, as deep as metrics of passages look; empty without such a metric"""
    wanted: dict[str, list[Span]] = field(default_factory=dict)
    """query id -> where its quoted passages stand in this release's own texts; empty likewise"""
    deep: dict[str, list[str]] = field(default_factory=dict)
    """query id -> the same documents and those behind them, to be condensed; empty where only the first are remembered"""

    @property
    def means(self) -> dict[str, float]:
        return {name: average(list(values.values())) for name, values in self.per_query.items()}

    @property
    def unanswered(self) -> list[str]:
        return unanswered(self.retrieved)

    @property
    def lists(self) -> Retrieved:
        """What is kept of it, to compute every figure again."""
        return Retrieved(self.deep or self.retrieved, self.spans, self.wanted)


def unanswered(retrieved: Mapping[str, list[str]]) -> list[str]:
    """Queries that brought nothing, in order."""
    return sorted(query for query, documents in retrieved.items() if not documents)


@dataclass(frozen=True, slots=True)
class Rankings:
    """query id -> chunks, best first, by meaning and by words; empty where a release has no such index."""

    dense: dict[str, Ranking]
    lexical: dict[str, Ranking]

    def chunk_ids(self) -> set[str]:
        """Every chunk that some query brought."""
        both = (*self.dense.values(), *self.lexical.values())
        return {chunk_id for ranking in both for chunk_id, _ in ranking}


def rank(
    release: OpenRelease,
    name: str,
    texts: Mapping[str, str],
    vectors: Mapping[str, Vectors],
    modes: Iterable[Mode],
    metrics: Sequence[str],
) -> Rankings:
    """Ask a release every query of a golden set, `name`, in the ways that `modes` need.

    `texts`: query id -> text. `vectors`: query id -> vector, shape (dimensions,).
    """
    wanted, found = set(modes), Rankings({}, {})
    queries = [(query, Query(text, vectors.get(query))) for query, text in texts.items()]
    chunks = [span_depth(name) for name in metrics if is_span_metric(name)]
    depth = max(_documents(metrics) * _CHUNKS_A_DOCUMENT, release.manifest.retrieval.depth, *chunks)
    parts = [queries[start : start + _QUERIES_AT_ONCE] for start in range(0, len(queries), _QUERIES_AT_ONCE)]

    def by_meaning(part: list[tuple[str, Query]]) -> list[Ranking]:
        return release.ranked([query for _, query in part], depth, "dense")

    with (
        progress(f"evaluating {name}", len(queries), unit="queries") as advance,
        ThreadPoolExecutor(os.cpu_count()) as beside,  # Chroma leaves the interpreter free while it searches
    ):
        dense = beside.map(by_meaning, parts) if wanted & {"dense", "hybrid"} else repeat(None)
        for part, rankings in zip(parts, dense, strict=False):
            ids = [query for query, _ in part]
            if rankings is not None:
                found.dense.update(zip(ids, rankings, strict=True))
            if wanted & {"lexical", "hybrid"}:
                found.lexical.update(zip(ids, release.ranked([query for _, query in part], depth, "lexical"), strict=True))
            advance(len(part))
    return found


def evaluate_way(
    release: OpenRelease,
    places: Places,
    living: ResolvedSet,
    rankings: Rankings,
    way: RetrievalParameters,
    metrics: list[str],
) -> Measured:
    """What one way to retrieve makes of the rankings, scored. The re-ranker, if the way names one, reads every query."""
    ranked = ranked_by(release, living.golden.queries, rankings, way)
    names = [name for name in metrics if not is_span_metric(name)]
    k, deep = _documents(metrics), documents_of(places, ranked, metrics)
    documents = {query: found[:k] for query, found in deep.items()}
    spans, wanted = _spans(metrics, places, living, ranked)
    return Measured(
        per_query=score(names, living.qrels, living.seen(documents)) | span_scores(metrics, living.qrels, spans, wanted),
        retrieved=documents,
        chunks={query: ranking[:SHOWN] for query, ranking in ranked.items()},
        spans=spans,
        wanted=wanted,
        deep=deep,
    )


def ranked_by(
    release: OpenRelease, texts: Mapping[str, str], rankings: Rankings, way: RetrievalParameters
) -> dict[str, Ranking]:
    """query id -> chunks, best first, in the order of one way to retrieve. `texts`: query id -> text."""
    if way.mode == "hybrid":
        depth = len(next(iter(rankings.dense.values()), [])) or way.depth
        ranked = {query: fuse(dense, rankings.lexical[query], way, depth) for query, dense in rankings.dense.items()}
    else:
        ranked = rankings.dense if way.mode == "dense" else rankings.lexical
    if way.reranker:
        ranked = {query: release.rerank(texts[query], ranking) for query, ranking in ranked.items()}
    return ranked


def documents_of(places: Places, ranked: Mapping[str, Ranking], metrics: Sequence[str]) -> dict[str, list[str]]:
    """query id -> documents, best first, as deep as they are kept."""
    k = max(_documents(metrics), DEEP)
    return {query: places.best_documents(ranking, k) for query, ranking in ranked.items()}


def _documents(metrics: Sequence[str]) -> int:
    """How many documents a ranking must name."""
    return max([SHOWN, *(deepest([name]) for name in metrics if not is_span_metric(name))])


Spans = dict[str, list[Span]]


def _spans(metrics: list[str], places: Places, living: ResolvedSet, rankings: dict[str, Ranking]) -> tuple[Spans, Spans]:
    """What each query retrieves and what it wants, as far as a metric of spans looks; a passage the release does not hold
    counts as not retrieved."""
    depths = [span_depth(name) for name in metrics if is_span_metric(name)]
    if not depths:
        return {}, {}
    retrieved = {query: [places.span(chunk) for chunk, _ in rankings[query][: max(depths)]] for query in living.qrels}
    return retrieved, {query: places.passages(wanted_of(living, query)) for query in living.qrels}


def wanted_of(living: ResolvedSet, query: str) -> list[Reference]:
    """The quoted passages that answer a query."""
    return [one for one in living.references.get(query, ()) if one.grade > 0]


def span_scores(
    metrics: Iterable[str], queries: Iterable[str], retrieved: Mapping[str, list[Span]], wanted: Mapping[str, list[Span]]
) -> PerQuery:
    """Metrics of spans, of those among `metrics`."""
    values: PerQuery = {name: {} for name in metrics if is_span_metric(name)}
    for query in queries if values else ():
        for name, by_query in values.items():
            by_query[query] = span_score(name, wanted[query], retrieved[query]) if wanted[query] else 0.0
    return values


def latency(release: OpenRelease, load: Callable[[], Encoder], texts: list[str], concurrency: int) -> LatencyEvidence:
    """Time a sample of queries as users ask them: `concurrency` at a time, embedding included where meaning is asked for.

    The model is loaded only there, and before the clock runs.
    """
    encoder = load() if release.manifest.retrieval.mode != "lexical" else None
    sample = texts[:: max(1, len(texts) // _LATENCY_QUERIES)][:_LATENCY_QUERIES]

    def ask(text: str) -> float:
        started = time.perf_counter()
        release.search(Query(text, encoder.queries([text])[0] if encoder else None), _LATENCY_K)
        return 1000 * (time.perf_counter() - started)

    with ThreadPoolExecutor(concurrency) as users:
        list(users.map(ask, sample[: 3 * concurrency]))
        times = sorted(users.map(ask, sample))
    p50, p95 = np.percentile(times, [50, 95]) if times else (0.0, 0.0)
    return LatencyEvidence(
        queries=len(sample),
        concurrency=concurrency,
        times_ms=[round(value, 2) for value in times],
        p50_ms=round(float(p50), 2),
        p95_ms=round(float(p95), 2),
    )
