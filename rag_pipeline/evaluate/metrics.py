"""The measures, by the field's names, computed by ir-measures (trec_eval underneath).

A query without results counts as zero, never as missing. Scores handed to the library come from ranks, so that ties
and float noise cannot reorder a run.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rag_pipeline.errors import GoldenSetError

if TYPE_CHECKING:
    from collections.abc import Iterable

NAMES = {"nDCG": "nDCG", "recall": "R", "MRR": "RR", "precision": "P", "MAP": "AP", "hit": "Success"}
"""Our name -> ir-measures' name. nDCG: Järvelin and Kekäläinen 2002; MRR: Voorhees 1999."""

PerQuery = dict[str, dict[str, float]]
"""metric -> query id -> value"""


def metric(name: str) -> Any:
    """The ir-measures measure for a name such as `nDCG@10`. Raises `GoldenSetError` for an unknown one."""
    match = re.fullmatch(r"([A-Za-z]+)@(\d+)", name)
    if not match or match[1] not in NAMES or int(match[2]) < 1:
        raise GoldenSetError(f"unknown metric {name!r}; write one of {', '.join(NAMES)} with a depth, as in nDCG@10")
    import ir_measures

    return ir_measures.parse_measure(f"{NAMES[match[1]]}@{match[2]}")


def deepest(names: Iterable[str]) -> int:
    """The largest depth any metric looks at."""
    return max(int(name.split("@")[1]) for name in names)


def score(names: list[str], qrels: dict[str, dict[str, int]], run: dict[str, list[str]]) -> PerQuery:
    """Every metric for every query of `qrels`, given each query's documents, best first."""
    import ir_measures

    measures = {metric(name): name for name in names}
    scored = {query: {doc: float(len(docs) - rank) for rank, doc in enumerate(docs)} for query, docs in run.items()}
    values: PerQuery = {name: dict.fromkeys(qrels, 0.0) for name in names}
    for result in ir_measures.iter_calc(list(measures), qrels, scored):
        if result.query_id in qrels:
            values[measures[result.measure]][result.query_id] = float(result.value)
    for name, by_query in values.items():
        if not all(math.isfinite(value) for value in by_query.values()):
            raise GoldenSetError(f"{name} is not a number for some query; the judgments or the run are damaged")
    return values


def mean(values: dict[str, float]) -> float:
    return math.fsum(values.values()) / len(values) if values else 0.0


def paired_bounds(differences: NDArray[np.float64], *, confidence: float = 0.95, draws: int = 10_000) -> tuple[float, float]:
    """One-sided lower and upper bounds of the mean of paired differences, by bootstrap (percentile, seeded).

    `differences` has shape (queries,): candidate minus production. Source: Efron and Tibshirani 1993, chapter 13.
    """
    if not len(differences):
        return (-math.inf, math.inf)
    generator = np.random.default_rng(20_240_229)
    means = np.concatenate(
        [
            differences[generator.integers(0, len(differences), size=(part, len(differences)))].mean(axis=1)
            for part in _parts(draws, max(1, 4_000_000 // len(differences)))
        ]
    )
    low, high = np.quantile(means, [1 - confidence, confidence])
    return float(low), float(high)


def _parts(total: int, largest: int) -> list[int]:
    return [largest] * (total // largest) + ([total % largest] if total % largest else [])
