"""From segments to tables: each row exactly once, wherever a process is killed, and no text past its days.

A row is known by its id, so what is in the table already is not put there again: a segment that was committed and not yet
removed, or one that somebody copied, adds nothing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pyarrow as pa

from rag_pipeline.home import Home
from rag_pipeline.lake import OP, Table, collected, scan_file
from rag_pipeline.traffic.arrivals import Arrivals, arrivals_of
from rag_pipeline.traffic.rows import KEY, PRIVATE, Kind, table
from rag_pipeline.traffic.segments import Damaged, read_segment

ROWS_A_COMMIT = 50_000
SEGMENTS_A_COMMIT = 5_000
_AT_ONCE = 64
"""Segments that are fetched together."""
_WAIT_S = 60
_HALF_AFTER = timedelta(hours=1)


@dataclass(slots=True)
class Ingested:
    """What one run did with one kind of rows."""

    kind: Kind
    rows: int = 0
    """Rows that are in the table now and were not before."""
    known: int = 0
    """Rows of segments that the table had already, or that a newer verdict stands in for."""
    segments: int = 0
    lost: int = 0
    """Rows that replicas say they lost before those that were put in."""
    emptied: int = 0
    """Rows whose text went, because it is past its days."""
    damaged: tuple[str, ...] = ()
    """Segments that are no more what a replica wrote, set aside, also by earlier runs."""
    longest_wait_s: float = 0.0
    """How long the segment waited that waited longest."""
    releases: set[str] = field(default_factory=set)
    """Releases that the new rows name."""

    @property
    def told(self) -> dict[str, object]:
        return {
            "rows": self.rows,
            "known": self.known,
            "segments": self.segments,
            "lost": self.lost,
            "emptied": self.emptied,
            "damaged": list(self.damaged),
            "longest_wait_s": round(self.longest_wait_s, 1),
        }


def ingest(home: Home, kind: Kind, now: datetime, *, days: int) -> Ingested:
    """Put all segments that wait into their table, and empty texts older than `days`. As the only process.

    Raises `LakeError`, and `PipelineError` when another process does it.
    """
    into, done = table(home, kind), Ingested(kind)
    with home.exclusive_table(into.path, wait_s=_WAIT_S):
        segments = arrivals_of(home, now - _HALF_AFTER)
        found = segments.waiting(kind)
        done.longest_wait_s = max((now.timestamp() - at for at in found.values()), default=0.0)
        known: dict[str, pl.DataFrame] = {}
        for paths, rows in _batches(segments, list(found), kind):
            if kind == "feedback":
                _put_newest(into, rows, done)
            else:
                _put(into, rows, done, known)
            segments.drop(path.name for path in paths)
            done.segments += len(paths)
        done.emptied = _empty(into, kind, now - timedelta(days=days))
        done.damaged = tuple(segments.damaged())
    return done


def _batches(segments: Arrivals, names: Sequence[str], kind: Kind) -> Iterator[tuple[list[Path], pl.DataFrame]]:
    """Segments in groups, each with its rows; damaged ones are set aside."""
    some: list[Path] = []
    parts: list[pa.Table] = []
    for start in range(0, len(names), _AT_ONCE):
        for path in segments.here(names[start : start + _AT_ONCE]):
            try:
                parts.append(read_segment(path, kind))
                some.append(path)
            except Damaged:
                segments.set_aside(path)
            if len(some) >= SEGMENTS_A_COMMIT or sum(one.num_rows for one in parts) >= ROWS_A_COMMIT:
                yield some, _frame(parts)
                some, parts = [], []
    if some:
        yield some, _frame(parts)


def _frame(parts: list[pa.Table]) -> pl.DataFrame:
    frame = pl.from_arrow(pa.concat_tables(parts))
    assert isinstance(frame, pl.DataFrame)  # noqa: S101  (of a table it is one)
    return frame.with_columns(pl.col("timestamp").dt.strftime("%Y-%m-%d").alias("day"))


def _put(into: Table, rows: pl.DataFrame, done: Ingested, known: dict[str, pl.DataFrame]) -> None:
    """Commit the rows that the table does not have. `known`: day -> ids that it has, as far as they were looked up."""
    key = KEY[done.kind]
    once = rows.unique(key, keep="first", maintain_order=True)
    for day in once["day"].unique():
        if day not in known:
            known[day] = _ids(into, key, day)
    new = pl.concat(
        [part.join(known[part["day"][0]], on=key, how="anti", maintain_order="left") for part in once.partition_by("day")]
    )
    done.known += rows.height - new.height
    if new.is_empty():
        return
    done.rows += new.height
    done.lost += int(new["lost_before"].sum())
    if "release" in new.columns:
        done.releases |= set(new["release"].unique()) - {""}
    into.append(new)
    for part in new.partition_by("day"):
        day = part["day"][0]
        known[day] = pl.concat([known[day], part.select(key)])


def _put_newest(into: Table, rows: pl.DataFrame, done: Ingested) -> None:
    """Commit verdicts that are newer than what the table has of the same principal on the same chunk of the same answer."""
    key = KEY[done.kind]
    newest = rows.sort("timestamp").unique(key, keep="last", maintain_order=True)
    stored = collected(into.scan().filter(pl.col(key).is_in(newest[key].implode())).select(key, known="timestamp"))
    new = newest.join(stored, on=key, how="left").filter(pl.col("known").is_null() | (pl.col("timestamp") > pl.col("known")))
    done.known += rows.height - new.height
    if not new.is_empty():
        done.rows += new.height
        done.lost += int(new["lost_before"].sum())
        merged = new.select(*into.schema.names, pl.lit("upsert").alias(OP)).to_arrow()
        into.merge(merged.cast(into.schema.append(pa.field(OP, pa.string()))).to_reader(), key)


def _ids(into: Table, key: str, day: str) -> pl.DataFrame:
    if not (files := into.files(day=day)):
        return pl.DataFrame(schema={key: pl.String})
    return collected(scan_file(*files, schema=pl.Schema({key: pl.String})))


def _empty(into: Table, kind: Kind, before: datetime) -> int:
    """Empty what is private of the rows of days before some time, in every version of the table; how many rows."""
    day = f"{before.astimezone(UTC):%Y-%m-%d}"
    private = PRIVATE[kind]
    old = into.scan().filter(pl.col("day") < day, pl.any_horizontal(pl.col(name).is_not_null() for name in private))
    count = int(collected(old.select(pl.len())).item())
    if count:
        says = " or ".join(f"{name} is not null" for name in private)
        into.empty(private, f"day < '{day}' and ({says})")
        into.tidy(0)
    return count
