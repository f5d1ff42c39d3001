"""The metrics of documents, a place for each: its name, its definition with its source, and what it says to people.

They are computed as trec_eval does: a grade above zero is relevant, gains are the grades, the discount is log2(rank + 1).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Grades = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric of the first k documents.

    `library`: its name in ir-measures, which computes it. `value`: its definition, from a query's grades, the documents
    retrieved (at most k, best first) and k; the gate computes every figure again with it, and what a place is worth follows
    from it. `says`: what it tells, for the report; `{k}` is the depth.
    """

    library: str
    value: Callable[[Grades, Sequence[str], int], float]
    says: str


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


def _precision(grades: Grades, documents: Sequence[str], k: int) -> float:
    return len(_hits(grades, documents)) / k


def _hit(grades: Grades, documents: Sequence[str], _k: int) -> float:
    return float(bool(_hits(grades, documents)))


def _judged(grades: Grades, documents: Sequence[str], _k: int) -> float:
    return sum(one in grades for one in documents) / len(documents) if documents else 0.0


METRICS = {
    "nDCG": Metric("nDCG", _ndcg, "how well the first {k} results are ordered"),  # Järvelin and Kekäläinen 2002
    "recall": Metric("R", _recall, "share of the relevant documents among the first {k}"),
    "MRR": Metric("RR", _reciprocal_rank, "how high up the first relevant result stands, within {k}"),  # Voorhees 1999
    "precision": Metric("P", _precision, "share of the first {k} that is relevant"),
    "MAP": Metric("AP", _average_precision, "order of all relevant results within {k}"),
    "hit": Metric("Success", _hit, "share of queries with a relevant result in the first {k}"),
    "judged": Metric("Judged", _judged, "share of the first {k} that anybody has judged"),
}
"""Our name -> the metric. A further metric is a line here, and a line in docs/evaluation.md."""
