"""The measures of `metrics`, from their definitions and without the library: to check figures, in a fifth of the time.

As trec_eval computes them: a grade above zero is relevant, gains are the grades, the discount is log2(rank + 1).
"""

import math
from collections.abc import Callable, Mapping, Sequence

from rag_pipeline.errors import GoldenSetError
from rag_pipeline.evaluate.metrics import PerQuery

Grades = Mapping[str, int]


def score_again(names: Sequence[str], qrels: Mapping[str, Grades], run: Mapping[str, Sequence[str]]) -> PerQuery:
    """Every metric for every query of `qrels`. Raises `GoldenSetError` for a name that `metrics` does not know."""
    values: PerQuery = {}
    for name in names:
        kind, _, depth = name.partition("@")
        if kind not in _KINDS or not depth.isdigit() or int(depth) < 1:
            raise GoldenSetError(f"unknown metric {name!r}")
        measure, k = _KINDS[kind], int(depth)
        values[name] = {query: measure(grades, run.get(query, ())[:k], k) for query, grades in qrels.items()}
    return values


def _ndcg(grades: Grades, documents: Sequence[str], k: int) -> float:
    best = sorted((grade for grade in grades.values() if grade > 0), reverse=True)[:k]
    ideal = math.fsum(grade / math.log2(rank + 1) for rank, grade in enumerate(best, start=1))
    found = math.fsum(max(grades.get(one, 0), 0) / math.log2(rank + 1) for rank, one in enumerate(documents, start=1))
    return found / ideal if ideal else 0.0


def _hits(grades: Grades, documents: Sequence[str]) -> list[int]:
    """Ranks of the relevant ones."""
    return [rank for rank, one in enumerate(documents, start=1) if grades.get(one, 0) > 0]


def _relevant(grades: Grades) -> int:
    return sum(grade > 0 for grade in grades.values())


def _recall(grades: Grades, documents: Sequence[str], _k: int) -> float:
    return len(_hits(grades, documents)) / _relevant(grades) if _relevant(grades) else 0.0


def _average_precision(grades: Grades, documents: Sequence[str], _k: int) -> float:
    shares = [place / rank for place, rank in enumerate(_hits(grades, documents), start=1)]
    return math.fsum(shares) / _relevant(grades) if _relevant(grades) else 0.0


def _reciprocal_rank(grades: Grades, documents: Sequence[str], _k: int) -> float:
    return next((1 / rank for rank in _hits(grades, documents)), 0.0)


_KINDS: dict[str, Callable[[Grades, Sequence[str], int], float]] = {
    "nDCG": _ndcg,
    "recall": _recall,
    "MRR": _reciprocal_rank,
    "precision": lambda grades, documents, k: len(_hits(grades, documents)) / k,
    "MAP": _average_precision,
    "hit": lambda grades, documents, _: float(bool(_hits(grades, documents))),
    "judged": lambda grades, documents, _: sum(one in grades for one in documents) / len(documents) if documents else 0.0,
}
