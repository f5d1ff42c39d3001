"""Changes of the split in the audit table. People and replicas write the file; whoever comes by next writes the row.

A replica writes no table, so a stop of its own is in the audit table once Dagster or a command looked. Only a person starts
a split, and settles what was before first: so no change is left out.
"""

import json
from datetime import datetime

import polars as pl

from rag_pipeline.canary.arms import Arms
from rag_pipeline.canary.split import Split, Wanted, change_split, read_split, started, stopped
from rag_pipeline.channels.audit import audit_held
from rag_pipeline.channels.audit_rows import SPLIT, UNSPLIT, all_rows, record
from rag_pipeline.channels.pointer import Channel, read_channel
from rag_pipeline.errors import PipelineError
from rag_pipeline.home import Home
from rag_pipeline.lake import collected


def settle(home: Home) -> Split | None:
    """Write the last change of the split into the audit table, if it is not there; the split. Raises `PipelineError`."""
    split = read_split(home)
    if split and not _is_told(home, split):
        with audit_held(home):
            if not _is_told(home, split):
                _tell(home, split)
    return split


def start(home: Home, wanted: Wanted, now: datetime) -> Split:
    """Start a split, or go on with another percent. Raises `PipelineError` as `started` and `change_split` do."""
    before = settle(home)
    new = started(home, wanted, before, now)
    change_split(home, new, expected=before)
    settle(home)
    return new


def stop(home: Home, now: datetime, *, by: str, why: str, arms: Arms) -> Split:
    """Stop the split, by a person. Raises `PipelineError` when there is none that is on, or nobody says who and why."""
    if not (by.strip() and why.strip()):
        raise PipelineError("say who stops the split and why: `rag canary stop --by NAME --reason WHY`")
    before = settle(home)
    if before is None or not before.is_on(now):
        raise PipelineError("no traffic is split, so there is nothing to stop; `rag canary show` says since when")
    new = stopped(before, now, by=by, why=why, arms=arms)
    change_split(home, new, expected=before)
    settle(home)
    return new


def _is_told(home: Home, split: Split) -> bool:
    if not home.audit.is_dir():
        return False
    rows = all_rows(home).filter(pl.col("action").is_in([SPLIT, UNSPLIT]), pl.col("channel") == split.channel)
    return any(json.loads(one)[:1] == [_name(split)] for one in collected(rows.select("reasons"))["reasons"])


def _name(split: Split) -> str:
    return f"split {split.number} of {split.at.isoformat()}"


def _tell(home: Home, split: Split) -> None:
    canary = read_channel(home, split.canary)
    told = f"{split.percent:g} % of {split.channel} to {split.canary} until {split.until:%Y-%m-%d %H:%M} UTC"
    counts = f"canary: {split.arms.canary.errors:,} of {split.arms.canary.queries:,} failed"
    against = f"stable: {split.arms.stable.errors:,} of {split.arms.stable.queries:,}"
    row = Channel(
        release=canary.release if canary else "",
        fingerprint=canary.fingerprint if canary else "",
        previous=None,
        sequence=0,
        at=split.at,
        by=split.by,
        why=split.why,
        run_id="",
        action=SPLIT if split.percent else UNSPLIT,
        reasons=(_name(split), told) if split.percent else (_name(split), counts, against),
    )
    record(home, split.channel, row)
