"""Kinds of bad input in tables: files that are not what they say, and rows that are none."""

import json
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa

from tests.conftest import column
from tests.support.bad_input import MARKER, Kind, Table, Told, both, on, parquet

SECRET = MARKER.encode()
SIX = Table.keys


def row(key: Any = "bad", text: Any = MARKER, **more: Any) -> dict[str, Any]:
    return {"id": key, "text": text, **more}


def lines(form: str, extra: bytes, *told: Told, stays: frozenset[str] = SIX) -> Kind:
    """The good rows of the next night, and something after them."""
    return Kind(on(Table, form), lambda table: table.raw(table.encoded(table.rows(2)) + extra), stays=stays, told=told)


def instead(form: str, content: bytes | Callable[[bytes], bytes], *told: Told, held: str = "", **options: Any) -> Kind:
    """Another file in place of the good one, made from it or not."""

    def bad(table: Table) -> None:
        table.raw(content(table.encoded(table.rows(2))) if callable(content) else content)

    return Kind(on(Table, form, **options), bad, told=told, held=held)


def item(words: str, form: str) -> Told:
    return Told(words, item=f"rows.{form}", kind="unreadable")


def line(words: str, value: str = MARKER) -> Told:
    return Told(words, value=value)


def put(form: str, change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]], *told: Told, **options: Any) -> Kind:
    """The good rows of the next night, changed; `columns` are more of the contract's."""
    kind = {name: options.pop(name) for name in ("stays", "held", "expired") if name in options}
    ground = on(Table, form, *options.pop("columns", ()), **options)
    return Kind(ground, lambda table: table.put(change(table.rows(2))), told=told, **kind)


def frame(change: Callable[[pa.Table], pa.Table], *told: Told, **options: Any) -> Kind:
    """The good rows of the next night as a Parquet file of another kind."""
    kind = {name: options.pop(name) for name in ("stays", "held") if name in options}
    ground = on(Table, "parquet", *options.pop("columns", ()), **options)

    def bad(table: Table) -> None:
        table.raw(parquet(change(pa.Table.from_pylist(table.rows(2)))))

    return Kind(ground, bad, told=told, **kind)


def appended(name: str, values: list[Any], kind: pa.DataType | None = None) -> Callable[[pa.Table], pa.Table]:
    return lambda table: table.append_column(name, pa.array(values, kind))


def without_text(table: pa.Table) -> pa.Table:
    return table.rename_columns(["id", "body"])


def texts(values: pa.Array) -> Callable[[pa.Table], pa.Table]:
    return lambda table: table.set_column(1, "text", values)


STARS, WHEN = column("stars", logicalType="integer"), column("when", logicalType="timestamp")
NO_TEXT = [Told("is missing or blank", "required", "text")] * 6
LACKS_TEXT = "column text is required but missing from the feed"
FAR = 2**62
"""Microseconds after 1970: the year 148107."""

LESS_OFTEN = {
    "a CSV file with a row too short",
    "a CSV file with blanks in its header",
    "a CSV file with an empty column name",
    "a CSV file with Windows line ends",
    "a line that is null",
    "blank lines",
    "a line that is binary",
    "a table that is a folder",
    "a Parquet file with a time beyond any reckoning",
    "a Parquet file with pictures beside its text",
}
"""Kinds that are much like another one."""

CSV = {
    "a CSV file with a row too long": lines("csv", f"bad,{MARKER},more\n".encode(), line("has 3 fields, the header has 2")),
    "a CSV file with a row too short": lines("csv", SECRET + b"\n", line("has 1 fields, the header has 2")),
    "a CSV file with a quote never closed": lines("csv", b'bad,"' + SECRET + b"\n", item("not valid CSV after line", "csv")),
    "a CSV file with a quote inside a field": lines("csv", b'bad,"a"b\n', item("not valid CSV after line", "csv")),
    "a CSV file with a name twice in its header": instead(
        "csv", b"id,text,text\nbad," + SECRET + b",x\n", item("a column name appears twice in the header line", "csv")
    ),
    "a CSV file of no bytes": instead("csv", b"", item("the file is empty; a CSV file starts with", "csv")),
    "a CSV file of a header only": instead("csv", b"id,text\n", held="would shrink from 6 to 0 documents"),
    "a CSV file without a header": instead(
        "csv",
        lambda good: good.split(b"\n", 1)[1],
        *[Told("is missing or blank", "required", "text")] * 5,
        held="does the file lack its header line?",
    ),
    "a CSV file in UTF-16": instead(
        "csv", lambda good: good.decode().encode("utf-16"), item("not UTF-8 near byte 0", "csv")
    ),
    "a CSV file with one byte of Latin-1": lines("csv", b"bad,caf\xe9 " + SECRET, item("not UTF-8 near byte", "csv")),
    "a CSV file with semicolons": instead(
        "csv",
        lambda good: good.replace(b",", b";"),
        item("the header line has no comma, but a semicolon", "csv"),
    ),
    "a CSV file with blanks in its header": instead(
        "csv", lambda good: good.replace(b"id,text", b"id, text"), *NO_TEXT, held=LACKS_TEXT
    ),
    "a CSV file with a byte order mark": instead("csv", lambda good: b"\xef\xbb\xbf" + good),
    "a CSV file with Windows line ends": instead("csv", lambda good: good.replace(b"\n", b"\r\n")),
    "a CSV file with an empty column name": lines("csv", b"", stays=SIX),
    "a CSV file with blank lines": lines("csv", b"\n\n7,Seven.\n\n", stays=SIX | {"7"}),
    "a spreadsheet under the name of a CSV file": instead("csv", b"PK\x03\x04\xff\xfe" + SECRET, item("not UTF-8", "csv")),
}

JSONL = {
    "a broken line of JSON": lines("jsonl", b'{"id": "bad", "text": ' + SECRET + b"\n", line("line 7 is not JSON")),
    "JSON cut off in the middle": lines("jsonl", b'{"id": "bad", "text": "' + SECRET, line("line 7 is not JSON")),
    "a line that is no object": lines("jsonl", b'["' + SECRET + b'"]\n', line("line 7 is a JSON list, not an object")),
    "a line that is null": lines("jsonl", b"null\n", line("line 7 is a JSON NoneType, not an object", "null")),
    "an object that gives a field twice": lines(
        "jsonl", f'{{"id": "bad", "id": "7", "text": "{MARKER}"}}\n'.encode(), line("it gives a field twice")
    ),
    "a number of thousands of digits": lines(
        "jsonl", b'{"id": "bad", "text": "' + SECRET + b'", "n": ' + b"9" * 5000 + b"}\n", line("thousands of digits")
    ),
    "JSON nested without end": lines(
        "jsonl", b'{"id": "bad", "a": "' + SECRET + b'", "text": ' + b"[" * 100_000 + b"\n", line("nested too deeply")
    ),
    "half of a character": lines(
        "jsonl", b'{"id": "bad", "text": "' + SECRET + b' \\ud800"}\n', line("an unpaired surrogate")
    ),
    "a line in Latin-1": lines("jsonl", b'{"id": "bad", "text": "' + SECRET + b'\xe9"}\n', line("byte 0xe9 is not UTF-8")),
    "a line that is binary": lines("jsonl", b"\x89PNG\x00\x00" + SECRET + b"\n", line("line 7 is not JSON")),
    "blank lines": lines("jsonl", b"\n  \n\r\n"),
    "a list instead of lines": instead(
        "jsonl",
        lambda good: json.dumps([json.loads(one) for one in good.splitlines()]).encode(),
        item("holds one JSON array instead of an object a line", "jsonl"),
    ),
    "JSON Lines in UTF-16": instead(
        "jsonl",
        lambda good: good.decode().encode("utf-16-le"),
        *[Told("is not JSON")] * 7,
        held="(100.0 %) break the contract",
    ),
    "JSON Lines of no bytes": instead("jsonl", b"", held="would shrink from 6 to 0 documents"),
    "a table that is gone": Kind(on(Table), lambda table: table.folder.clear(), held="rows.jsonl: no such file"),
    "a table that is a folder": Kind(
        on(Table),
        both(lambda table: table.folder.clear(), lambda table: (table.folder.path / "rows.jsonl").mkdir()),
        held="rows.jsonl: no such file",
    ),
    "a second file whose lines are broken": Kind(
        on(Table, many=True),
        lambda table: table.raw(SECRET + b"\n", "other"),
        told=(Told("line 1 is not JSON", item="other.jsonl", value=MARKER),),
    ),
    "a link that leads nowhere among tables": Kind(
        on(Table, many=True),
        lambda table: (table.folder.path / "other.jsonl").symlink_to("gone"),
        told=(Told("is a link that leads nowhere", item="other.jsonl", kind="unreadable"),),
    ),
}

PARQUET = {
    "a Parquet file cut off": instead("parquet", lambda good: good[:-20], item("not a readable Parquet file", "parquet")),
    "a Parquet file with a hole": instead(
        "parquet", lambda good: good[:4] + bytes(120) + good[124:], item("not a readable Parquet file", "parquet")
    ),
    "text under the name of Parquet": instead("parquet", SECRET * 9, item("not a readable Parquet file", "parquet")),
    "a Parquet file of no bytes": instead("parquet", b"", item("not a readable Parquet file", "parquet")),
    "a Parquet file of no rows": frame(lambda table: table.slice(0, 0), held="would shrink from 6 to 0 documents"),
    "a Parquet file with a column renamed": frame(without_text, *NO_TEXT, held=LACKS_TEXT + " (columns found: body, id)"),
    "a Parquet file with a name twice": frame(
        lambda table: table.append_column("text", table["id"]), item("a column name appears twice in its schema", "parquet")
    ),
    "a Parquet file with a typed column of words": frame(
        appended("stars", ["1", MARKER, "3", None, "5", "6"]),
        Told("is not a valid integer", "type", "stars", value=MARKER),
        columns=(STARS,),
        stays=SIX - {"2"},
    ),
    "a Parquet file with a nested column": frame(appended("more", [{"a": [n]} for n in range(6)])),
    "a Parquet file with decimals, a dictionary and nanoseconds": frame(
        lambda table: (
            table.append_column("n", pa.array([Decimal("1.00")] * 6))
            .append_column("word", pa.array(["x"] * 6).dictionary_encode())
            .append_column("when", pa.array([1_700_000_000_000_000_001] * 6, pa.timestamp("ns")))
        ),
        columns=(column("n", logicalType="number"), column("word"), WHEN),
    ),
    "a Parquet file with a date beyond the calendar": frame(
        appended("when", [None, FAR, *[0] * 4], pa.timestamp("us", "UTC")),
        Told("is not a valid timestamp", "type", "when", value=""),
        columns=(WHEN,),
        stays=SIX - {"2"},
    ),
    "a Parquet file with a time beyond any reckoning": frame(
        appended("when", [None, FAR, *[0] * 4], pa.timestamp("ms")),
        Told("is not a valid timestamp", "type", "when", value="out of range"),
        columns=(WHEN,),
        stays=SIX - {"2"},
    ),
    "a Parquet file with a day beyond the calendar": frame(
        appended("day", [None, 10_000_000, *[0] * 4], pa.date32()),
        Told("is not a valid date", "type", "day", value="29349-"),
        columns=(column("day", logicalType="date"),),
        stays=SIX - {"2"},
    ),
    "a Parquet file in a time zone nobody knows": frame(
        appended("when", [0] * 6, pa.timestamp("us", "Mars/Phobos")), item("not a readable Parquet file", "parquet")
    ),
    "a Parquet file with bytes that are text": frame(texts(pa.array([f"Byte {n}.".encode() for n in range(6)]))),
    "a Parquet file with bytes that are no text": frame(
        texts(pa.array([b"\xff\xfe" + SECRET, *[f"Byte {n}.".encode() for n in range(5)]])),
        Told("column text holds bytes that are not UTF-8", value=MARKER),
        stays=SIX - {"1"},
    ),
    "a Parquet file with pictures beside its text": frame(appended("picture", [b"\x89PNG\xff"] * 6)),
    "a Parquet file of another schema": instead(
        "parquet",
        parquet(pa.table({"name": ["x"], "born": [datetime(2000, 1, 1)]})),
        NO_TEXT[0],
        held="column id, text is required but missing from the feed",
    ),
}

KINDS = {**CSV, **JSONL, **PARQUET}
