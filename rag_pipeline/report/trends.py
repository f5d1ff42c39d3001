"""What the page of trends shows, read from the tables: four weeks by day, the last days by hour, releases, and drift.

Counts alone, but for the masked texts of questions that nobody judged, where the settings keep texts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from rag_pipeline.answer.config import read_config
from rag_pipeline.channels.audit import all_rows
from rag_pipeline.errors import PipelineError
from rag_pipeline.home import Home
from rag_pipeline.lake import collected
from rag_pipeline.report.time_charts import Axis
from rag_pipeline.settings import Settings
from rag_pipeline.traffic.changes import measured
from rag_pipeline.traffic.hourly import DAYS, counted
from rag_pipeline.traffic.rows import rows

HOURS = 72
_DAY, _HOUR = timedelta(days=1), timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Over:
    """What was counted over some time. `parts`: beginning of a step -> its figures; steps without a question have none."""

    axis: Axis
    parts: Mapping[datetime, Mapping[str, Any]]

    def values(self, name: str) -> list[float | None]:
        """One a step; None where nobody asked."""
        found = (self.parts.get(self.axis.at(place)) for place in range(self.axis.steps))
        return [None if one is None or one.get(name) is None else float(one[name]) for one in found]

    def percent(self, name: str, of: str) -> list[float | None]:
        """The share of one figure in another, where there is any of the other."""
        both = zip(self.values(name), self.values(of), strict=True)
        return [100 * (part or 0.0) / whole if whole else None for part, whole in both]


@dataclass(frozen=True, slots=True)
class Moved:
    """A release began to serve a channel."""

    at: datetime
    channel: str
    release: str
    action: str
    by: str


@dataclass(frozen=True, slots=True)
class Topic:
    """Questions that are like each other, and like no golden one. `principals`: None for few; `texts`: masked ones."""

    questions: int
    principals: int | None
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Trends:
    """What the page is made of. `drift`: rows of `traffic/drift`, by day; `keeps`: what is kept of texts."""

    at: datetime
    keeps: str
    days: Over
    hours: Over
    by_release: Sequence[Mapping[str, Any]]
    moves: Sequence[Moved]
    drift: Sequence[Mapping[str, Any]] = ()
    topics: Sequence[Topic] = field(default=())
    usd_per_day: float | None = None
    """What language models may cost a day; None where no budget is known."""


def gather(settings: Settings, now: datetime) -> Trends:
    """Read what is known now. Raises `LakeError` for a table that cannot be read."""
    home = settings.home
    this_hour = now.replace(minute=0, second=0, microsecond=0)
    today = this_hour.replace(hour=0)
    days = Axis(today - (DAYS - 1) * _DAY, _DAY, DAYS)
    hours = Axis(this_hour - (HOURS - 1) * _HOUR, _HOUR, HOURS)
    drift = measured(home).filter(pl.col("day") >= f"{days.start:%Y-%m-%d}").to_dicts()
    lonely = drift[-1]["topics"] or () if drift else ()
    return Trends(
        at=now,
        keeps=settings.query_text,
        days=_over(home, days, "1d"),
        hours=_over(home, hours, "1h"),
        by_release=_by_release(home, days.start),
        moves=_moves(home, days.start),
        drift=drift,
        topics=_topics(home, lonely, with_texts=settings.query_text == "masked"),
        usd_per_day=budget_of(settings)[0],
    )


def budget_of(settings: Settings) -> tuple[float | None, str]:
    """Dollars that language models may cost a day, and why that cannot be read, where a file of it is named."""
    if not settings.serve_answers:
        return None, ""
    try:
        return read_config(Path(settings.serve_answers)).budget.usd_per_day, ""
    except PipelineError as error:
        return None, str(error)


def _over(home: Home, axis: Axis, every: str) -> Over:
    at = pl.col("timestamp").dt.truncate(every).alias("at")
    found = counted(home, at, since=axis.start)
    said = rows(home, "feedback").filter(pl.col("timestamp") >= axis.start).group_by(at).agg(*_VERDICTS)
    both = found.join(collected(said), on="at", how="full", coalesce=True)
    return Over(axis, {row["at"].astimezone(UTC): row for row in both.to_dicts()})


def _by_release(home: Home, since: datetime) -> list[dict[str, Any]]:
    """Figures of each release that answered, the newest first, with the verdicts on its answers."""
    found = counted(home, "channel", "arm", "release", since=since)
    asked = rows(home, "queries").filter(pl.col("timestamp") >= since).select("query_id", "channel", "arm", "release")
    said = rows(home, "feedback").select("query_id", "action_name").join(asked, on="query_id")
    verdicts = collected(said.group_by("channel", "arm", "release").agg(*_VERDICTS))
    whole = found.join(verdicts, on=["channel", "arm", "release"], how="left")
    return whole.sort("release", "channel", "arm", descending=[True, False, False]).to_dicts()


_VERDICTS = tuple((pl.col("action_name") == name).sum().cast(pl.Int64).alias(name) for name in ("useful", "not_useful"))


def _moves(home: Home, since: datetime) -> list[Moved]:
    """Releases that began to serve, in the order they did."""
    told = all_rows(home).filter(pl.col("sequence").is_not_null()).sort("sequence", "number", nulls_last=False)
    before = pl.col("release").shift(1).over("channel").fill_null("")
    moved = told.filter(pl.col("release") != before).filter(pl.col("at") >= since)
    found = collected(moved.select("at", "channel", "release", "action", "by").sort("at"))
    return [Moved(row[0].astimezone(UTC), *row[1:]) for row in found.iter_rows()]


def _topics(home: Home, groups: Sequence[Mapping[str, Any]], *, with_texts: bool) -> list[Topic]:
    ids = [one for group in groups for one in group["examples"]]
    kept = rows(home, "queries").filter(pl.col("query_id").is_in(ids), pl.col("user_query").is_not_null())
    texts = dict(collected(kept.select("query_id", "user_query")).iter_rows()) if with_texts and ids else {}
    return [
        Topic(one["questions"], one["principals"], tuple(texts[each] for each in one["examples"] if each in texts))
        for one in groups
    ]
