"""Data files of a table that other processes write, and one process commits: the two halves of a write.

A fragment that nobody commits is in no version of the table, so its reader never sees it. It is named as delta-rs names
its own files: tidying removes one that is left over.
"""

import io
import json
import os
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake.transaction import AddAction

from rag_pipeline.lake.wall import guarded


@dataclass(frozen=True, slots=True)
class Fragment:
    """A data file that lies below a table and is not committed yet. `path`: below the table's folder, parts by `/`."""

    path: str
    rows: int
    size_bytes: int
    partition: tuple[tuple[str, str], ...] = ()

    @property
    def action(self) -> AddAction:
        """It as an entry of Delta's log."""
        stats = json.dumps({"numRecords": self.rows})
        return AddAction(self.path, self.size_bytes, dict(self.partition), int(time.time() * 1000), True, stats)  # noqa: FBT003


def write_fragment(table: Path, rows: pa.Table, partition: Mapping[str, str]) -> Fragment:
    """Write rows below a table, durably, under a name that no other file has. Raises `LakeError`.

    `partition`: column -> the value that all rows have in it; as in delta-rs' files, the file does not hold the column.
    """
    path = _new_path(partition)
    with guarded(table, "written"):
        (table / path).parent.mkdir(parents=True, exist_ok=True)
        with (table / path).open("xb") as file:
            _write(rows, partition, file)
            file.flush()
            os.fsync(file.fileno())
            size = file.tell()
    return Fragment(path.as_posix(), rows.num_rows, size, tuple(partition.items()))


def made_fragment(rows: pa.Table, partition: Mapping[str, str]) -> tuple[Fragment, bytes]:
    """The same in memory, for who puts it below a table that lies elsewhere."""
    buffer = io.BytesIO()
    _write(rows, partition, buffer)
    data = buffer.getvalue()
    return Fragment(_new_path(partition).as_posix(), rows.num_rows, len(data), tuple(partition.items())), data


def _new_path(partition: Mapping[str, str]) -> Path:
    folder = Path(*(f"{column}={value}" for column, value in partition.items()))
    return folder / f"part-00000-{uuid.uuid4()}-c000.zstd.parquet"


def _write(rows: pa.Table, partition: Mapping[str, str], to: BinaryIO) -> None:
    pq.write_table(rows.drop_columns(list(partition)), to, compression="zstd", use_dictionary=False)
