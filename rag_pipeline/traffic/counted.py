"""Which questions count as evidence of a release, and what they came to. Values in, values out.

A principal counts with so many questions an hour at most, each of them once: who asks much, or the same again and again,
makes neither enough of few questions nor many of a few good answers.
"""

import hashlib

import polars as pl

from rag_pipeline.records import Record
from rag_pipeline.traffic.strata import order

REFUSED = ("too-many-requests", "overloaded")
"""Problems of questions that were too many: they say nothing of a release."""

_OK, _LEFT = 200, 499


class Served(Record):
    """What the questions that count came to. Times are of those that were answered, or that nobody waited for."""

    questions: int
    answered: int
    errors: int
    degraded: int
    empty: int
    principals: int
    timed: int
    slower: dict[str, int]
    """Milliseconds -> questions that took longer."""
    p50_ms: float | None
    p95_ms: float | None


class Hour(Record):
    """All rows of one hour, whether they count or not. `digest`: of their ids and marks, in no order."""

    begins: str
    """ISO 8601, UTC."""
    rows: int
    errors: int
    digest: str


def hours_of(rows: pl.DataFrame) -> list[Hour]:
    """Hour by hour, so that a table can be held against what it was before."""
    found = []
    for (begins,), part in rows.with_columns(hour=_HOUR).sort("query_id").group_by("hour", maintain_order=True):
        lines = part.select(pl.concat_str("query_id", "mark", "status", separator=" ", ignore_nulls=True))
        digest = hashlib.sha256("\n".join(lines.to_series()).encode()).hexdigest()[:32]
        errors = int(part.select(_ERROR.sum()).item())
        found.append(Hour(begins=begins.isoformat(), rows=part.height, errors=errors, digest=digest))
    return sorted(found, key=lambda one: one.begins)


def counting(rows: pl.DataFrame, most_of_one: int) -> pl.DataFrame:
    """The rows that count: of each principal and hour at most so many, drawn by hashes of ids that nobody chose.

    What was asked twice counts once, and as failed where it failed once.
    """
    asked = rows.filter(
        pl.col("client_id").is_not_null(), (pl.col("status") == _OK) | (pl.col("status") == _LEFT) | _ERROR
    ).with_columns(hour=_HOUR, failed=_ERROR)
    turn = pl.Series("turn", [order(one) for one in asked["query_id"]], dtype=pl.Float64)
    once = (
        asked.with_columns(turn)
        .sort(pl.col("failed"), "turn", descending=[True, False])
        .unique(["hour", "client_id", "query_hmac"], keep="first", maintain_order=True)
    )
    return once.filter(pl.col("turn").rank("ordinal").over("hour", "client_id") <= most_of_one).sort("query_id")


def served(counted: pl.DataFrame, limits_ms: tuple[float, ...]) -> Served:
    """What the rows that count came to."""
    answered = counted.filter(pl.col("status") == _OK)
    timed = counted.filter(pl.col("status").is_in([_OK, _LEFT, _TOO_LATE]))["total_ms"].cast(pl.Float64)
    p50, p95 = (timed.quantile(share, "linear") for share in (0.5, 0.95))
    return Served(
        questions=counted.height,
        answered=answered.height,
        errors=int(counted["failed"].sum()),
        degraded=int((answered["degraded"].list.len() > 0).sum()),
        empty=int((answered["query_response_hit_ids"].list.len() == 0).sum()),
        principals=answered["client_id"].n_unique(),
        timed=timed.len(),
        slower={f"{limit:g}": int((timed > limit).sum()) for limit in limits_ms},
        p50_ms=None if p50 is None else round(p50, 3),
        p95_ms=None if p95 is None else round(p95, 3),
    )


def hours_answered(counted: pl.DataFrame) -> int:
    """Different hours with an answer that counts."""
    return counted.filter(pl.col("status") == _OK)["hour"].n_unique()


_TOO_LATE = 504
_HOUR = pl.col("timestamp").dt.truncate("1h")
_ERROR = (pl.col("status") >= 500) & ~pl.col("problem").is_in(REFUSED)
