"""What was served, hour by hour: how many, how quick, what failed, found nothing, was degraded, what it cost.

Derived from `queries`.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl
import pyarrow as pa

from rag_pipeline.home import Home
from rag_pipeline.lake import Table, collected
from rag_pipeline.traffic.counted import REFUSED
from rag_pipeline.traffic.rows import lake_of, rows

FEW = 5
"""Fewer principals than this are told as few: who asked in an hour is nobody's business."""
DAYS = 28
"""What is usual is what was so long before the last day."""

_COLUMNS = {
    "hour": (pa.timestamp("us", "UTC"), "Its beginning"),
    "channel": (pa.string(), "The channel that answered; empty where the question was refused before"),
    "arm": (pa.string(), "`canary` where the split of traffic chose it, else `stable`"),
    "release": (pa.string(), "The release that answered; empty where none did"),
    "questions": (pa.int64(), "Questions that reached a search"),
    "answered": (pa.int64(), "Those that got an answer"),
    "errors": (pa.int64(), "Those that a replica failed; what was too many is not among them"),
    "refused": (pa.int64(), "Those that were too many"),
    "empty": (pa.int64(), "Answers without a chunk"),
    "degraded": (pa.int64(), "Answers that were not as they should be"),
    "in_sentences": (pa.int64(), "Answers in sentences"),
    "unsupported": (pa.int64(), "Those of them without a sentence, because no passage supports one"),
    "principals": (pa.int64(), f"Who asked; null for fewer than {FEW}"),
    "p50_ms": (pa.float64(), "Milliseconds of an answer in the middle, until its chunks were found"),
    "p95_ms": (pa.float64(), "Milliseconds that 95 of 100 answers did not take longer than, until their chunks were found"),
    "tokens_in": (pa.int64(), "Tokens that language models read"),
    "tokens_out": (pa.int64(), "Tokens that they wrote"),
    "usd": (pa.float64(), "Dollars that they cost"),
    "lost": (pa.int64(), "Rows of the log that are known to be lost"),
}
HOURLY = pa.schema([(name, kind) for name, (kind, _) in _COLUMNS.items()])
COLUMNS = {name: says for name, (_, says) in _COLUMNS.items()}
_OF = ("channel", "arm", "release")


@dataclass(frozen=True, slots=True)
class Served:
    """What a time came to, over all channels and releases."""

    questions: int
    answered: int
    errors: int
    refused: int
    empty: int
    degraded: int
    in_sentences: int
    unsupported: int
    p50_ms: float | None
    p95_ms: float | None
    tokens_in: int
    tokens_out: int
    usd: float

    def percent(self, part: int) -> float:
        return 100 * part / self.questions if self.questions else 0.0


def hourly_table(home: Home) -> Table:
    """A row an hour, channel, arm and release."""
    return Table(lake_of(home) / "hourly", HOURLY)


def count_hours(home: Home) -> int:
    """Count all questions of the table again; how many rows that made."""
    found = counted(home, pl.col("timestamp").dt.truncate("1h").alias("hour"), *_OF)
    hourly_table(home).overwrite(found.select(HOURLY.names))
    return found.height


def counted(home: Home, *by: pl.Expr | str, since: datetime | None = None) -> pl.DataFrame:
    """Questions by something, such as the hour: the columns of the table but those it is by, in order."""
    asked = rows(home, "queries")
    if since:
        asked = asked.filter(pl.col("timestamp") >= since)
    lost = pl.col("lost_before").sum().cast(pl.Int64).alias("lost")
    found = collected(_facts(asked).group_by(*by).agg(*_SUMS, pl.col("client_id").n_unique().alias("principals"), lost))
    few = pl.when(pl.col("principals") >= FEW).then("principals").cast(pl.Int64)
    return found.with_columns(few).sort(found.columns[: len(by)])


def served(home: Home, since: datetime, until: datetime) -> Served:
    """What was served between two times."""
    asked = rows(home, "queries").filter(pl.col("timestamp") >= since, pl.col("timestamp") < until)
    [row] = collected(_facts(asked).select(*_SUMS)).to_dicts()
    return Served(**row)


def last_day(home: Home, now: datetime) -> tuple[Served, Served]:
    """The last day, and the weeks before it."""
    day = now - timedelta(days=1)
    return served(home, day, now), served(home, day - timedelta(days=DAYS), day)


def cost_of_days(home: Home, now: datetime, days: int = 2) -> dict[str, float]:
    """Day (UTC, as budgets have it) -> dollars, of the last days; those on which nothing was asked as well."""
    named = [f"{now - timedelta(days=back):%Y-%m-%d}" for back in range(days)]
    asked = rows(home, "queries").filter(pl.col("day").is_in(named)).group_by("day").agg(pl.col("usd").sum())
    found = dict(collected(asked).iter_rows())
    return {day: float(found.get(day, 0.0)) for day in named}


def unusual_share(now: int, of: int, before: int, of_before: int) -> float:
    """How likely so many or more are by chance, if they are as frequent as before; 1 where nothing can be told."""
    if not of or not of_before:
        return 1.0
    from scipy import stats  # half a second, which who loads the graph need not wait for

    usual = (before + 1) / (of_before + 2)  # a share that was never seen is small, and not nothing
    return float(stats.binomtest(now, of, min(1.0, usual), alternative="greater").pvalue)


def _facts(asked: pl.LazyFrame) -> pl.LazyFrame:
    return asked.with_columns(
        is_answer=pl.col("status") == 200,
        is_refused=pl.col("problem").is_in(REFUSED),
        in_sentences=(pl.col("status") == 200) & pl.col("sentences").is_not_null(),
    ).with_columns(is_error=(pl.col("status") >= 500) & ~pl.col("is_refused"))


def _count(what: pl.Expr, name: str) -> pl.Expr:
    return what.sum().cast(pl.Int64).alias(name)


_ANSWERS = pl.col("is_answer")
_SUMS = (
    pl.len().cast(pl.Int64).alias("questions"),
    _count(_ANSWERS, "answered"),
    _count(pl.col("is_error"), "errors"),
    _count(pl.col("is_refused"), "refused"),
    _count(_ANSWERS & (pl.col("scores").list.len() == 0), "empty"),  # one a chunk, and a tenth of the bytes of the ids
    _count(_ANSWERS & (pl.col("degraded").list.len() > 0), "degraded"),
    _count(pl.col("in_sentences"), "in_sentences"),
    _count(pl.col("in_sentences") & (pl.col("sentences") == 0), "unsupported"),
    *(
        pl.col("total_ms").filter(_ANSWERS).quantile(share, "linear").cast(pl.Float64).alias(name)
        for name, share in (("p50_ms", 0.5), ("p95_ms", 0.95))
    ),
    *(pl.col(name).sum().cast(pl.Int64) for name in ("tokens_in", "tokens_out")),
    pl.col("usd").sum().cast(pl.Float64),
)
