"""The tables everything but the index lives in: Delta tables below `RAG_HOME/lake`, Arrow in and out.

One commit is one atomic change; a killed process leaves the last commit. This module knows no table by name:
each stage declares its own schemas.
"""

import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, write_deltalake

from rag_pipeline.ours import DATA_FILE

LOG = "_delta_log"
"""Folder of a table that holds its commits."""

OP = "_op"
"""Column of a merge's source that says what to do with the row: `upsert` or `delete`."""


@dataclass(frozen=True, slots=True)
class Table:
    """One Delta table: where it lies and what it holds."""

    path: Path
    schema: pa.Schema
    partition_by: tuple[str, ...] = ()

    @property
    def exists(self) -> bool:
        return bool(DeltaTable.is_deltatable(str(self.path)))

    def delta(self) -> DeltaTable:
        return DeltaTable(str(self.path))

    def version(self) -> int:
        """Number of the last commit, -1 when the table was never written."""
        return self.delta().version() if self.exists else -1

    def scan(self) -> pl.LazyFrame:
        """The table as a lazy frame; empty, with its schema, when it was never written."""
        if not self.exists:
            return pl.LazyFrame(schema=_polars_schema(self.schema))
        return pl.scan_delta(self.delta())

    def batches(self, frame: pl.LazyFrame, rows: int) -> Iterator[pl.DataFrame]:
        """A query's result in frames of at most `rows` rows, so that no stage holds the corpus."""
        for batch in frame.collect_batches(chunk_size=rows, maintain_order=True):
            yield from batch.iter_slices(rows)

    def append(self, rows: pl.DataFrame | pa.Table | pa.RecordBatchReader, why: dict[str, str] | None = None) -> None:
        self._write(rows, "append", why)

    def overwrite(self, rows: pl.DataFrame | pa.Table, why: dict[str, str] | None = None) -> None:
        self._write(rows, "overwrite", why)

    def delete(self, predicate: str) -> None:
        """Delete the rows a SQL predicate holds for."""
        if self.exists:
            self.delta().delete(predicate)

    def remove(self, rows: pa.Table, keys: tuple[str, ...]) -> int:
        """Delete the rows whose `keys` are among those of `rows`, in one commit; returns how many went."""
        if not self.exists or not rows.num_rows:
            return 0
        same = " and ".join(f"t.{key} = s.{key}" for key in keys)
        done = self.delta().merge(rows, predicate=same, source_alias="s", target_alias="t").when_matched_delete().execute()
        return int(done["num_target_rows_deleted"])

    def tidy(self, days: int, *, dry_run: bool = False) -> list[str]:
        """Join small files, and remove files and log entries that only versions older than `days` need; names of files.

        Time travel reaches that far back and no further.
        """
        if dry_run:
            return sorted([*self._unneeded(days), *_old_log(self.path, days)])
        table = self.delta()
        _keep_for(table, days)
        gone = self._unneeded(days)
        for name in gone:
            (self.path / name).unlink(missing_ok=True)
        gone += _clean_log(table, self.path)
        table.optimize.compact()  # last: a commit after the checkpoint would keep the log it cannot be read without
        return sorted(gone)

    def _unneeded(self, days: int) -> list[str]:
        """Data files that no version of the last days needs: those the log names, and of others those called as ours are.

        Delta's own vacuum would take every file in the folder, a user's too. It is asked, and removes nothing itself.
        """
        told = {"retention_hours": 24 * days, "dry_run": True, "enforce_retention_duration": False}
        named, every = (self.delta().vacuum(**told, full=full) for full in (False, True))
        names = {name.rpartition("/")[2] for name in (*named, *every)}  # a file's name is never escaped, unlike its folder's
        log = {name.rpartition("/")[2] for name in named}
        lying = (path for path in self.path.rglob("*.parquet") if path.name in names and LOG not in path.parts)
        return sorted(path.relative_to(self.path).as_posix() for path in lying if path.name in log or DATA_FILE.made(path))

    def merge(self, source: pa.RecordBatchReader, key: str, why: dict[str, str] | None = None) -> None:
        """Apply upserts and deletes in one commit. `source` has this table's columns and `_op`; `key` is unique in it."""
        if not self.exists:
            DeltaTable.create(str(self.path), schema=self.schema, partition_by=list(self.partition_by) or None)
        columns = {name: f"s.{name}" for name in self.schema.names}
        (
            self.delta()
            .merge(
                source,
                predicate=f"t.{key} = s.{key}",
                source_alias="s",
                target_alias="t",
                commit_properties=_commit(why),
            )
            .when_matched_delete(f"s.{OP} = 'delete'")
            .when_matched_update(columns, f"s.{OP} = 'upsert'")
            .when_not_matched_insert(columns, f"s.{OP} = 'upsert'")
            .execute()
        )

    def _write(self, rows: pl.DataFrame | pa.Table | pa.RecordBatchReader, mode: str, why: dict[str, str] | None) -> None:
        if isinstance(rows, pl.DataFrame):
            rows = rows.select(self.schema.names).to_arrow().cast(self.schema)
        write_deltalake(
            str(self.path),
            rows,
            mode=mode,
            schema_mode="merge" if mode == "append" else "overwrite",
            partition_by=list(self.partition_by) or None,
            commit_properties=_commit(why),
        )


_ROWS_HASHED = 65_536


def fingerprint_rows(rows: pl.DataFrame, length: int = 32) -> str:
    """What `fingerprint_lines` gives for the rows, a line each, values parted by a blank; without an object a row."""
    digest = hashlib.sha256()
    for part in rows.iter_slices(_ROWS_HASHED):
        lines = part.select((pl.concat_str(pl.all(), separator=" ") + "\n").str.join()).item()
        digest.update(lines.encode("utf-8"))
    return digest.hexdigest()[:length]


def _keep_for(table: DeltaTable, days: int) -> None:
    kept = dict.fromkeys(("delta.logRetentionDuration", "delta.deletedFileRetentionDuration"), f"interval {days} days")
    if kept.items() - table.metadata().configuration.items():  # Delta's own defaults would clean the log sooner
        table.alter.set_table_properties(kept)


def _clean_log(table: DeltaTable, path: Path) -> list[str]:
    """Remove entries of the log that only older versions need; their names."""
    table.create_checkpoint()
    before = _log(path)
    table.cleanup_metadata()
    return sorted(before - _log(path))


def _old_log(path: Path, days: int) -> list[str]:
    """What `_clean_log` would remove: asked of a copy of the log, for Delta has no way to say it beforehand."""
    with tempfile.TemporaryDirectory(prefix="rag-log-") as folder:
        copy = Path(folder) / "table"
        shutil.copytree(path / LOG, copy / LOG)  # with the times of the files
        table = DeltaTable(str(copy))
        _keep_for(table, days)
        return _clean_log(table, copy)


def _log(path: Path) -> set[str]:
    return {f"{LOG}/{file.name}" for file in (path / LOG).iterdir() if file.is_file()}


def all_tables(lake: Path) -> list[Table]:
    """Every Delta table below a folder, for upkeep that knows no schema."""
    found = sorted(path.parent for path in lake.glob("**/_delta_log") if path.is_dir())
    return [Table(path, pa.schema([])) for path in found]


def _commit(why: dict[str, str] | None) -> CommitProperties | None:
    return CommitProperties(custom_metadata=why) if why else None


def _polars_schema(schema: pa.Schema) -> pl.Schema:
    return pl.DataFrame(schema.empty_table()).schema
