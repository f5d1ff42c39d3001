"""A table in files: JSON Lines, CSV or Parquet. Rows stream; every value is handed on as found."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path

from rag_pipeline.errors import SourceUnavailable, Unreadable
from rag_pipeline.ingest.connectors.base import BrokenRow, Item, Row

_BATCH = 1_000

csv.field_size_limit(2**31 - 1)  # the default, 128 KiB, is less than many a document; memory is bounded by the batch


class Table:
    """One file, or all files a glob in `path` matches, of one format."""

    reads = 2

    def __init__(self, path: Path, form: str) -> None:
        self._path, self._form = path, form
        self._paths: dict[str, Path] = {}

    def items(self) -> Iterator[Item]:
        for path in self._files():
            stat = path.stat()
            key = path.name.encode("utf-8", "backslashreplace").decode()  # a name need not be UTF-8
            self._paths[key] = path
            yield Item(key, f"{stat.st_size}:{stat.st_mtime_ns}")

    def read(self, item: Item) -> Iterator[Row | BrokenRow]:
        path = self._paths.get(item.key, self._path.parent / item.key)
        try:
            yield from {"jsonl": _jsonl, "csv": _csv, "parquet": _parquet}[self._form](path)
        except OSError as error:
            raise Unreadable(f"cannot be read: {error.strerror or error}") from error

    def _files(self) -> list[Path]:
        if any(character in self._path.name for character in "*?["):
            return sorted(path for path in self._path.parent.glob(self._path.name) if path.is_file())
        if not self._path.is_file():
            raise SourceUnavailable(f"{self._path}: no such file; check `path` in the contract")
        return [self._path]


def _jsonl(path: Path) -> Iterator[Row | BrokenRow]:
    """One object a line."""
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line.decode("utf-8-sig").rstrip())
            except (ValueError, RecursionError) as error:
                yield _broken(number, f"is not JSON: {_reason(error)}", line)
                continue
            if isinstance(row, dict):
                yield row
            else:
                yield _broken(number, f"is a JSON {type(row).__name__}, not an object", line)


def _csv(path: Path) -> Iterator[Row | BrokenRow]:
    """RFC 4180 with a header line. A row with too many or too few fields is a broken one."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = next(reader, None)
            if not header:
                raise Unreadable("the file is empty; a CSV file starts with a line of column names")
            if len(set(header)) < len(header):
                raise Unreadable("a column name stands twice in the header line")
            for fields in reader:
                if not fields:
                    continue
                if len(fields) != len(header):
                    problem = f"has {len(fields)} fields, the header has {len(header)}"
                    yield _broken(reader.line_num, problem, ",".join(fields).encode())
                else:
                    yield {name: value if value != "" else None for name, value in zip(header, fields, strict=True)}
    except UnicodeDecodeError as error:
        raise Unreadable(f"not UTF-8 near byte {error.start}; save it as UTF-8") from error
    except csv.Error as error:
        raise Unreadable(f"not valid CSV after line {reader.line_num}: {error}") from error


def _parquet(path: Path) -> Iterator[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            fields = [
                field.with_type(pa.timestamp("us", field.type.tz))
                if pa.types.is_timestamp(field.type) and field.type.unit == "ns"  # Python's own times end at microseconds
                else field
                for field in file.schema_arrow
            ]
            for batch in file.iter_batches(batch_size=_BATCH):
                yield from pa.Table.from_batches([batch]).cast(pa.schema(fields), safe=False).to_pylist()
    except (pa.ArrowException, ValueError) as error:
        raise Unreadable(f"not a readable Parquet file ({type(error).__name__})") from error


def _broken(line: int, problem: str, raw: bytes) -> BrokenRow:
    return BrokenRow(f"line {line} {problem}", raw.decode("utf-8", "replace")[:10_000], line)


def _reason(error: ValueError | RecursionError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at column {error.colno}"
    if isinstance(error, UnicodeDecodeError):
        return f"byte 0x{error.object[error.start]:02x} is not UTF-8"
    return "it is nested too deeply" if isinstance(error, RecursionError) else "it holds a number of thousands of digits"
