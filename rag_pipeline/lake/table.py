"""One Delta table: what it holds, and every way in and out of it."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError

from rag_pipeline.errors import LakeError
from rag_pipeline.lake.data_files import data_files
from rag_pipeline.lake.durable import make_durable, sync_checkpoint
from rag_pipeline.lake.fragments import Fragment
from rag_pipeline.lake.library_errors import HOW_TO_FIX, name_of
from rag_pipeline.lake.log import Lost, entries, forget_aside, go_back, is_table, lost_commit
from rag_pipeline.lake.notes import noted_files, tidy_notes
from rag_pipeline.lake.place import read_place, write_place
from rag_pipeline.lake.snapshot import DataFile, Snapshot, keep, kept, signature
from rag_pipeline.lake.tidying import keep_for, log_files, unneeded_data, unneeded_log
from rag_pipeline.lake.wall import collected, guarded, in_batches, remember, scan_file
from rag_pipeline.mirrored import changing, seen

log = logging.getLogger("rag_pipeline")

_TRIES = 3

OP = "_op"
"""Column of a merge's source that says what to do with the row: `upsert` or `delete`."""


@dataclass(frozen=True, slots=True)
class Table:
    """One Delta table: where it lies and what it holds."""

    path: Path
    schema: pa.Schema
    partition_by: tuple[str, ...] = ()
    derived: bool = True
    """Whether a commit that was lost comes again from what the table is made of. Else only a person goes back from it."""

    @property
    def exists(self) -> bool:
        seen(self.path)
        return is_table(self.path)

    def version(self) -> int:
        """Number of the last commit, -1 when the table was never written."""
        if not self.exists:
            return -1
        return self._snapshot().version

    def lost(self) -> Lost | None:
        """The commit that was lost, if one was: of a power cut, or of a bad disk."""
        if not self.exists or kept(self.path, signature(self.path)):
            return None
        return lost_commit(self.path)

    def heal(self) -> str | None:
        """Go back to the version before the last commit, if that was lost; what was lost, in words, or None.

        For whoever holds the lock of the table and derives what is missing again. Raises `LakeError` where that is for a
        person to decide: the table is derived from nothing, or whole commits came after the one that was lost.
        """
        if (lost := self.lost()) is None:
            return None
        if not self._heals(lost):
            raise self._lost(lost)
        with changing(self.path):
            what = go_back(self.path, lost)
        says = f"{name_of(self.path)} lost a commit: {what}; what is missing is derived again"
        log.warning("%s", says)
        return says

    def scan(self) -> pl.LazyFrame:
        """The table as a lazy frame; empty, with its schema, when it was never written. To be computed by `collected`."""
        if not self.exists:
            return pl.LazyFrame(schema=_polars_schema(self.schema))
        groups: dict[tuple[tuple[str, str | None], ...], list[Path]] = {}
        snapshot = self._snapshot()
        stored = snapshot.schema
        for file, values, _ in snapshot.files:
            groups.setdefault(tuple(values.items()), []).append(file)
        remember(self.path)
        parts = []
        for partition, files in groups.items():
            held = pl.Schema({name: kind for name, kind in stored.items() if name not in dict(partition)})
            constants = [pl.lit(value, stored[name]).alias(name) for name, value in partition]
            parts.append(scan_file(*files, schema=held).with_columns(constants).select(stored.names()))
        return pl.concat(parts) if parts else pl.LazyFrame(schema=stored)

    def files(self, **partition: str) -> list[Path]:
        """Its data files, of one partition if that is named."""
        if not self.exists:
            return []
        return [file for file, values, _ in self.data_files() if partition.items() <= values.items()]

    def data_files(self) -> list[DataFile]:
        return list(self._snapshot().files)

    def rows(self) -> int:
        """How many rows it holds, by its log; 0 when it was never written."""
        counts = [count for _, _, count in self.data_files()] if self.exists else []
        if any(count is None for count in counts):  # written by a program that does not count
            return int(self.scan().select(pl.len()).pipe(collected).item())
        return sum(count or 0 for count in counts)

    def batches(self, frame: pl.LazyFrame, rows: int) -> Iterator[pl.DataFrame]:
        """A query's result in frames of at most `rows` rows, so that no stage holds the corpus."""
        return in_batches(frame, rows)

    def append(self, rows: pl.DataFrame | pa.Table | pa.RecordBatchReader, why: dict[str, str] | None = None) -> None:
        self._write(rows, "append", why)

    def overwrite(self, rows: pl.DataFrame | pa.Table, why: dict[str, str] | None = None) -> None:
        self._write(rows, "overwrite", why)

    def commit(self, fragments: Sequence[Fragment], why: dict[str, str] | None = None) -> None:
        """Add data files that lie below it already, in one commit; the same files once more change nothing."""
        actions = [fragment.action for fragment in fragments]
        if not self.exists:
            with self._commit() as place:
                DeltaTable.create(place, schema=self.schema, partition_by=list(self.partition_by) or None)
        columns = list(self.partition_by) or None
        with self._commit() as place:
            for left in reversed(range(_TRIES)):
                try:
                    DeltaTable(place).create_write_transaction(
                        actions, "append", self.schema, columns, commit_properties=_properties(why)
                    )
                    return
                except CommitFailedError:  # somebody else's commit came between, and changes nothing about these files
                    if not left:
                        raise

    def delete(self, predicate: str) -> None:
        """Delete the rows a SQL predicate holds for."""
        if self.exists:
            with self._commit() as place:
                DeltaTable(place).delete(predicate)

    def empty(self, columns: Iterable[str], predicate: str) -> None:
        """Set columns to null in the rows a SQL predicate holds for. Older versions keep their values until `tidy`."""
        with self._commit() as place:
            DeltaTable(place).update(dict.fromkeys(columns, "NULL"), predicate=predicate)

    def remove(self, rows: pa.Table, keys: tuple[str, ...]) -> int:
        """Delete the rows whose `keys` are among those of `rows`, in one commit; returns how many went."""
        if not self.exists or not rows.num_rows:
            return 0
        same = " and ".join(f"t.{key} = s.{key}" for key in keys)
        with self._commit() as place:
            merge = DeltaTable(place).merge(rows, predicate=same, source_alias="s", target_alias="t")
            done = merge.when_matched_delete().execute()
        return int(done["num_target_rows_deleted"])

    def forget(self, file: Path) -> None:
        """Take a data file that lies there no more out of the table, with its rows."""
        with self._commit() as place:
            DeltaTable(place).repair()

    def tidy(self, days: int, *, dry_run: bool = False) -> list[str]:
        """Join small files, and remove files and log entries that only versions older than `days` need; names of files.

        Time travel reaches that far back and no further. Raises `LakeError` when a file is not what was written: to join it
        with others would make its damage look whole.
        """
        if dry_run:
            with guarded(self.path, "read"), write_place(self.path) as place:
                data = unneeded_data(DeltaTable(place), self.path, days)
            return sorted([*data, *unneeded_log(self.path, days)])
        self._raise_on_other_bytes()
        with changing(self.path):
            return self._tidied(days)

    def _tidied(self, days: int) -> list[str]:
        with self._commit() as place:
            keep_for(DeltaTable(place), days)
        with guarded(self.path, "written"), write_place(self.path) as place:
            gone = unneeded_data(DeltaTable(place), self.path, days)
            for name in gone:
                (self.path / name).unlink(missing_ok=True)
        gone += self._clean_log()
        with self._commit() as place:  # last: a commit after the checkpoint would keep the log it cannot be read without
            DeltaTable(place).optimize.compact()
        tidy_notes(self.path)
        forget_aside(self.path, days)
        return sorted(gone)

    def _clean_log(self) -> list[str]:
        """Remove entries of the log that only older versions need; their names."""
        with self._commit() as place:
            table = DeltaTable(place)
            table.create_checkpoint()
            version = table.version()
        sync_checkpoint(self.path, version)
        before = log_files(self.path)
        with self._commit() as place:
            DeltaTable(place).cleanup_metadata()
        return sorted(before - log_files(self.path))

    def merge(self, source: pa.RecordBatchReader, key: str, why: dict[str, str] | None = None) -> None:
        """Apply upserts and deletes in one commit. `source` has this table's columns and `_op`; `key` is unique in it."""
        if not self.exists:
            with self._commit() as place:
                DeltaTable.create(place, schema=self.schema, partition_by=list(self.partition_by) or None)
        columns = {name: f"s.{name}" for name in self.schema.names}
        with self._commit() as place:
            (
                DeltaTable(place)
                .merge(
                    source,
                    predicate=f"t.{key} = s.{key}",
                    source_alias="s",
                    target_alias="t",
                    commit_properties=_properties(why),
                )
                .when_matched_delete(f"s.{OP} = 'delete'")
                .when_matched_update(columns, f"s.{OP} = 'upsert'")
                .when_not_matched_insert(columns, f"s.{OP} = 'upsert'")
                .execute()
            )

    def _write(self, rows: pl.DataFrame | pa.Table | pa.RecordBatchReader, mode: str, why: dict[str, str] | None) -> None:
        if isinstance(rows, pl.DataFrame):
            rows = rows.select(self.schema.names).to_arrow().cast(self.schema)
        with self._commit() as place:
            write_deltalake(
                place,
                rows,
                mode=mode,
                schema_mode="merge" if mode == "append" else "overwrite",
                partition_by=list(self.partition_by) or None,
                commit_properties=_properties(why),
            )

    @contextmanager
    def _commit(self) -> Iterator[str]:
        """Where delta-rs may write; what it wrote is durable afterwards. Raises `LakeError`."""
        self._raise_on_loss()
        since = max(entries(self.path), default=-1)
        with changing(self.path), guarded(self.path, "written"):
            with write_place(self.path) as place:
                yield place
            make_durable(self.path, since)

    def _snapshot(self) -> Snapshot:
        """The table as delta-rs sees it, read anew where its log changed. Raises `LakeError`."""
        seen = signature(self.path)
        if known := kept(self.path, seen):
            return known
        self._raise_on_loss()
        with guarded(self.path, "read"), read_place(self.path) as place:
            delta = DeltaTable(place)
            snapshot = Snapshot(int(delta.version()), pl.Schema(delta.schema()), tuple(data_files(delta, self.path)))
        keep(self.path, seen, snapshot)
        return snapshot

    def _raise_on_loss(self) -> None:
        if lost := self.lost():
            raise self._lost(lost)

    def _lost(self, lost: Lost) -> LakeError:
        fixes = "`rag refresh`, or `rag verify --repair`, goes back to the version before and derives the rest again"
        if not self._heals(lost):
            fixes = "nothing writes to it until `rag verify --repair` goes back to the version before and says what is lost"
        return LakeError(f"{name_of(self.path)} lost a commit: {lost}; {fixes}")

    def _heals(self, lost: Lost) -> bool:
        return lost.version is None or (self.derived and lost.last)

    def _raise_on_other_bytes(self) -> None:
        notes = noted_files(self.path)
        for file, _, _ in self.data_files():
            known = notes.get(file.relative_to(self.path).as_posix())
            if known and not known.is_of(file):
                raise LakeError(f"{name_of(self.path)} is not tidied: {file.name} is not what was written. {HOW_TO_FIX}")


def all_tables(lake: Path) -> list[Table]:
    """Every Delta table below a folder, for upkeep that knows no schema; what was set aside is none."""
    seen(lake)
    found = sorted(path.parent for path in lake.glob("**/_delta_log") if path.is_dir())
    return [
        Table(path, pa.schema([]))
        for path in found
        if not any(part.startswith((".", "_")) for part in path.relative_to(lake).parts)
    ]


def _properties(why: dict[str, str] | None) -> CommitProperties | None:
    return CommitProperties(custom_metadata=why) if why else None


def _polars_schema(schema: pa.Schema) -> pl.Schema:
    empty = pl.DataFrame(schema.empty_table())
    return empty.schema
