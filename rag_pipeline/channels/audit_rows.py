"""The rows of the audit table: every move of a channel and every refusal, each with the whole channel."""

import json
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pyarrow as pa
from pydantic import ValidationError

from rag_pipeline.channels.pointer import Anchor, Answers, Channel, Hold
from rag_pipeline.errors import ReleaseError
from rag_pipeline.files import fingerprint
from rag_pipeline.home import Home
from rag_pipeline.lake import Table, collected

AUDIT = pa.schema(
    [
        ("at", pa.timestamp("us", "UTC")),
        ("channel", pa.string()),
        ("action", pa.string()),  # promoted | overridden | resumed | anchored | adopted | restored | answers | refused
        ("release", pa.string()),
        ("previous", pa.string()),
        ("by", pa.string()),
        ("why", pa.string()),
        ("run_id", pa.string()),
        ("outcome", pa.string()),
        ("reasons", pa.string()),  # JSON list
        ("evidence", pa.string()),  # seal
        ("sequence", pa.int64()),  # of the channel after the move; null for a refusal
        ("fingerprint", pa.string()),  # of the release; null in a row of the time before the audit table led
        ("withdrawn", pa.string()),  # JSON object
        ("hold", pa.string()),  # JSON object; null when nobody holds the channel
        ("anchor", pa.string()),  # JSON object; null in a row of the time before there were any
        ("answers", pa.string()),  # JSON object; null where the channel names no answer version
        ("number", pa.int64()),  # of the row in the whole table: what came after what, whatever the clock said
        ("seal", pa.string()),  # of everything else in the row
    ]
)

Row = dict[str, Any]


def audit_table(home: Home) -> Table:
    """Every move of a channel and every refusal."""
    return Table(home.audit, AUDIT, derived=False)


def all_rows(home: Home) -> pl.LazyFrame:
    """The table with every column, those null that an older pipeline did not write."""
    told = audit_table(home).scan()
    lacking = [name for name in AUDIT.names if name not in told.collect_schema().names()]
    numbers = ("sequence", "number")
    return told.with_columns(pl.lit(None, pl.Int64 if name in numbers else pl.String).alias(name) for name in lacking)


def in_order(rows: pl.LazyFrame, *, newest_first: bool = False) -> pl.LazyFrame:
    """Rows in the order they were written, by their number. Rows of an older pipeline have none and come first, by time."""
    return rows.sort("number", "at", "sequence", descending=newest_first, nulls_last=newest_first)


def moves(home: Home, name: str) -> list[Row]:
    """A channel's moves, newest first: by sequence, never by the clock. A refusal is no move."""
    mine = all_rows(home).filter((pl.col("channel") == name) & pl.col("sequence").is_not_null())
    return mine.sort("sequence", "number", "at", descending=True, nulls_last=True).pipe(collected).to_dicts()


def moved_channels(home: Home) -> list[str]:
    """Channels the audit table knows a move of."""
    told = all_rows(home).filter(pl.col("sequence").is_not_null())
    return sorted(told.select("channel").unique().pipe(collected)["channel"])


def is_old(row: Row) -> bool:
    """Whether an older pipeline wrote the row, in whose time the channel's file said more than the row."""
    return row["fingerprint"] is None


def seal(row: Row) -> str:
    """The seal of all that a row says: a row that was edited by hand does not carry it."""
    later = [name for name in ("anchor", "answers") if not row.get(name)]  # a row of before keeps the seal it has
    told = {name: row[name] for name in AUDIT.names if name not in ("seal", *later)}
    return fingerprint(told | {"at": told["at"].astimezone(UTC).isoformat()})


def channel_of(row: Row, name: str) -> Channel:
    """The channel as a row tells it, whole. Raises `ReleaseError` when the row was changed after it was written."""
    if not is_old(row) and row["seal"] != seal(row):
        raise ReleaseError(_changed(name, row))
    known = {field: value for field, value in row.items() if field in Channel.model_fields}
    told = {"reasons": json.loads(row["reasons"]), "withdrawn": json.loads(row["withdrawn"] or "{}")}
    hold = Hold.model_validate_json(row["hold"]) if row["hold"] else None
    anchor = Anchor.model_validate_json(row["anchor"]) if row.get("anchor") else None
    answers = Answers.model_validate_json(row["answers"]) if row.get("answers") else None
    whole = {"hold": hold, "anchor": anchor, "answers": answers, "fingerprint": row["fingerprint"] or ""}
    try:
        return Channel.model_validate(known | told | whole)
    except ValidationError as error:
        raise ReleaseError(_changed(name, row)) from error


def _changed(name: str, row: Row) -> str:
    return (
        f"move {row['sequence']} of {name} in the audit table was changed after it was written: its seal does not match; "
        "`rag verify --repair` goes back to the last one that is whole"
    )


def record(home: Home, name: str, move: Channel) -> None:
    """Write a move or a refusal down. The lock of the audit table is held by whoever calls this."""
    refused = move.action == "refused"
    number = all_rows(home).select(pl.col("number").max()).pipe(collected).item()
    row: Row = move.model_dump() | {
        "channel": name,
        "reasons": json.dumps(move.reasons),
        "withdrawn": None if refused else json.dumps(move.withdrawn, sort_keys=True),
        "hold": move.hold.model_dump_json() if move.hold and not refused else None,
        "anchor": move.anchor.model_dump_json() if move.anchor and not refused else None,
        "answers": move.answers.model_dump_json() if move.answers else None,
        "number": (number or 0) + 1,
    }
    if refused:
        row["sequence"] = None
    row["seal"] = seal(row)
    audit_table(home).append(pa.Table.from_pylist([row], AUDIT))


def refusal(*, release: str, by: str, why: str, run_id: str, now: datetime, reason: str) -> Channel:
    """A refusal that came before there was anything to decide on: a policy or a release that cannot be read."""
    return Channel(
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
