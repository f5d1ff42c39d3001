"""The wall around Delta, Polars and Arrow: every failure in them becomes one sentence with table, file and what to do.

A frame over a table is lazy: a fault in the files shows when it is computed, somewhere else. So only the functions of
this module compute frames.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from rag_pipeline.disk_space import storage_error
from rag_pipeline.errors import LakeError, NoSpace
from rag_pipeline.home import LAKE
from rag_pipeline.lake.damage import first_damage
from rag_pipeline.lake.library_errors import HOW_TO_FIX, PANIC, is_of_a_library, name_of, one_line

_scanned: dict[str, Path] = {}
"""How a frame's plan shows a file's folder -> the table, or file, that this process made frames of."""


def collected(frame: pl.LazyFrame) -> pl.DataFrame:
    """A frame over tables, computed. Raises `LakeError`."""
    with _computing(frame):
        return frame.collect()


def in_batches(frame: pl.LazyFrame, rows: int) -> Iterator[pl.DataFrame]:
    """A frame's result in frames of at most `rows` rows, so that no stage holds the corpus. Raises `LakeError`."""
    with _computing(frame):
        batches = iter(frame.collect_batches(chunk_size=rows, maintain_order=True))
    while True:
        with _computing(frame):
            batch = next(batches, None)
        if batch is None:
            return
        yield from batch.iter_slices(rows)


def written(frame: pl.LazyFrame, path: Path, *, rows_in_a_group: int | None = None) -> None:
    """Write a frame's result to a Parquet file. Raises `LakeError`."""
    with _computing(frame, path.parent):
        frame.sink_parquet(path, compression="zstd", compression_level=1, row_group_size=rows_in_a_group)


def scan_file(*paths: Path, schema: pl.Schema | None = None) -> pl.LazyFrame:
    """Parquet files as one lazy frame with `schema`, or that of the first: a column that a file does not have is null.

    The one place that knows what Polars makes of a name: unless it is told not to, it takes `[2024]` for a pattern and
    `a=b` for a partition.
    """
    if schema is None:
        _scanned.update((str(path), path) for path in paths)
        with guarded(paths[0], "read"), paths[0].open("rb") as file:  # of a name it would make a pattern
            schema = pl.Schema(pl.read_parquet_schema(file))
    files = list(paths)
    return pl.scan_parquet(
        files, glob=False, hive_partitioning=False, schema=schema, missing_columns="insert", extra_columns="ignore"
    )


def rows_of(data: bytes) -> pl.DataFrame:
    """The rows of a Parquet file that was read already, and held against its checksum. pyarrow takes longer to import."""
    return pl.read_parquet(io.BytesIO(data))


def remember(table: Path) -> None:
    """Have a table named when a frame over it breaks off."""
    _scanned[str(table)] = table


@contextmanager
def guarded(path: Path, doing: str) -> Iterator[None]:
    """`doing`: "read" or "written". Raises `LakeError` for whatever the libraries raise about the table at `path`."""
    try:
        yield
    except BaseException as error:
        if not is_of_a_library(error):
            raise
        raise told(error, path, doing) from (error if isinstance(error, Exception) else None)


def told(error: BaseException, path: Path, doing: str = "read") -> LakeError:
    """An error of a library about a table, or a Parquet file of a release, in our words."""
    if says := storage_error(error, path):
        return NoSpace(f"{name_of(path)} could not be {doing}: {says}")
    if type(error).__name__ == "CommitFailedError":
        return LakeError(
            f"{name_of(path)} was changed by another process meanwhile; wait for that run to end, and try again"
        )
    if where := first_damage(path):
        return LakeError(f"{name_of(path)} cannot be {doing}: {where}. {HOW_TO_FIX}")
    return LakeError(f"{name_of(path)} cannot be {doing} ({one_line(error)}), although its files are whole. {HOW_TO_FIX}")


@contextmanager
def _computing(frame: pl.LazyFrame, *more: Path) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        if not is_of_a_library(error):
            raise
        paths = _behind(frame)
        if not paths and not isinstance(error, OSError) and type(error).__name__ != PANIC:
            raise  # over no file: a mistake of ours
        for folder in (*paths, *more):
            if says := storage_error(error, folder):
                raise NoSpace(says) from (error if isinstance(error, Exception) else None)
        damaged = next((path for path in paths if first_damage(path)), None)
        raise told(error, damaged or (*paths, *more, Path(LAKE))[0]) from (error if isinstance(error, Exception) else None)


def _behind(frame: pl.LazyFrame) -> list[Path]:
    """Tables and files a frame is made of."""
    try:
        plan = frame.explain(optimized=False)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise
        return []
    found = [path for name, path in _scanned.items() if f"{name}/" in plan or f"[{name}]" in plan or f"[{name}," in plan]
    return [path for path in found if not any(other in path.parents for other in found)]
