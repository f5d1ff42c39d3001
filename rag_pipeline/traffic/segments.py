"""Segments: what one replica logged within a second or so, in a file that is there whole or not at all.

A file is Arrow's stream format, with its SHA-256 behind it: damaged bytes are told, and never parsed.
"""

import hashlib
import io
import os
import secrets
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from rag_pipeline.errors import PipelineError
from rag_pipeline.files import sync
from rag_pipeline.home import Home
from rag_pipeline.ours import SEGMENT, found, remove
from rag_pipeline.traffic.rows import SCHEMAS, Kind

_END = ".arrow"
_DAMAGED = ".damaged"
_SUM = 32


class Damaged(PipelineError):
    """A segment is not what a replica wrote."""


def write_segment(folder: Path, name: str, kind: Kind, rows: Sequence[dict[str, Any]]) -> Path:
    """Write rows that may be kept as a segment of this name, durably. Raises `OSError`, and then there is no such file."""
    made = io.BytesIO()
    batch = pa.RecordBatch.from_pylist(list(rows), SCHEMAS[kind])
    with pa.ipc.new_stream(made, batch.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as stream:
        stream.write_batch(batch)
    content = made.getvalue()
    path = folder / f"{name}.{kind}{_END}"
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            file.write(content + hashlib.sha256(content).digest())
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync(folder)
    return path


def fits(kind: Kind, row: dict[str, Any]) -> bool:
    """Whether a segment can hold a row."""
    try:
        pa.RecordBatch.from_pylist([row], SCHEMAS[kind])
    except (pa.ArrowException, ValueError, TypeError, OverflowError):
        return False
    return True


def read_segment(path: Path, kind: Kind) -> pa.Table:
    """Its rows, with the columns of today. Raises `Damaged`."""
    content = path.read_bytes()
    body = content[:-_SUM]
    if len(content) <= _SUM or hashlib.sha256(body).digest() != content[-_SUM:]:
        raise Damaged(f"{path.name} is not what a replica wrote")
    rows = pa.ipc.open_stream(body).read_all()
    schema = SCHEMAS[kind]
    columns = [
        rows[field.name].cast(field.type) if field.name in rows.column_names else pa.nulls(rows.num_rows, field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)


def waiting(home: Home, kind: Kind) -> list[Path]:
    """Segments of this machine that no table holds yet, oldest first within each replica."""
    return [path for path in whole(home.traffic) if is_of(path.name, kind)]


def whole(folder: Path) -> list[Path]:
    """Segments in a folder, of both kinds."""
    return [path for path in found(folder, SEGMENT) if path.name.endswith(_END) and path.name[0] != "."]


def is_of(name: str, kind: Kind) -> bool:
    return name.endswith(f".{kind}{_END}")


def damaged(home: Home) -> list[Path]:
    """Segments that were set aside; they stay for whoever finds out why."""
    return [path for path in found(home.traffic, SEGMENT) if is_damaged(path.name)]


def is_damaged(name: str) -> bool:
    return name.endswith(_DAMAGED)


def set_aside(path: Path) -> Path:
    return path.rename(path.with_name(path.name + _DAMAGED))


def drop(paths: Iterable[Path]) -> None:
    """Remove segments that a table holds. One that is gone already was dropped by a process that was killed then."""
    for path in paths:
        if path.exists():
            remove(path, SEGMENT)


def halves(folder: Path, before: datetime) -> list[Path]:
    """What killed replicas left half written, before some time."""
    return [
        path for path in found(folder, SEGMENT) if path.name.startswith(".") and path.stat().st_mtime < before.timestamp()
    ]
