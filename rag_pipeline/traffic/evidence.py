"""Evidence of traffic: what was served from the content of a release on one channel, before another one may point at it.

It is made of the rows that replicas marked, and of nothing else: not of segments that wait, nor of what was lost.
"""

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import polars as pl
from pydantic import AwareDatetime, Field

from rag_pipeline.channels.audit import all_rows, channel_now
from rag_pipeline.evaluate.seal import key_name, seal_of, seal_problem
from rag_pipeline.home import Home
from rag_pipeline.index.manifest import all_manifests
from rag_pipeline.lake import collected
from rag_pipeline.records import Record
from rag_pipeline.settings import seal_key
from rag_pipeline.traffic.arrivals import arrivals_of
from rag_pipeline.traffic.counted import Hour, Served, counting, hours_answered, hours_of, served
from rag_pipeline.traffic.marks import Marks
from rag_pipeline.traffic.pairs_judged import PairsEvidence, pairs_evidence
from rag_pipeline.traffic.rows import MARKED, Kind, table
from rag_pipeline.traffic.rows import rows as rows_of

WINDOW = timedelta(days=28)
"""How long ago a question may have been asked that counts."""
SETTLED = timedelta(seconds=60)
"""What came last is left out: other replicas' segments of that time may not be there yet."""


_NONE_REMOVED = datetime.fromtimestamp(0, UTC)


class TrafficEvidence(Record):
    """What was served. `seal` is the hash of the rest. All that is told of questions is of those that count."""

    traffic_format: Literal[1] = 1
    channel: str
    """The channel that the release shall be promoted to."""
    served_on: str
    release: str
    release_fingerprint: str
    releases: list[str]
    """Ids under which this content answered there."""
    policy: str
    """Fingerprint of what gate.yaml demanded of traffic."""
    created_at: AwareDatetime
    run_id: str
    since: AwareDatetime
    """Rows from here on were looked at."""
    until: AwareDatetime
    """And before this."""
    first: AwareDatetime | None
    last: AwareDatetime | None
    hours_answered: int
    served: Served
    beside: Served | None
    """What production answered in the same hours from other content, counted alike; None where it answered nothing."""
    hours: list[Hour]
    edited: int
    """Rows, of the release and of production beside it, that are not as a replica wrote them."""
    twice: int
    """Rows whose id stands in another row too."""
    past_their_days: int
    """Rows that no longer say who asked, and count no more."""
    pairs: PairsEvidence | None
    """What people judged of shadow pairs; None where nothing is demanded of them, or nothing is in production."""
    lost: int
    """Rows that replicas say they lost in these hours, of whatever release."""
    waiting: int
    """Segments that were in no table yet."""
    key: str = ""
    seal: str = Field(default="")

    def sealed(self) -> "TrafficEvidence":
        """The same with the seal that fits, made with the key that is set here, if one is."""
        secret = seal_key()
        named = self.model_copy(update={"key": key_name(secret)})
        return named.model_copy(update={"seal": seal_of(named.content({"seal"}), secret)})

    def seal_problem(self, key: str) -> str:
        """Why the seal does not hold, in words; empty when it does."""
        return seal_problem("the evidence of traffic", self.content({"seal"}), self.seal, self.key, key)

    @property
    def intact(self) -> bool:
        return not self.seal_problem(seal_key())

    def same_rows(self, other: "TrafficEvidence") -> bool:
        """Whether both say the same of the rows, whenever they were made."""
        apart = {"created_at", "run_id", "waiting", "key", "seal"}
        return self.content(apart) == other.content(apart)

    def content(self, without: Collection[str]) -> object:
        return json.loads(self.model_dump_json(exclude=set(without)))


@dataclass(frozen=True, slots=True)
class Sought:
    """What is asked of the tables. `limits_ms`: times of which it is counted how many questions took longer."""

    channel: str
    served_on: str
    release: str
    fingerprint: str
    policy: str
    most_of_one: int
    limits_ms: tuple[float, ...]
    judged: Path | None = None
    """The folder of the queue, where shadow pairs are demanded."""


@dataclass(frozen=True, slots=True)
class Window:
    """Rows from `since` until before `until` are looked at, at the time `now`."""

    since: datetime
    until: datetime
    now: datetime


def window_now(home: Home, now: datetime) -> Window:
    """All that is settled: rows of before the newest one by a minute, and none that is dated in the future."""
    newest = collected(table(home, "queries").scan().select(pl.col("timestamp").max())).item()
    return Window(now - WINDOW, min(now, newest - SETTLED) if newest else now, now)


def measured(home: Home, marks: Marks, sought: Sought, window: Window, run_id: str) -> TrafficEvidence:
    """What the tables say now, sealed. Raises `LakeError` when they cannot be read."""
    ids = ids_of(home, sought.fingerprint) | {sought.release}
    there = pl.col("timestamp").is_between(window.since, window.until, closed="left")
    lazy = rows_of(home, "queries").filter(there).select(*MARKED["queries"], "lost_before", "mark")
    mine = collected(lazy.filter(pl.col("channel") == sought.served_on, pl.col("release").is_in(sorted(ids))))
    counted = counting(mine, sought.most_of_one)
    hours = counted["hour"].unique()
    others = collected(
        lazy.filter(
            pl.col("channel") == sought.channel,
            ~pl.col("release").is_in(["", *sorted(ids)]),
            pl.col("timestamp").dt.truncate("1h").is_in(hours.implode()),
        )
    )
    both = [mine, others]
    first, last = _edge(counted["timestamp"].min()), _edge(counted["timestamp"].max())
    evidence = TrafficEvidence(
        channel=sought.channel,
        served_on=sought.served_on,
        release=sought.release,
        release_fingerprint=sought.fingerprint,
        releases=sorted(mine["release"].unique()),
        policy=sought.policy,
        created_at=window.now,
        run_id=run_id,
        since=window.since,
        until=window.until,
        first=first,
        last=last,
        hours_answered=hours_answered(counted),
        served=served(counted, sought.limits_ms),
        beside=served(counting(others, sought.most_of_one), sought.limits_ms) if others.height else None,
        hours=hours_of(mine),
        edited=sum(_edited(marks, "queries", rows) for rows in both),
        twice=sum(rows.height - rows["query_id"].n_unique() for rows in both),
        past_their_days=mine["client_id"].null_count(),
        pairs=_pairs(home, marks, sought, ids, there) if sought.judged else None,
        lost=_lost(lazy, first, last) if first and last else 0,
        waiting=len(arrivals_of(home, _NONE_REMOVED).waiting("queries")),
    )
    return evidence.sealed()


def _pairs(home: Home, marks: Marks, sought: Sought, ids: set[str], within: pl.Expr) -> PairsEvidence | None:
    """Pairs of this content and the one that the channel points at now, and of no other."""
    serves = channel_now(home, sought.channel)
    if serves is None or sought.judged is None:
        return None
    both = (ids, ids_of(home, serves.fingerprint) | {serves.release})
    return pairs_evidence(home, both, sought.judged, lambda found: _edited(marks, "pairs", found), within)


def ids_of(home: Home, fingerprint: str) -> set[str]:
    """Every release that has this content: those that are kept, and those that a channel ever pointed at."""
    history = all_rows(home).filter(pl.col("fingerprint") == fingerprint).select("release").pipe(collected)["release"]
    return set(history) | {one.id for one in all_manifests(home.releases) if one.fingerprint == fingerprint}


def _edited(marks: Marks, kind: Kind, rows: pl.DataFrame) -> int:
    """Rows whose mark is not that of what they say. Those past their days cannot be checked, if their whole day is so."""
    wrong: int = sum(row["mark"] != marks.row(kind, row) for row in rows.filter(_TELLS).iter_rows(named=True))
    emptied = rows.with_columns(day=pl.col("timestamp").dt.date(), tells=_TELLS)
    days = emptied.group_by("day").agg(any=pl.col("tells").any(), silent=(~pl.col("tells")).sum())
    return wrong + int(days.filter("any")["silent"].sum())


_TELLS = pl.col("client_id").is_not_null()


def _lost(rows: pl.LazyFrame, first: datetime, last: datetime) -> int:
    hours = pl.col("timestamp").is_between(first, last)
    return int(collected(rows.filter(hours).select(pl.col("lost_before").sum())).item() or 0)


def _edge(found: object) -> datetime | None:
    """The first or the last of some times; None where there are none."""
    return found if isinstance(found, datetime) else None
