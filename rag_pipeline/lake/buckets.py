"""Going through frames that memory does not hold together: bucket by bucket of a key, on disk where rows are many.

A bucket is all rows whose key begins with the same characters. So buckets come in the order of the key, and what is sorted
bucket by bucket is sorted. Keys are hashes in hex; other keys are right too, but their buckets are of unlike size.
"""

import io
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import polars as pl

from rag_pipeline.lake.wall import collected, guarded, in_batches

AT_ONCE = 400_000
"""Rows that are held together at most, of one frame: some 100 MB for two columns of hashes and a join."""

_BATCH = 262_144
_DIGITS = 16
"""How many keys begin alike: one hex digit has sixteen values."""

_PLACES = 6

_BUCKET = "_bucket"


def in_buckets(frames: Sequence[pl.LazyFrame], key: str, rows: int, folder: Path) -> Iterator[tuple[pl.DataFrame, ...]]:
    """The rows of all frames that have their keys in common, together: one tuple a bucket, in ascending order of `key`.

    `rows`: of the largest frame, about. Up to `AT_ONCE` there is one bucket, and nothing is written. Beyond, each frame is
    read once and kept in a file in `folder`, which has no name and is gone with the process. Raises `LakeError`.
    """
    if not (width := _width(rows)):
        yield tuple(collected(frame) for frame in frames)
        return
    with ExitStack() as stack:
        spills = [stack.enter_context(_Spill(frame.collect_schema(), folder)) for frame in frames]
        for spill, frame in zip(spills, frames, strict=True):
            for batch in in_batches(frame, _BATCH):
                spill.add(batch.with_columns(pl.col(key).fill_null("").str.slice(0, width).alias(_BUCKET)))
        for bucket in sorted({bucket for spill in spills for bucket in spill.places}):
            yield tuple(spill.rows(bucket) for spill in spills)


def spread(column: str) -> pl.Expr:
    """Hex digits that follow from a value and are of all kinds, as a key for values that begin alike, such as paths.

    They are the same within a process only.
    """
    hashed = pl.col(column).hash(seed=0)
    digits = (pl.lit("0123456789abcdef").str.slice((hashed // _DIGITS**place) % _DIGITS, 1) for place in range(_PLACES))
    return pl.concat_str(list(digits))


def _width(rows: int) -> int:
    """Characters of a key that make its bucket, so that one holds `AT_ONCE` rows at most."""
    width = 0
    while rows > AT_ONCE * _DIGITS**width:
        width += 1
    return width


class _Spill:
    """Rows of one frame in a file without a name. `places`: bucket -> where its pieces lie, offset and size in bytes."""

    def __init__(self, schema: pl.Schema, folder: Path) -> None:
        self._schema = schema
        self._folder = folder
        self.places: dict[str, list[tuple[int, int]]] = {}

    def __enter__(self) -> "_Spill":
        with guarded(self._folder, "written"):
            self._folder.mkdir(parents=True, exist_ok=True)
            self._file = tempfile.TemporaryFile(dir=self._folder)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()

    def add(self, rows: pl.DataFrame) -> None:
        """Keep rows with a column that names the bucket of each."""
        for (bucket,), part in rows.partition_by(_BUCKET, as_dict=True, include_key=False).items():
            piece = io.BytesIO()
            part.write_ipc_stream(piece)
            with guarded(self._folder, "written"):
                self.places.setdefault(str(bucket), []).append((self._file.tell(), len(piece.getbuffer())))
                self._file.write(piece.getbuffer())

    def rows(self, bucket: str) -> pl.DataFrame:
        """The rows of a bucket, in the order they came."""
        parts = []
        for offset, size in self.places.get(bucket, []):
            self._file.seek(offset)
            parts.append(pl.read_ipc_stream(io.BytesIO(self._file.read(size))))
        self._file.seek(0, io.SEEK_END)
        return pl.concat(parts) if parts else pl.DataFrame(schema=self._schema)
