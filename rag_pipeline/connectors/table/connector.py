"""A table in files: JSON Lines, CSV or Parquet, in a folder or bucket. Rows stream; every value is passed on as found."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from rag_pipeline.connectors.table.server import Dialect, TableServer
from rag_pipeline.errors import Unreadable
from rag_pipeline.feeds.base import BrokenRow, Connector, Item, Known, ReadOtherwise, Row
from rag_pipeline.places import Place, has_wildcard, place_of

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH = 1_000

csv.field_size_limit(2**31 - 1)  # the default, 128 KiB, is less than many a document; memory is bounded by the batch


class Table(Connector):
    """One file, or all files of a folder whose names a pattern matches, of one format.

    However large: a local file is read where it lies, an object by way of a temporary copy.
    """

    reads = 4

    def __init__(self, server: TableServer) -> None:
        self._form = server.format
        self._dialect = server.dialect
        self._place, self._name = _place_and_name(server)
        as_it_stands = server.path is not None and not server.pattern and server.path.is_file()
        self._many = has_wildcard(self._name) and not as_it_stands

    def items(self, known: Known) -> Iterator[Item]:
        entries = self._place.entries(self._name, _any) if self._many else iter([self._place.entry(self._name)])
        for entry in entries:
            yield Item(entry.key, entry.version)

    def read(self, item: Item) -> Iterator[Row | BrokenRow]:
        with self._place.file(item.key) as path:
            try:
                match self._form:
                    case "csv":
                        yield from _csv(path, self._dialect)
                    case "parquet":
                        yield from _parquet(path)
                    case _:
                        yield from _jsonl(path)
            except OSError as error:
                raise Unreadable(f"cannot be read: {error.strerror or error}") from error


def _place_and_name(server: TableServer) -> tuple[Place, str]:
    """Where the files lie, and the name there of the one file, or the pattern of the names of many."""
    path, location, name = server.path, server.location, server.pattern
    if not name and path is not None:
        path, name = path.parent, path.name
    elif not name:
        location, _, name = location.rstrip("/").rpartition("/")
    return place_of(path, location, server.endpoint, server.limits, confined=False), name


def _any(_: PurePosixPath) -> bool:
    return True


def _jsonl(path: Path) -> Iterator[Row | BrokenRow]:
    """One object a line."""
    with path.open("rb") as file:
        first = True
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            if first:
                first = False
                _check_lines(line)
            try:
                row = json.loads(line.decode("utf-8-sig").rstrip(), object_pairs_hook=_object)
            except (ValueError, RecursionError) as error:
                yield _broken(number, f"is not JSON: {_reason(error)}", line)
                continue
            if _deep(line, row):
                yield _broken(number, f"holds values more than {_DEEPEST} deep in one another", line)
                continue
            if isinstance(row, dict):
                yield row
            else:
                yield _broken(number, f"is a JSON {type(row).__name__}, not an object", line)


_DEEPEST = 100
"""Whoever handles a value that is nested deeper runs into Python's own limit, each somewhere else."""


def _deep(line: bytes, row: Any) -> bool:
    if line.count(b"[") + line.count(b"{") <= _DEEPEST:
        return False
    level = [row]
    for _ in range(_DEEPEST):
        inner = (value.values() if isinstance(value, dict) else value for value in level if isinstance(value, dict | list))
        level = [value for values in inner for value in values if isinstance(value, dict | list)]
        if not level:
            return False
    return True


def _check_lines(first: bytes) -> None:
    """Raises `Unreadable` when a file holds one JSON value over several lines: each line would be refused by itself."""
    text = first.removeprefix(b"\xef\xbb\xbf").strip()
    if text.startswith(b"["):
        try:
            rows = json.loads(text)
        except (ValueError, RecursionError):
            rows = [{}]
        if any(isinstance(row, dict) for row in rows):
            raise Unreadable(
                "holds one JSON array instead of an object a line; convert it: jq -c '.[]' array.json > rows.jsonl"
            )
    elif text == b"{":
        raise Unreadable("holds one JSON object over several lines instead of an object a line; convert it with jq -c '.'")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object. One that gives a field twice is refused: which value is meant nobody can know."""
    made = dict(pairs)
    if len(made) < len(pairs):
        raise _GivenTwice
    return made


class _GivenTwice(ValueError):
    """A JSON object that gives a field twice."""


_DELIMITERS = {";": "semicolon", "\t": "tab", "|": "pipe", ",": "comma"}


class OtherDelimiter(ReadOtherwise):
    """A CSV file whose header line is parted by another character than the contract says."""

    def __init__(self, delimiter: str, wanted: str) -> None:
        name = _DELIMITERS[delimiter]
        super().__init__(
            f"the header line has no {_DELIMITERS.get(wanted, repr(wanted))}, but a {name}: if that separates its columns, "
            f"say so in the contract (servers: customProperties: property: delimiter, value: {name})",
            {"delimiter": delimiter},
        )


def _check_delimiter(header: list[str], wanted: str) -> None:
    """Raises `OtherDelimiter` when the whole header line was read as one name that holds another usual delimiter."""
    if len(header) == 1:
        other = max(_DELIMITERS, key=lambda one: header[0].count(one))
        if header[0].count(other) and other != wanted:
            raise OtherDelimiter(other, wanted)


def _csv(path: Path, dialect: Dialect) -> Iterator[Row | BrokenRow]:
    """RFC 4180 with a header line, or the contract's dialect. A row with too many or too few fields is a broken one."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True, delimiter=dialect.delimiter, quotechar=dialect.quote)
            header = next(reader, None)
            if not header:
                raise Unreadable("the file is empty; a CSV file starts with a line of column names")
            _check_delimiter(header, dialect.delimiter)
            if len(set(header)) < len(header):
                raise Unreadable("a column name appears twice in the header line")
            for fields in reader:
                if not fields:
                    continue
                if len(fields) != len(header):
                    problem = f"has {len(fields)} fields, the header has {len(header)}"
                    yield _broken(reader.line_num, problem, dialect.delimiter.join(fields).encode())
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
            if len({field.name for field in fields}) < len(fields):
                raise Unreadable("a column name appears twice in its schema")
            for batch in file.iter_batches(batch_size=_BATCH):
                yield from _python_rows(pa.Table.from_batches([batch]).cast(pa.schema(fields), safe=False))
    except (pa.ArrowException, ValueError, OSError) as error:
        if isinstance(error, OSError) and error.errno:
            raise  # the system's; a damaged page is one without a number
        raise Unreadable(f"not a readable Parquet file ({type(error).__name__})") from error


def _python_rows(batch: "pa.Table") -> list[Row]:
    """Rows as Python values. A date that Python cannot hold becomes text, which its contract refuses, alone."""
    try:
        rows: list[Row] = batch.to_pylist()
        return rows
    except (OverflowError, ValueError, LookupError):
        columns = [[_python(scalar) for scalar in column] for column in batch.columns]
        return [dict(zip(batch.column_names, values, strict=True)) for values in zip(*columns, strict=True)]


def _python(scalar: "pa.Scalar[Any]") -> Any:
    try:
        return scalar.as_py()
    except (OverflowError, ValueError, LookupError):
        import pyarrow as pa

        return scalar.cast(pa.string()).as_py()


def _broken(line: int, problem: str, raw: bytes) -> BrokenRow:
    return BrokenRow(f"line {line} {problem}", raw.decode("utf-8", "replace")[:10_000], line)


def _reason(error: ValueError | RecursionError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at column {error.colno}"
    if isinstance(error, UnicodeDecodeError):
        return f"byte 0x{error.object[error.start]:02x} is not UTF-8"
    if isinstance(error, _GivenTwice):
        return "it gives a field twice"
    return "it is nested too deeply" if isinstance(error, RecursionError) else "it holds a number of thousands of digits"
