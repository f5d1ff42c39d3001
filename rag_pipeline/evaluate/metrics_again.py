"""The metrics of `metrics`, from their definitions and without the library: to check figures, in a fifth of the time."""

from collections.abc import Mapping, Sequence

from rag_pipeline.errors import GoldenSetError
from rag_pipeline.metrics.definitions import METRICS, Grades
from rag_pipeline.metrics.documents import PerQuery


def score_again(names: Sequence[str], qrels: Mapping[str, Grades], run: Mapping[str, Sequence[str]]) -> PerQuery:
    """Every metric for every query of `qrels`. Raises `GoldenSetError` for a name that `metrics` does not know."""
    values: PerQuery = {}
    for name in names:
        kind, _, depth = name.partition("@")
        if kind not in METRICS or not depth.isdigit() or int(depth) < 1:
            raise GoldenSetError(f"unknown metric {name!r}")
        measure, k = METRICS[kind].value, int(depth)
        values[name] = {query: measure(grades, run.get(query, ())[:k], k) for query, grades in qrels.items()}
    return values
