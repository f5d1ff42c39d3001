"""Looking at every byte of a table: is each file what was written, and can it be read to its end?"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from rag_pipeline.errors import LakeError
from rag_pipeline.files import sync
from rag_pipeline.lake.damage import BATCH, BadRows, file_problem
from rag_pipeline.lake.log import ASIDE, DAMAGED, go_back, lost_commit, was_set_aside
from rag_pipeline.lake.notes import noted_files
from rag_pipeline.lake.plain import plain
from rag_pipeline.lake.table import Table
from rag_pipeline.mirrored import changing, removing


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
        if what := file_problem(file, rows, notes.get(file.relative_to(table.path).as_posix()), bad_rows):
            at = datetime.fromtimestamp(file.stat().st_mtime, UTC) if file.exists() else None
            found.append(Damage(f"{file.name} {what}", file, rows, at))
    return found


def drop(table: Table, damage: Damage) -> str:
    """Take what is damaged out of a table, and keep it aside; what is lost by that, in words.

    For whoever holds the lock of the table.
    """
    if damage.file is None:
        if lost := lost_commit(table.path, deep=True):
            with changing(table.path):
                return go_back(table.path, lost)
        aside = table.path.with_name(f".{table.path.name}{ASIDE}-{datetime.now(UTC):%Y%m%d-%H%M%S}")
        with removing(table.path):
            table.path.rename(aside)
        sync(aside.parent)
        with changing(aside):
            pass  # all of it is new
        return f"{damage.what}; no version of it can be read, so it starts empty (the old files are kept as {aside.name})"
    with changing(table.path):
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
            yield from map(plain, opened.iter_batches(batch_size=BATCH))
    except (pa.ArrowException, OSError, ValueError):
        return
