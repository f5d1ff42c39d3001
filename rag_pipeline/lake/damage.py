"""What is wrong with the files of a table.

The wall asks this what an error comes of, so nothing here goes through the wall.
"""

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable

from rag_pipeline.errors import LakeError
from rag_pipeline.lake.data_files import data_files
from rag_pipeline.lake.library_errors import is_of_a_library, one_line
from rag_pipeline.lake.log import is_table, lost_commit
from rag_pipeline.lake.notes import EMPTY, OTHER_BYTES, Sum, noted_files
from rag_pipeline.lake.place import read_place

BATCH = 8_192
"""Rows of a file that are looked at together."""

BadRows = Callable[[pa.RecordBatch], int]
"""How many rows of a batch are not what they say they are."""


def first_damage(path: Path) -> str | None:
    """What an error about a table, or a Parquet file, most likely comes of; None when nothing is seen to be wrong."""
    if path.suffix == ".parquet":
        return (what := file_problem(path)) and f"{path.name} {what}"
    if not is_table(path):
        return None
    if lost := lost_commit(path, deep=True):
        return str(lost)
    try:
        with read_place(path) as place:
            files = data_files(DeltaTable(place), path)
    except LakeError as error:
        return str(error)
    except BaseException as error:
        if not is_of_a_library(error):
            raise
        return f"its log cannot be read ({one_line(error)})"
    notes = noted_files(path)
    for file, _, rows in files:
        if what := file_problem(file, rows, notes.get(file.relative_to(path).as_posix())):
            return f"{file.name} {what}"
    return None


def file_problem(
    file: Path, rows: int | None = None, note: Sum | None = None, bad_rows: BadRows | None = None
) -> str | None:
    """What is wrong with one data file, which is read to its end; None when nothing is.

    `rows`: how many it holds by the log. `note`: size and checksum from when it was written.
    """
    if not file.is_file():
        return "is gone"
    if not file.stat().st_size:
        return EMPTY
    if note and not note.is_of(file):
        return OTHER_BYTES
    try:
        with pq.ParquetFile(file) as opened:
            read = bad = 0
            for batch in opened.iter_batches(batch_size=BATCH):
                read += batch.num_rows
                bad += bad_rows(batch) if bad_rows else 0
    except (pa.ArrowException, OSError, ValueError) as error:
        return f"cannot be read ({one_line(error)})"
    if rows is not None and read != rows:
        return f"holds {read:,} rows instead of {rows:,}"
    return f"holds {bad:,} rows that are not what was written" if bad else None
