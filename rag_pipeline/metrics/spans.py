"""How much of the judged passages the retrieved chunks hold, counted in characters. Values in, values out.

Source of the metrics: Smith and Troynikov, "Evaluating Chunking Strategies for Retrieval", Chroma, 2024,
https://research.trychroma.com/evaluating-chunking. A span is (document id, start, end), `end` exclusive, in characters
of the document's text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rag_pipeline.errors import GoldenSetError, PipelineError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Span = tuple[str, int, int]
"""(document id, start, end)"""

Interval = tuple[int, int]
"""(start, end) in one document, `end` exclusive"""

SPAN_METRICS = ("span_recall", "span_precision", "span_iou")

_NAME = re.compile(rf"({'|'.join(SPAN_METRICS)})@([1-9][0-9]*)")


@dataclass(frozen=True, slots=True)
class SpanScores:
    """One query; each a share from 0 to 1."""

    recall: float
    """characters of the references that a retrieved chunk holds / characters of the references"""
    precision: float
    """the same characters / lengths of the retrieved chunks, added up"""
    iou: float
    """the same characters / (lengths of the retrieved chunks, added up, + characters of the references in none of them)"""


def is_span_metric(name: str) -> bool:
    """Whether `span_score` knows this name, such as `span_recall@5`."""
    return _NAME.fullmatch(name) is not None


def span_depth(name: str) -> int:
    """How many chunks a metric looks at. Raises `GoldenSetError` for an unknown name."""
    return _parsed(name)[1]


def span_score(name: str, references: Sequence[Span], retrieved: Sequence[Span]) -> float:
    """One metric of one query, 0 to 1. Raises `GoldenSetError` as `span_scores` does, and for an unknown name."""
    field, depth = _parsed(name)
    return float(getattr(span_scores(references, retrieved, depth), field))


def span_scores(references: Sequence[Span], retrieved: Sequence[Span], k: int) -> SpanScores:
    """Score the first `k` of the retrieved chunks, best first, against the judged passages.

    A character counts once, however often it is judged or found. In the denominators of precision and IoU every chunk
    counts in full, a duplicate and one of another document too: its reader has to read it. Nothing retrieved scores 0.
    Raises `GoldenSetError` for no references or an empty one, `PipelineError` for a chunk that ends before it begins.
    """
    if k < 1:
        raise ValueError(f"k counts retrieved chunks and is at least 1, found {k}")
    wanted = _wanted(references)
    found = by_document(_checked(retrieved[:k]))
    total = sum(size(intervals) for intervals in wanted.values())
    covered = sum(size(common(intervals, found.get(document, []))) for document, intervals in wanted.items())
    read = sum(end - start for _, start, end in retrieved[:k])
    return SpanScores(
        recall=covered / total,
        precision=covered / read if read else 0.0,
        iou=covered / (read + total - covered),
    )


def merged(intervals: Iterable[Interval]) -> list[Interval]:
    """The same characters as disjoint intervals in order, as few as possible. Empty intervals vanish."""
    result: list[Interval] = []
    for start, end in sorted(interval for interval in intervals if interval[0] < interval[1]):
        if result and start <= result[-1][1]:
            result[-1] = (result[-1][0], max(result[-1][1], end))
        else:
            result.append((start, end))
    return result


def common(one: Sequence[Interval], other: Sequence[Interval]) -> list[Interval]:
    """The characters in both. Both are as `merged` gives them, and so is the result."""
    result: list[Interval] = []
    first = second = 0
    while first < len(one) and second < len(other):
        start, end = max(one[first][0], other[second][0]), min(one[first][1], other[second][1])
        if start < end:
            result.append((start, end))
        if one[first][1] <= other[second][1]:
            first += 1
        else:
            second += 1
    return result


def size(intervals: Iterable[Interval]) -> int:
    """Characters in intervals that do not overlap."""
    return sum(end - start for start, end in intervals)


def _parsed(name: str) -> tuple[str, int]:
    match = _NAME.fullmatch(name)
    if not match:
        raise GoldenSetError(
            f"unknown span metric {name!r}; write one of {', '.join(SPAN_METRICS)} with a depth, as in span_recall@5"
        )
    return match[1].removeprefix("span_"), int(match[2])


def _wanted(references: Sequence[Span]) -> dict[str, list[Interval]]:
    if not references:
        raise GoldenSetError("a query without a judged passage has no span score; judge it or leave it out")
    for document, start, end in references:
        if not 0 <= start < end:
            raise GoldenSetError(f"{document}: a judged passage from character {start} to {end} holds nothing; correct it")
    return by_document(references)


def _checked(chunks: Iterable[Span]) -> Iterable[Span]:
    for chunk in chunks:
        document, start, end = chunk
        if not 0 <= start <= end:
            raise PipelineError(f"{document}: a chunk from character {start} to {end}; its index is damaged, rebuild it")
        yield chunk


def by_document(spans: Iterable[Span]) -> dict[str, list[Interval]]:
    found: dict[str, list[Interval]] = {}
    for document, start, end in spans:
        found.setdefault(document, []).append((start, end))
    return {document: merged(intervals) for document, intervals in found.items()}
