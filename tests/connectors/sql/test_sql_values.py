"""Every kind of value a database holds: handed on as found, and one that cannot be read costs its own row only."""

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest

from rag_pipeline.connectors import BrokenRow
from rag_pipeline.connectors.sql.values import as_row, as_text
from rag_pipeline.errors import SourceUnavailable
from tests.support.postgres_server import Database
from tests.support.sql_nights import listed, logins, read, read_everything, sql

VALUES = [
    ("text", "'é \U0001f989 %s :x'", "é \U0001f989 %s :x"),
    ("text", "''", ""),
    ("text", "NULL", None),
    ("char(4)", "'ab'", "ab  "),
    ("int", "7", 7),
    ("bigint", "9223372036854775807", 9223372036854775807),
    ("boolean", "true", True),
    ("float8", "1.5", 1.5),
    ("float8", "'infinity'", float("inf")),
    ("numeric(12, 2)", "1234567890.10", "1234567890.10"),
    ("numeric", "1e-10", "0.0000000001"),
    ("numeric", "'NaN'", "NaN"),
    ("date", "'2026-01-31'", date(2026, 1, 31)),
    ("timestamp", "'2026-01-31 10:00:00.000001'", datetime(2026, 1, 31, 10, 0, 0, 1)),
    ("timestamptz", "'2026-01-31 10:00+02'", datetime(2026, 1, 31, 8, tzinfo=UTC)),
    ("time", "'10:30'", "10:30:00"),
    ("interval", "'1 day 2 hours'", "1 day, 2:00:00"),
    ("uuid", "'6F1C1D1E-0000-4000-8000-000000000001'", "6f1c1d1e-0000-4000-8000-000000000001"),
    ("json", """'{"a": [1, null, "é"]}'""", {"a": [1, None, "é"]}),
    ("jsonb", "'[true]'", [True]),
    ("jsonb", "'null'", None),
    ("text[]", "'{a,NULL}'", ["a", None]),
    ("numeric[]", "'{1.50}'", ["1.50"]),
    ("uuid[]", "'{6f1c1d1e-0000-4000-8000-000000000001}'", ["6f1c1d1e-0000-4000-8000-000000000001"]),
    ("bytea", "'text é'::text::bytea", "text é"),
    ("inet", "'10.0.0.1'", "10.0.0.1"),
    ("int4range", "'[1,5)'", "[1, 5)"),
    ("money", "'12.50'", "$12.50"),
    ("tsvector", "'owl'", "'owl'"),
    ("point", "'(1,2)'", "(1,2)"),
    ("mood", "'sad'", "sad"),
]


@pytest.mark.parametrize("cursor", ["changed_at", ""])
def test_every_value_is_handed_on_as_found(database: Database, cursor: str) -> None:
    database.execute("CREATE TYPE mood AS ENUM ('sad')")
    names = [f"c{place}" for place in range(len(VALUES))]
    values = ", ".join(f"({value})::{kind} AS {name}" for name, (kind, value, _) in zip(names, VALUES, strict=True))
    database.execute(f"CREATE TABLE articles AS SELECT 1 AS id, 1 AS changed_at, {values}")
    ((row,),) = read_everything(sql(database.url, columns=names, cursor=cursor)).values()
    assert isinstance(row, dict)
    for name, (kind, value, expected) in zip(names, VALUES, strict=True):
        assert (row[name], type(row[name])) == (expected, type(expected)), f"{value}::{kind}"


def test_not_a_number_stays_one(database: Database) -> None:
    database.execute("CREATE TABLE articles AS SELECT 1 AS id, 1 AS changed_at, 'NaN'::float8 AS text")
    ((row,),) = read_everything(sql(database.url)).values()
    assert row["text"] != row["text"]


def test_bytes_that_are_no_text_are_a_broken_row_that_names_the_column(database: Database) -> None:
    database.execute(
        "CREATE TABLE articles (id int, title text, text bytea, changed_at int)",
        r"INSERT INTO articles VALUES (1, 'fine', 'fine', 1), (2, 'photo', '\xff00d8', 1)",
    )
    found = read_everything(sql(database.url))
    assert found["1"] == [{"id": 1, "title": "fine", "text": "fine"}]
    (broken,) = found["2"]
    assert isinstance(broken, BrokenRow)
    assert broken.problem == "column text holds bytes that are not UTF-8 text; leave it out of the query"
    assert '"title": "photo"' in broken.raw


def test_a_time_python_cannot_hold_costs_its_own_row_only(articles: Database) -> None:
    articles.execute("ALTER TABLE articles ADD seen timestamptz DEFAULT now()")
    articles.execute("UPDATE articles SET seen = 'infinity' WHERE id = 2")
    found = read_everything(sql(articles.url, columns=("id", "seen")))
    assert isinstance(found["2"], str)
    assert "a value that cannot be read" in found["2"]
    assert [found[key][0]["id"] for key in ("1", "3")] == [1, 3]


def test_a_row_the_database_cannot_compute_costs_its_own_row_only(database: Database) -> None:
    database.execute("CREATE TABLE numbers AS SELECT n AS id, 1 AS changed_at FROM generate_series(-300, 300) n")
    found = read_everything(sql(database.url, query="SELECT id, changed_at, 60 / id AS text FROM numbers"))
    assert isinstance(found.pop("0"), str)
    assert len(found) == 600
    assert all(rows == [{"id": int(key), "text": int(60 / int(key))}] for key, rows in found.items())


def test_rows_that_all_cannot_be_read_cost_one_connection(database: Database) -> None:
    database.execute("CREATE TABLE numbers AS SELECT n AS id, 1 AS changed_at FROM generate_series(1, 100) n")
    with logins() as made:
        found = read_everything(sql(database.url, query="SELECT id, changed_at, 1 / (id - id) AS text FROM numbers"))
    assert len(found) == 100
    assert all(isinstance(rows, str) for rows in found.values())
    assert len(made) == 1


def test_a_cursor_python_cannot_hold_is_told_before_anything_is_read(articles: Database) -> None:
    articles.execute("UPDATE articles SET changed_at = '-infinity' WHERE id = 2")
    with pytest.raises(SourceUnavailable, match="returned a value that cannot be read"):
        listed(sql(articles.url))


def test_a_value_that_cannot_be_read_ends_a_table_that_is_read_as_a_whole(articles: Database) -> None:
    articles.execute("ALTER TABLE articles ADD seen timestamptz DEFAULT 'infinity'")
    with pytest.raises(SourceUnavailable, match="returned a value that cannot be read"):
        read_everything(sql(articles.url, cursor="", columns=("id", "seen")))


def test_rows_without_a_key_of_which_one_cannot_be_read_cost_no_other_row(database: Database) -> None:
    database.execute(
        "CREATE TABLE articles (id int, text timestamptz, changed_at int)",
        "INSERT INTO articles VALUES (1, '2026-01-01', 1), (NULL, 'infinity', 1)",
    )
    found = read_everything(sql(database.url))
    assert isinstance(found["rows without a key"], str)
    assert len(found["1"]) == 1


def test_a_database_in_another_encoding_is_read_as_text(database: Database) -> None:
    with database.server.connect("postgres") as connection:
        connection.execute("DROP DATABASE IF EXISTS western")
        connection.execute("CREATE DATABASE western ENCODING 'LATIN1' TEMPLATE template0")
    western = Database(database.server, "western")
    western.execute("CREATE TABLE articles AS SELECT 'Käse'::text AS id, 'Smørrebrød'::text AS text, 1 AS changed_at")
    assert read_everything(sql(western.url)) == {"Käse": [{"id": "Käse", "text": "Smørrebrød"}]}
    western.wait_for_no_connection()


def test_a_table_of_columns_the_contract_does_not_know_yields_its_key_only(database: Database) -> None:
    database.execute("CREATE TABLE articles AS SELECT 1 AS id, 'x'::text AS body, 1 AS changed_at")
    connector = sql(database.url)
    assert read(connector, list(listed(connector).values())) == {"1": [{"id": 1}]}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (memoryview(b"ab"), "6162"),
        (bytearray(b"\xff"), "ff"),
        (True, "true"),
        (1, "1"),
        (datetime(2026, 1, 1), "2026-01-01T00:00:00.000000"),
        (datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=2))), "2025-12-31T23:00:00.000000+00:00"),
    ],
)
def test_a_key_is_the_same_text_every_night(value: Any, expected: str) -> None:
    assert as_text(value) == expected


def test_a_value_inside_a_list_or_a_mapping_is_treated_like_one_outside() -> None:
    assert as_row({"a": [b"x", (b"y",)], "b": {1: b"z"}}) == {"a": ["x", ["y"]], "b": {"1": "z"}}
    assert isinstance(as_row({"a": [b"\xff"]}), BrokenRow)
