"""The audit table: every move of a channel and every refusal, who, when, what, why, on which evidence."""

import json
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path

import polars as pl
import pyarrow as pa

from rag_pipeline.errors import ReleaseError
from rag_pipeline.files import exclusive, write_json
from rag_pipeline.index.manifest import read_manifest
from rag_pipeline.lake import Table, collected
from rag_pipeline.release.channels import Channel, channels_held, move_channel, read_channel

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
    return Table(home / "lake" / "audit", AUDIT, derived=False)


def record(home: Path, name: str, move: Channel) -> None:
    """Write a move or a refusal down."""
    row = move.model_dump(include=set(AUDIT.names)) | {"channel": name, "reasons": json.dumps(move.reasons)}
    if move.action == "refused":
        row["sequence"] = None
    audit_table(home).append(pa.Table.from_pylist([row], AUDIT))


def note_refusal(home: Path, name: str, *, release: str, by: str, why: str, run_id: str, now: datetime, reason: str) -> None:
    """Write down a refusal that came before there was anything to decide on: a policy or a release that cannot be read."""
    refused = Channel(
        release=release,
        fingerprint="",
        previous=None,
        sequence=0,
        at=now,
        by=by,
        why=why,
        run_id=run_id,
        action="refused",
        outcome="could not be evaluated",
        reasons=(reason,),
    )
    record(home, name, refused)


def channel_now(home: Path, name: str) -> Channel | None:
    """The channel, None only if it never pointed anywhere.

    Raises `ReleaseError` when its file is damaged, or gone although the audit table knows moves of it: without it a
    candidate would be compared with nothing, as for a first release.
    """
    channel = read_channel(home, name)
    if channel is None and not _moves(home, name).head(1).pipe(collected).is_empty():
        raise ReleaseError(
            f"{home / 'channels' / name}.json is gone, but the audit table knows where it pointed; "
            "`rag verify --repair` restores it"
        )
    return channel


def moved_channels(home: Path) -> list[str]:
    """Channels the audit table knows a move of."""
    return sorted(
        audit_table(home).scan().filter(pl.col("action") != "refused").select("channel").unique().pipe(collected)["channel"]
    )


def _moves(home: Path, name: str) -> pl.LazyFrame:
    told = audit_table(home).scan()
    if "sequence" not in told.collect_schema().names():
        return told.clear()
    return told.filter((pl.col("channel") == name) & pl.col("sequence").is_not_null())


def move_and_record(home: Path, name: str, move: Channel, *, expected: Channel | None) -> None:
    """Move a channel (see `move_channel`, whose errors pass) and write it down before anybody else settles it."""
    with _audit_held(home):
        move_channel(home, name, move, expected=expected)
        record(home, name, move)


def settle(home: Path, name: str, channel: Channel | None) -> None:
    """Write the channel's last move down unless it is: a process may die between moving and writing.

    Called before every decision, so at most the last move can be missing at any time.
    """
    if channel is None:
        return
    with _audit_held(home):
        told = audit_table(home).scan()
        if "sequence" in told.collect_schema().names():
            mine = (pl.col("channel") == name) & (pl.col("sequence") == channel.sequence)
            if (
                told.filter(mine & (pl.col("release") == channel.release) & (pl.col("run_id") == channel.run_id))
                .select(pl.len())
                .pipe(collected)
                .item()
            ):
                return
        record(home, name, channel)


def _audit_held(home: Path) -> AbstractContextManager[None]:
    return exclusive(home / "lake", "audit", wait_s=60)


def restore_channel(home: Path, name: str) -> Channel:
    """Write a channel's file again, from its last move in the audit table; what was withdrawn is forgotten.

    Raises `ReleaseError` when the table knows no move, or the release is not kept any more.
    """
    rows = _moves(home, name).sort("sequence").tail(1).pipe(collected).to_dicts()
    if not rows:
        raise ReleaseError(f"channel {name} cannot be restored: the audit table knows no move of it; promote a release")
    row = rows[0] | {"reasons": json.loads(rows[0]["reasons"])}
    fingerprint = read_manifest(home / "releases" / row["release"]).fingerprint
    known = {name: value for name, value in row.items() if name in Channel.model_fields}
    channel = Channel.model_validate(known | {"fingerprint": fingerprint})
    with channels_held(home):
        write_json(home / "channels" / f"{name}.json", channel.model_dump(mode="json"))
    return channel
