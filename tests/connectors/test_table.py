"""Tables in files: every value as found, and what cannot be read is kept as a row that says so."""

import json
import os
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rag_pipeline.connectors import BrokenRow, Item, Row
from rag_pipeline.connectors.table import Dialect, TableServer
from rag_pipeline.connectors.table.connector import Table
from rag_pipeline.errors import SourceUnavailable, Unreadable
from tests.support.feeds import whole


def table_at(path: Path, pattern: str | None = None) -> Table:
    form = (pattern or path.name).rpartition(".")[2]
    return Table(TableServer(path, pattern, format=form))


def listed(table: Table) -> list[Item]:
    return list(table.items(lambda key: None))


def rows_of(path: Path) -> list[Row | BrokenRow]:
    table = table_at(path)
    (item,) = listed(table)
    return list(table.read(item))


def jsonl(folder: Path, content: bytes) -> list[Row | BrokenRow]:
    (folder / "rows.jsonl").write_bytes(content)
    return rows_of(folder / "rows.jsonl")


def csv(folder: Path, content: bytes) -> list[Row | BrokenRow]:
    (folder / "rows.csv").write_bytes(content)
    return rows_of(folder / "rows.csv")


def parquet(folder: Path, table: pa.Table) -> list[Row | BrokenRow]:
    pq.write_table(table, folder / "rows.parquet")
    return rows_of(folder / "rows.parquet")


def test_json_lines_are_read_with_their_types(tmp_path: Path) -> None:
    found = {"id": "a", "n": 1, "x": 1.5, "b": True, "none": None, "list": [1, "é"], "map": {"k": "v"}}
    assert jsonl(tmp_path, json.dumps(found).encode() + b"\n") == [found]


def test_blank_lines_a_byte_order_mark_and_a_missing_last_newline_do_no_harm(tmp_path: Path) -> None:
    rows = jsonl(tmp_path, b'\xef\xbb\xbf{"id": 1}\n\n  \r\n{"id": 2}\r\n\n{"id": 3}')
    assert rows == [{"id": 1}, {"id": 2}, {"id": 3}]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b'{"id": "a"', "line 2 is not JSON: Expecting ',' delimiter at column 11"),
        (b"not json", "line 2 is not JSON: Expecting value at column 1"),
        (b'{"id": "a"} {"id": "b"}', "line 2 is not JSON: Extra data at column 13"),
        (b'["a", "b"]', "line 2 is a JSON list, not an object"),
        (b'"text"', "line 2 is a JSON str, not an object"),
        (b"17", "line 2 is a JSON int, not an object"),
        (b"null", "line 2 is a JSON NoneType, not an object"),
        (b'{"id": "caf\xe9"}', "line 2 is not JSON: byte 0xe9 is not UTF-8"),
        (b'{"n": ' + b"9" * 5000 + b"}", "line 2 is not JSON: it holds a number of thousands of digits"),
        (b"[" * 200_000, "line 2 is not JSON: it is nested too deeply"),
    ],
)
def test_a_broken_line_is_a_row_that_says_so_and_the_others_go_on(tmp_path: Path, line: bytes, problem: str) -> None:
    first, broken, last = jsonl(tmp_path, b'{"id": 1}\n' + line + b'\n{"id": 3}\n')
    assert (first, last) == ({"id": 1}, {"id": 3})
    assert isinstance(broken, BrokenRow)
    assert (broken.problem, broken.line) == (problem, 2)
    assert broken.raw.rstrip("\n") == line.decode("utf-8", "replace")[:10_000]


def test_line_numbers_count_blank_lines(tmp_path: Path) -> None:
    (row,) = jsonl(tmp_path, b"\n\n\nbroken\n")
    assert isinstance(row, BrokenRow)
    assert row.line == 4


def test_a_row_is_never_taken_for_a_broken_one_by_what_it_holds(tmp_path: Path) -> None:
    found = {"_broken": "x", "_line": 7, "_raw": "y", "problem": "z", "raw": "", "line": None}
    assert jsonl(tmp_path, json.dumps(found).encode()) == [found]


def test_a_surrogate_without_its_partner_is_handed_on_as_found(tmp_path: Path) -> None:
    assert jsonl(tmp_path, b'{"id": "\\ud800"}\n') == [{"id": "\ud800"}]


def test_an_empty_json_lines_file_holds_no_row(tmp_path: Path) -> None:
    assert jsonl(tmp_path, b"") == []


def test_csv_values_are_text_and_an_empty_one_is_missing(tmp_path: Path) -> None:
    rows = csv(tmp_path, b"id,n,text\na,1,hello\nb,, spaced \n")
    assert rows == [{"id": "a", "n": "1", "text": "hello"}, {"id": "b", "n": None, "text": " spaced "}]


def test_quotes_newlines_and_commas_inside_a_csv_field_are_kept(tmp_path: Path) -> None:
    rows = csv(tmp_path, b'\xef\xbb\xbfid,text\r\na,"line one\nline, two"\r\n\r\nb,"she said ""hi"""\r\n')
    assert rows == [{"id": "a", "text": "line one\nline, two"}, {"id": "b", "text": 'she said "hi"'}]


def test_a_long_document_in_a_csv_field_is_read_whole(tmp_path: Path) -> None:
    text = "word " * 60_000
    assert csv(tmp_path, f'id,text\na,"{text}"\n'.encode()) == [{"id": "a", "text": text}]


def test_a_ragged_csv_row_says_so_and_the_others_go_on(tmp_path: Path) -> None:
    rows = csv(tmp_path, b'id,text\na,one\nb\n"c\nc",two,three\nd,four\n')
    assert rows == [
        {"id": "a", "text": "one"},
        BrokenRow("line 3 has 1 fields, the header has 2", "b", 3),
        BrokenRow("line 5 has 3 fields, the header has 2", "c\nc,two,three", 5),
        {"id": "d", "text": "four"},
    ]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty; a CSV file starts with a line of column names"),
        (b"id,text,id\n1,a,2\n", "a column name appears twice in the header line"),
        (b"id,text\na,caf\xe9\n", "not UTF-8 near byte 13; save it as UTF-8"),
        (b'id,text\na,"never closed\n', "not valid CSV after line 2"),
        (b'id,text\na,"closed" late\n', "not valid CSV after line 2"),
    ],
)
def test_a_csv_file_that_cannot_be_read_says_why(tmp_path: Path, content: bytes, reason: str) -> None:
    with pytest.raises(Unreadable, match=reason):
        csv(tmp_path, content)


def test_parquet_values_keep_their_types(tmp_path: Path) -> None:
    at = datetime(2024, 1, 31, 12, 30, 0, 123456, tzinfo=UTC)
    columns = {
        "id": pa.array(["a", None]),
        "n": pa.array([1, None], pa.int32()),
        "x": pa.array([1.5, None]),
        "b": pa.array([True, None]),
        "day": pa.array([date(2024, 1, 31), None]),
        "us": pa.array([at, None], pa.timestamp("us", "UTC")),
        "ms": pa.array([at.replace(microsecond=123000), None], pa.timestamp("ms", "UTC")),
        "naive": pa.array([at.replace(tzinfo=None), None], pa.timestamp("us")),
        "list": pa.array([["p", "q"], None]),
    }
    first, second = whole(parquet(tmp_path, pa.table(columns)))
    assert first == {
        "id": "a",
        "n": 1,
        "x": 1.5,
        "b": True,
        "day": date(2024, 1, 31),
        "us": at,
        "ms": at.replace(microsecond=123000),
        "naive": at.replace(tzinfo=None),
        "list": ["p", "q"],
    }
    assert set(second.values()) == {None}


def test_parquet_timestamps_finer_than_a_microsecond_are_read(tmp_path: Path) -> None:
    values = pa.array([1_706_704_200_123_456_789, None], pa.int64()).cast(pa.timestamp("ns", "UTC"))
    first, second = whole(parquet(tmp_path, pa.table({"at": values})))
    assert first["at"] == datetime(2024, 1, 31, 12, 30, 0, 123456, tzinfo=UTC)
    assert second["at"] is None


def test_a_parquet_file_of_many_batches_is_read_in_order(tmp_path: Path) -> None:
    rows = whole(parquet(tmp_path, pa.table({"n": list(range(2500))})))
    assert [row["n"] for row in rows] == list(range(2500))


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1 no parquet at all PAR1", b"id,text\n"])
def test_a_corrupt_parquet_file_is_unreadable(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "rows.parquet").write_bytes(content)
    with pytest.raises(Unreadable, match="not a readable Parquet file"):
        rows_of(tmp_path / "rows.parquet")


def test_a_parquet_file_with_damaged_pages_is_unreadable(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"text": [f"text {n}" * 20 for n in range(500)]}), path, compression="zstd")
    content = bytearray(path.read_bytes())
    content[40:300] = b"\xff" * 260
    path.write_bytes(content)
    with pytest.raises(Unreadable):
        rows_of(path)


def test_a_glob_lists_every_file_it_matches_by_name(tmp_path: Path) -> None:
    for name in ("b.jsonl", "a.jsonl", "a.csv"):
        (tmp_path / name).write_text(json.dumps({"id": name}), encoding="utf-8")
    (tmp_path / "c.jsonl").mkdir()
    table = table_at(tmp_path, "*.jsonl")
    items = listed(table)
    assert [item.key for item in items] == ["a.jsonl", "b.jsonl"]
    assert [list(table.read(item)) for item in items] == [[{"id": "a.jsonl"}], [{"id": "b.jsonl"}]]


def test_a_file_whose_name_is_not_utf_8_is_listed_and_read_like_any_other(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.jsonl")).write_text('{"id": 1}', encoding="utf-8")
    table = table_at(tmp_path, "*.jsonl")
    (item,) = listed(table)
    assert item.key.encode("utf-8") == b"caf\\udce9.jsonl"
    assert list(table.read(item)) == [{"id": 1}]


def test_a_glob_that_matches_nothing_lists_nothing(tmp_path: Path) -> None:
    assert listed(table_at(tmp_path, "*.jsonl")) == []


def test_a_missing_file_makes_the_source_unavailable(tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailable, match=r"rows\.csv: no such file; check `path` in the contract"):
        listed(table_at(tmp_path / "rows.csv"))


def test_a_file_that_vanishes_after_listing_is_unreadable(tmp_path: Path) -> None:
    for form, content in (("jsonl", b"{}"), ("csv", b"id\n"), ("parquet", b"PAR1")):
        path = tmp_path / f"rows.{form}"
        path.write_bytes(content)
        table = table_at(path)
        (item,) = listed(table)
        path.unlink()
        with pytest.raises(Unreadable, match="cannot be read"):
            list(table.read(item))


def test_the_version_of_a_file_changes_with_its_size_or_its_time(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    versions = []
    for content, at in ((b"{}", 1), (b"{}", 2), (b"{} ", 2)):
        path.write_bytes(content)
        os.utime(path, ns=(at, at))
        versions += [item.version for item in listed(table_at(path))]
    assert len(set(versions)) == 3


@pytest.mark.parametrize(("delimiter", "name"), [(";", "semicolon"), ("\t", "tab"), ("|", "pipe")])
def test_another_delimiter_is_named_and_read_when_the_contract_says_so(tmp_path: Path, delimiter: str, name: str) -> None:
    content = f"id{delimiter}text\n1{delimiter}one, and more\n".encode()
    with pytest.raises(Unreadable, match=f"no comma, but a {name}.*property: delimiter, value: {name}"):
        csv(tmp_path, content)
    table = Table(TableServer(tmp_path / "rows.csv", format="csv", dialect=Dialect(delimiter)))
    assert list(table.read(*listed(table))) == [{"id": "1", "text": "one, and more"}]


def test_commas_where_the_contract_says_semicolons_are_named_too(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_bytes(b"id,text\n1,one\n")
    table = Table(TableServer(tmp_path / "rows.csv", format="csv", dialect=Dialect(";")))
    with pytest.raises(Unreadable, match="no semicolon, but a comma"):
        list(table.read(*listed(table)))


def test_a_table_of_one_column_is_read(tmp_path: Path) -> None:
    assert csv(tmp_path, b"text\none\n") == [{"text": "one"}]


def test_another_quote_is_read_when_the_contract_says_so(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_bytes(b"id,text\n1,'one, and \"more\"'\n")
    table = Table(TableServer(tmp_path / "rows.csv", format="csv", dialect=Dialect(quote="'")))
    assert list(table.read(*listed(table))) == [{"id": "1", "text": 'one, and "more"'}]


@pytest.mark.parametrize(
    "content", [b'[{"id": 1}, {"id": 2}]', b'\xef\xbb\xbf[\n {"id": 1}\n]\n', b'\n[ {"id": 1},\n{"id": 2}]']
)
def test_a_json_array_is_named_instead_of_each_of_its_lines_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(Unreadable, match=r"holds one JSON array .*jq -c '\.\[\]'"):
        jsonl(tmp_path, content)


def test_a_json_object_over_several_lines_is_named(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="one JSON object over several lines"):
        jsonl(tmp_path, b'{\n  "id": 1\n}\n')


def test_a_line_that_is_a_list_of_values_is_one_broken_row(tmp_path: Path) -> None:
    first, second = jsonl(tmp_path, b'[1, 2]\n{"id": 1}\n')
    assert isinstance(first, BrokenRow)
    assert second == {"id": 1}
