"""What was served, hour by hour: how many, how quick, what failed, found nothing, was degraded. Derived from `queries`."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl
import pyarrow as pa

from rag_pipeline.home import Home
from rag_pipeline.lake import Table, collected
from rag_pipeline.traffic.counted import REFUSED
from rag_pipeline.traffic.rows import lake_of, table

FEW = 5
"""Fewer principals than this are told as few: who asked in an hour is nobody's business."""
DAYS = 28
"""What is usual is what was so long before the last day."""

_COLUMNS = {
    "hour": (pa.timestamp("us", "UTC"), "Its beginning"),
    "channel": (pa.string(), "The channel that answered; empty where the question was refused before"),
    "release": (pa.string(), "The release that answered; empty where none did"),
    "questions": (pa.int64(), "Questions that reached a search"),
    "answered": (pa.int64(), "Those that got an answer"),
    "errors": (pa.int64(), "Those that a replica failed; what was too many is not among them"),
    "empty": (pa.int64(), "Answers without a chunk"),
    "degraded": (pa.int64(), "Answers that were not as they should be"),
    "principals": (pa.int64(), f"Who asked; null for fewer than {FEW}"),
    "p50_ms": (pa.float64(), "Milliseconds of an answer in the middle"),
    "p95_ms": (pa.float64(), "Milliseconds that 95 of 100 answers did not take longer than"),
    "lost": (pa.int64(), "Rows of the log that are known to be lost"),
}
HOURLY = pa.schema([(name, kind) for name, (kind, _) in _COLUMNS.items()])
COLUMNS = {name: says for name, (_, says) in _COLUMNS.items()}


@dataclass(frozen=True, slots=True)
class Served:
    """What a time came to, over all channels and releases."""

    questions: int
    answered: int
    errors: int
    empty: int
    degraded: int
    p50_ms: float | None
    p95_ms: float | None

    def percent(self, part: int) -> float:
        return 100 * part / self.questions if self.questions else 0.0


def hourly_table(home: Home) -> Table:
    """A row an hour, channel and release."""
    return Table(lake_of(home) / "hourly", HOURLY)


def count_hours(home: Home) -> int:
    """Count all questions of the table again; how many rows that made."""
    rows = _facts(table(home, "queries").scan()).group_by(
        pl.col("timestamp").dt.truncate("1h").alias("hour"), "channel", "release"
    )
    counted = collected(
        rows.agg(*_SUMS, pl.col("client_id").n_unique().alias("principals"), pl.col("lost_before").sum().alias("lost"))
    )
    few = pl.when(pl.col("principals") >= FEW).then("principals")
    found = counted.with_columns(few).sort("hour", "channel", "release").select(HOURLY.names)
    hourly_table(home).overwrite(found)
    return found.height


def served(home: Home, since: datetime, until: datetime) -> Served:
    """What was served between two times."""
    rows = table(home, "queries").scan().filter(pl.col("timestamp") >= since, pl.col("timestamp") < until)
    [row] = collected(_facts(rows).select(*_SUMS)).to_dicts()
    return Served(**row)


def last_day(home: Home, now: datetime) -> tuple[Served, Served]:
    """The last day, and the weeks before it."""
    day = now - timedelta(days=1)
    return served(home, day, now), served(home, day - timedelta(days=DAYS), day)


def unusual_share(now: int, of: int, before: int, of_before: int) -> float:
    """How likely so many or more are by chance, if they are as frequent as before; 1 where nothing can be told."""
    if not of or not of_before:
        return 1.0
    from scipy import stats  # half a second, which who loads the graph need not wait for

    usual = (before + 1) / (of_before + 2)  # a share that was never seen is small, and not nothing
    return float(stats.binomtest(now, of, min(1.0, usual), alternative="greater").pvalue)


def _facts(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.with_columns(
        is_answer=pl.col("status") == 200,
        is_error=(pl.col("status") >= 500) & ~pl.col("problem").is_in(REFUSED),
    )


_ANSWERS = pl.col("is_answer")
_SUMS = (
    pl.len().cast(pl.Int64).alias("questions"),
    _ANSWERS.sum().cast(pl.Int64).alias("answered"),
    pl.col("is_error").sum().cast(pl.Int64).alias("errors"),
    (_ANSWERS & (pl.col("query_response_hit_ids").list.len() == 0)).sum().cast(pl.Int64).alias("empty"),
    (_ANSWERS & (pl.col("degraded").list.len() > 0)).sum().cast(pl.Int64).alias("degraded"),
    *(
        pl.col("total_ms").filter(_ANSWERS).quantile(share, "linear").cast(pl.Float64).alias(name)
        for name, share in (("p50_ms", 0.5), ("p95_ms", 0.95))
    ),
)
