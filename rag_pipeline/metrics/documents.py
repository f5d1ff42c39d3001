"""The metrics, by the field's names, computed by ir-measures (trec_eval underneath).

A query without results counts as zero, never as missing. Scores passed to the library come from ranks, so that ties
and float noise cannot reorder a run.
"""

from __future__ import annotations

import difflib
import math
import re
from typing import TYPE_CHECKING, Any

from rag_pipeline.errors import GoldenSetError
from rag_pipeline.metrics.definitions import METRICS
from rag_pipeline.metrics.spans import is_span_metric

if TYPE_CHECKING:
    from collections.abc import Iterable

NAMES = {name: one.library for name, one in METRICS.items()}
"""Our name -> ir-measures' name."""

PerQuery = dict[str, dict[str, float]]
"""metric -> query id -> value"""


def metric(name: str) -> Any:
    """The ir-measures measure for a name such as `nDCG@10`. Raises `GoldenSetError` for an unknown one."""
    measure, depth = _parsed(name)
    import ir_measures

    return ir_measures.parse_measure(f"{NAMES[measure]}@{depth}")


def known_metric(name: str) -> None:
    """Raises `GoldenSetError` unless a name is a metric of documents or of spans. Cheap: no library is loaded."""
    if not is_span_metric(name):
        _parsed(name)


def _parsed(name: str) -> tuple[str, str]:
    match = re.fullmatch(r"([A-Za-z]+)@(\d+)", name)
    if not match or match[1] not in NAMES or int(match[2]) < 1:
        measure, _, depth = name.partition("@")
        close = difflib.get_close_matches(measure.lower(), [one.lower() for one in NAMES], n=1, cutoff=0.6)
        meant = next((one for one in NAMES if close and one.lower() == close[0]), None)
        hint = f"; did you mean {meant}@{depth if depth.isdigit() and int(depth) else 10}?" if meant else ""
        raise GoldenSetError(f"unknown metric {name!r}; write one of {', '.join(NAMES)} with a depth, as in nDCG@10{hint}")
    return match[1], match[2]


def deepest(names: Iterable[str]) -> int:
    """The largest depth any metric looks at."""
    return max(int(name.split("@")[1]) for name in names)


def score(names: list[str], qrels: dict[str, dict[str, int]], run: dict[str, list[str]]) -> PerQuery:
    """Every metric for every query of `qrels`, given each query's documents, best first."""
    import ir_measures

    if not names:  # which trec_eval cannot take
        return {}
    counted = {name: int(name.split("@")[1]) for name in names if name.startswith("judged@")}
    measures = {metric(name): name for name in names if name not in counted}
    scored = {  # a query without results is left to its zero
        query: {doc: float(len(docs) - rank) for rank, doc in enumerate(docs)} for query, docs in run.items() if docs
    }
    values: PerQuery = {name: dict.fromkeys(qrels, 0.0) for name in names}
    judged = METRICS["judged"].value
    for name, depth in counted.items():  # ir-measures' own is Python too, an order slower, and divides by zero results
        values[name] = {query: judged(grades, run.get(query, [])[:depth], depth) for query, grades in qrels.items()}
    for result in ir_measures.iter_calc(list(measures), qrels, scored) if measures else ():
        if result.query_id in qrels:
            values[measures[result.measure]][result.query_id] = float(result.value)
    for name, by_query in values.items():
        if not all(math.isfinite(value) for value in by_query.values()):
            raise GoldenSetError(f"{name} is not a number for some query; the judgments or the run are damaged")
    return values
