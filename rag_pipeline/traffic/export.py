"""The tables of traffic as OpenSearch's User Behavior Insights (UBI 1.3) reads them: JSON lines of queries and of events.

What UBI has no name for stands in `query_attributes` and `event_attributes`, which are open to anything.
"""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from rag_pipeline.errors import PipelineError
from rag_pipeline.files import private_file
from rag_pipeline.home import Home
from rag_pipeline.lake import in_batches
from rag_pipeline.traffic.rows import rows, table

APPLICATION = "rag-pipeline"
_ROWS = 20_000
_COSTS = ("generator", "prompt", "sentences", "tokens_in", "tokens_out", "usd")
_SEEN = ("channel", "arm", "release", "mode", "degraded", "k", "narrowed", "status", "problem", "total_ms", "scores")
_OWN = (*_SEEN, *_COSTS)
_FILES = ("ubi_queries.jsonl", "ubi_events.jsonl")


def export_ubi(home: Home, folder: Path, since: datetime | None = None) -> dict[str, int]:
    """Write both files into a folder, readable by this account alone; file -> rows.

    Raises `PipelineError` when one of them is there already, `LakeError` when a table cannot be read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / name for name in _FILES]
    if there := next((file for file in files if file.exists()), None):
        raise PipelineError(f"{there} exists and is not overwritten; name another folder, or remove it yourself")
    both = (_queries(home, since), _events(home, since))
    return {file.name: _write(file, found) for file, found in zip(files, both, strict=True)}


def _write(file: Path, lines: Iterator[dict[str, Any]]) -> int:
    count = 0
    with private_file(file).open("w", encoding="utf-8", newline="\n") as out:
        for row in lines:
            out.write(json.dumps(row, ensure_ascii=False) + "\n")
            count += 1
    return count


def _queries(home: Home, since: datetime | None) -> Iterator[dict[str, Any]]:
    for row in _rows(rows(home, "queries"), since):
        yield {
            "application": APPLICATION,
            "query_id": row["query_id"],
            "client_id": row["client_id"],
            "user_query": row["user_query"],
            "timestamp": row["timestamp"].isoformat(),
            "object_id_field": "chunk_id",
            "query_response_id": row["query_id"],
            "query_response_hit_ids": row["query_response_hit_ids"],
            "query_attributes": {name: row[name] for name in _OWN},
        }


def _events(home: Home, since: datetime | None) -> Iterator[dict[str, Any]]:
    for row in _rows(table(home, "feedback").scan(), since):
        attributes: dict[str, Any] = {"reason": row["reason"]}
        if row["object_id"]:
            attributes["object"] = {"object_id": row["object_id"], "object_id_field": "chunk_id"}
        yield {
            "application": APPLICATION,
            "action_name": row["action_name"],
            "query_id": row["query_id"],
            "client_id": row["client_id"],
            "timestamp": row["timestamp"].isoformat(),
            "message_type": "FEEDBACK",
            "message": row["message"],
            "event_attributes": attributes,
        }


def _rows(frame: pl.LazyFrame, since: datetime | None) -> Iterator[dict[str, Any]]:
    wanted = frame if since is None else frame.filter(pl.col("timestamp") >= since)
    for batch in in_batches(wanted, _ROWS):
        yield from batch.iter_rows(named=True)
