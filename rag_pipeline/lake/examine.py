"""Looking at every byte of a table: is each file what was written, and can it be read to its end."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from rag_pipeline.errors import LakeError
from rag_pipeline.files import sync
from rag_pipeline.lake.log import ASIDE, DAMAGED, go_back, is_table, lost_commit, was_set_aside
from rag_pipeline.lake.notes import Sum, noted_files
from rag_pipeline.lake.plain import plain
from rag_pipeline.lake.table import Table
from rag_pipeline.lake.wall import one_line

_BATCH = 8_192

BadRows = Callable[[pa.RecordBatch], int]
"""How many rows of a batch are not what they say they are."""


@dataclass(frozen=True, slots=True)
class Damage:
    """One thing that is wrong with a table. `file`: None where it is the log. `rows`: how many it held, if that is known."""

    what: str
    file: Path | None = None
    rows: int | None = None
    at: datetime | None = None

    def __str__(self) -> str:
        return self.what


def examine(table: Table, bad_rows: BadRows | None = None) -> list[Damage]:
    """Everything that is wrong with a table; nothing when it is intact. Reads all of it.

    Each entry of the log since the checkpoint, and each data file: against size and checksum noted when it was written, and
    decoded to its end. `bad_rows` looks into the rows of files that are readable.
    """
    if lost := lost_commit(table.path, deep=True):
        return [Damage(str(lost))]
    if not table.exists and was_set_aside(table.path):
        return []
    try:
        files = table.data_files()
    except LakeError as error:
        return [Damage(str(error))]
    notes = noted_files(table.path)
    found = []
    for file, _, rows in files:
        if what := _problem(file, rows, notes.get(file.relative_to(table.path).as_posix()), bad_rows):
            at = datetime.fromtimestamp(file.stat().st_mtime, UTC) if file.exists() else None
            found.append(Damage(f"{file.name} {what}", file, rows, at))
    return found


def first_damage(path: Path) -> str | None:
    """What an error about a table, or a Parquet file, most likely comes of; None when nothing is seen to be wrong."""
    if path.suffix == ".parquet":
        return (what := _problem(path, None, None, None)) and f"{path.name} {what}"
    if not is_table(path):
        return None
    found = examine(Table(path, pa.schema([])))
    return str(found[0]) if found else None


def drop(table: Table, damage: Damage) -> str:
    """Take what is damaged out of a table, and keep it aside; what is lost by that, in words.

    For whoever holds the lock of the table.
    """
    if damage.file is None:
        if lost := lost_commit(table.path, deep=True):
            return go_back(table.path, lost)
        aside = table.path.with_name(f".{table.path.name}{ASIDE}-{datetime.now(UTC):%Y%m%d-%H%M%S}")
        table.path.rename(aside)
        sync(aside.parent)
        return f"{damage.what}; no version of it can be read, so it begins anew (what there was is kept as {aside.name})"
    if damage.file.exists():
        aside = table.path / DAMAGED / damage.file.name
        aside.parent.mkdir(exist_ok=True)
        damage.file.rename(aside)
    table.forget(damage.file)
    rows = "rows" if damage.rows is None else f"{damage.rows:,} rows"
    at = f" of {damage.at:%Y-%m-%d %H:%M}" if damage.at else ""
    return f"{damage.what}; its {rows}{at} are lost"


def readable_rows(file: Path) -> Iterator[pa.RecordBatch]:
    """Rows of a damaged file, as far as they can be read."""
    try:
        with pq.ParquetFile(file) as opened:
            yield from map(plain, opened.iter_batches(batch_size=_BATCH))
    except (pa.ArrowException, OSError, ValueError):
        return


def _problem(file: Path, rows: int | None, note: Sum | None, bad_rows: BadRows | None) -> str | None:
    if not file.is_file():
        return "is gone"
    if not file.stat().st_size:
        return "is empty, as a power cut leaves a file"
    if note and not note.is_of(file):
        return "has other bytes than were written"
    try:
        with pq.ParquetFile(file) as opened:
            read = bad = 0
            for batch in opened.iter_batches(batch_size=_BATCH):
                read += batch.num_rows
                bad += bad_rows(batch) if bad_rows else 0
    except (pa.ArrowException, OSError, ValueError) as error:
        return f"cannot be read ({one_line(error)})"
    if rows is not None and read != rows:
        return f"holds {read:,} rows instead of {rows:,}"
    return f"holds {bad:,} rows that are not what was written" if bad else None
