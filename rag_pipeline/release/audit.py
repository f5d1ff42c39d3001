"""The audit table: every move of a channel and every refusal, who, when, what, why, on which evidence."""

import json
from pathlib import Path

import polars as pl
import pyarrow as pa

from rag_pipeline.files import exclusive
from rag_pipeline.lake import Table
from rag_pipeline.release.channels import Channel

AUDIT = pa.schema(
    [
        ("at", pa.timestamp("us", "UTC")),
        ("channel", pa.string()),
        ("action", pa.string()),  # promoted | overridden | refused
        ("release", pa.string()),
        ("previous", pa.string()),
        ("by", pa.string()),
        ("why", pa.string()),
        ("run_id", pa.string()),
        ("outcome", pa.string()),
        ("reasons", pa.string()),  # JSON list
        ("evidence", pa.string()),  # seal
        ("sequence", pa.int64()),  # of the channel after the move; null for a refusal
    ]
)


def audit_table(home: Path) -> Table:
    """Every move of a channel and every refusal."""
    return Table(home / "lake" / "audit", AUDIT)


def record(home: Path, name: str, move: Channel) -> None:
    """Write a move or a refusal down."""
    row = move.model_dump(include=set(AUDIT.names)) | {"channel": name, "reasons": json.dumps(move.reasons)}
    if move.action == "refused":
        row["sequence"] = None
    audit_table(home).append(pa.Table.from_pylist([row], AUDIT))


def settle(home: Path, name: str, channel: Channel | None) -> None:
    """Write the channel's last move down unless it is: a process may die between moving and writing.

    Called before every decision and after every move, so at most the last move can be missing at any time.
    """
    if channel is None:
        return
    with exclusive(home / "lake", "audit", wait_s=60):
        told = audit_table(home).scan()
        if "sequence" in told.collect_schema().names():
            same = (pl.col("channel") == name) & (pl.col("sequence") == channel.sequence)
            if told.filter(same).select(pl.len()).collect().item():
                return
        record(home, name, channel)
