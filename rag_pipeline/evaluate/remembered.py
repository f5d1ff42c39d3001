"""The table of evaluations: every figure of every query, for reports, and what a release retrieved when it was measured."""

from collections.abc import Callable, Sequence
from datetime import datetime

import polars as pl
import pyarrow as pa

from rag_pipeline.evaluate.measure import Measured
from rag_pipeline.golden.read import GoldenSet
from rag_pipeline.golden.resolve import ResolvedSet
from rag_pipeline.home import Home
from rag_pipeline.index.manifest import Manifest
from rag_pipeline.lake import Table, collected
from rag_pipeline.metrics.documents import score
from rag_pipeline.metrics.spans import is_span_metric

EVALUATIONS = pa.schema(
    [
        ("at", pa.timestamp("us", "UTC")),
        ("run_id", pa.string()),
        ("release", pa.string()),
        ("release_fingerprint", pa.string()),
        ("golden_set", pa.string()),
        ("golden_fingerprint", pa.string()),
        ("query_id", pa.string()),
        ("metric", pa.string()),
        ("value", pa.float64()),
        ("retrieved", pa.list_(pa.string())),
    ]
)


def evaluations_table(home: Home) -> Table:
    """One row a (evaluation, golden set, query, metric), for reports and for asking why."""
    return Table(home.evaluations, EVALUATIONS)


def remember(
    home: Home, candidate: Manifest, living: Sequence[ResolvedSet], mine: Sequence[Measured], *, run_id: str, now: datetime
) -> None:
    """Append what a release was measured to give on each golden set."""
    rows = [
        {
            "at": now,
            "run_id": run_id,
            "release": candidate.id,
            "release_fingerprint": candidate.fingerprint,
            "golden_set": one.golden.name,
            "golden_fingerprint": one.golden.fingerprint,
            "query_id": query,
            "metric": name,
            "value": value,
            "retrieved": measured.retrieved[query],
        }
        for one, measured in zip(living, mine, strict=True)
        for name, values in measured.per_query.items()
        for query, value in values.items()
    ]
    evaluations_table(home).append(pa.Table.from_pylist(rows, EVALUATIONS))


def remembered(
    home: Home, release_fingerprint: str, living: Sequence[ResolvedSet], metrics: Callable[[GoldenSet], list[str]]
) -> list[Measured] | None:
    """What a release retrieved when it was last measured on these very golden sets; None when it never was.

    Rankings of documents are remembered, so metrics of spans cannot be taken from them.
    """
    rows = (
        evaluations_table(home)
        .scan()
        .filter(pl.col("release_fingerprint") == release_fingerprint)
        .sort("at")
        .group_by("golden_fingerprint", "query_id")
        .agg(pl.col("retrieved").last())
        .pipe(collected)
    )
    found = {(golden, query): list(docs) for golden, query, docs in rows.iter_rows()}
    measured = []
    for one in living:
        names = metrics(one.golden)
        if any((one.golden.fingerprint, query) not in found for query in one.qrels) or any(map(is_span_metric, names)):
            return None
        run = {query: found[one.golden.fingerprint, query] for query in one.qrels}
        measured.append(Measured(score(names, one.qrels, run), run, {}))
    return measured
