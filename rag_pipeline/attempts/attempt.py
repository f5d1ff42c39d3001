"""One attempt: the documents of the workshop cut, embedded and indexed by its settings, measured, and thrown away again.

It is built whole, as a first night would, so that what building costs can be compared. It decides nothing.
"""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime

from rag_pipeline.attempts.figures import Attempt
from rag_pipeline.attempts.plan import Planned
from rag_pipeline.attempts.workshop import share_query_vectors, share_vectors
from rag_pipeline.corpus.chunking import chunkers_of
from rag_pipeline.corpus.chunks import update_chunks
from rag_pipeline.corpus.embeddings import update_embeddings
from rag_pipeline.corpus.engines import cluster_of
from rag_pipeline.corpus.model import Model, model_of
from rag_pipeline.evaluate.bench import Bench
from rag_pipeline.evaluate.choose import Chooser
from rag_pipeline.evaluate.measure import latency
from rag_pipeline.golden.resolve import ResolvedSet
from rag_pipeline.home import Home
from rag_pipeline.index.build import Recipe, build_release, discard_release
from rag_pipeline.index.manifest import Manifest, all_manifests
from rag_pipeline.index.recipe import recipe_now
from rag_pipeline.process import release_memory
from rag_pipeline.settings import Settings

PerSet = list[dict[str, list[float]]]
"""Golden set by golden set: metric -> value of each question, in the order of the questions' ids."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What all attempts of a try have in common, so that nothing but the settings tells them apart."""

    home: Home
    work: Home
    living: Sequence[ResolvedSet]
    metrics: Sequence[list[str]]
    """Metrics to take, golden set by golden set."""
    users: int
    run_id: str
    now: datetime


def make(ground: Ground, planned: Planned) -> tuple[Attempt, PerSet]:
    """Build and measure one attempt. Raises `PipelineError` when it cannot be built or asked."""
    settings = planned.settings.model_copy(update={"home": ground.work})
    model, chunkers = model_of(settings), chunkers_of(settings, planned.contracts)
    started = time.monotonic()
    cut = update_chunks(ground.work, [one.source for one in planned.contracts], chunkers.default, chunkers.own)
    cut_seconds = time.monotonic() - started
    share_vectors(ground.home, ground.work, model.fingerprint)
    cluster = None if ground.home.uri else cluster_of(settings)  # a workshop beside a bucket is this machine's alone
    vectors = update_embeddings(ground.work, model, model.load, cluster)
    release_memory()
    try:
        whole, served = _built(ground, planned, settings, model)
        scores, times = _measured(ground, served, model)
    finally:
        for manifest in all_manifests(ground.work.releases):
            discard_release(ground.work, manifest)
        release_memory()
    attempt = Attempt(
        name=planned.name,
        changed=dict(planned.changed),
        retrieves=_way(served),
        documents=cut.documents,
        chunks=cut.total,
        size_bytes=served.size_bytes,
        cut_seconds=round(cut_seconds, 2),
        texts=vectors.texts,
        embedded=vectors.embedded,
        embed_seconds=round(vectors.seconds, 2),
        build_seconds=whole.build_seconds,
        users=ground.users,
        p50_ms=times[0],
        p95_ms=times[1],
    )
    return attempt, scores


def _built(ground: Ground, planned: Planned, settings: Settings, model: Model) -> tuple[Manifest, Manifest]:
    """The release that was built whole, and the one that is measured: the same, retrieving as the golden sets choose."""
    recipe = recipe_now(settings, planned.contracts, ground.now)
    whole = _build(ground, recipe)
    if settings.retrieval != "auto":
        return whole, whole
    chooser = Chooser(ground.work, recipe, tuple(one.golden for one in ground.living), model)
    way = chooser.standing()
    if way is None:
        best = chooser.best_retrieval(whole)
        way = best.retrieval if best else recipe.retrieval
    return whole, whole if way == recipe.retrieval else _build(ground, replace(recipe, retrieval=way))


def _build(ground: Ground, recipe: Recipe) -> Manifest:
    return build_release(ground.work, recipe, run_id=ground.run_id, now=ground.now).manifest


def _measured(ground: Ground, served: Manifest, model: Model) -> tuple[PerSet, tuple[float, float]]:
    """The values of every question, and latency p50 and p95 in milliseconds."""
    texts = [text for one in ground.living for text in one.golden.queries.values()]
    share_query_vectors(ground.home, ground.work, model.fingerprint, texts)
    scores: PerSet = []
    with ExitStack() as stack:
        bench = Bench.open(stack, ground.work, served.id, model, all_modes=False)
        for one, metrics in zip(ground.living, ground.metrics, strict=True):
            values = bench.measure(one, metrics).per_query
            scores.append({name: [values[name][query] for query in sorted(one.qrels)] for name in metrics})
        took = latency(bench.release, bench.load, texts, ground.users)
    return scores, (took.p50_ms, took.p95_ms)


def _way(served: Manifest) -> str:
    """How a release retrieves, in a word or two."""
    way = served.retrieval
    mode = f"hybrid {way.dense_weight:g}" if way.mode == "hybrid" else way.mode
    return f"{mode}, reranked" if way.reranker else mode
