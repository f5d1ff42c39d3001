"""The `sql` connector on SQLite files: nothing to install, few types, and rows of any shape."""

import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rag_pipeline.connectors import BrokenRow
from rag_pipeline.connectors.sql.connector import Sql
from rag_pipeline.errors import SourceUnavailable
from tests.support.sql_nights import Nights, listed, read, read_everything, sql
from tests.support.sqlite_files import write


def connector(file: Path, **changes: Any) -> Sql:
    return sql(f"sqlite:///{file}", environment={}, **changes)


TABLE = "CREATE TABLE articles (id, text, changed_at)"


@pytest.fixture
def articles(tmp_path: Path) -> Path:
    return write(
        tmp_path / "feed.db", TABLE, rows=[(number, f"Text {number}.", f"2026-01-0{number}") for number in (1, 2, 3)]
    )


def test_what_changed_since_the_last_night_is_read(articles: Path) -> None:
    feed = Nights(lambda: connector(articles))
    assert [len(rows) for rows in feed.next().values()] == [1, 1, 1]
    assert feed.next() == {}
    write(
        articles,
        "UPDATE articles SET text = 'New.', changed_at = '2026-02-01' WHERE id = 1",
        "DELETE FROM articles WHERE id = 2",
        "INSERT INTO articles VALUES (4, 'Late.', '2025-12-31')",
    )
    assert feed.next() == {"1": [{"id": 1, "text": "New."}], "4": [{"id": 4, "text": "Late."}]}
    assert feed.gone == {"2"}


def test_values_are_handed_on_as_found_and_text_that_is_none_is_a_broken_row(tmp_path: Path) -> None:
    rows: list[tuple[Any, ...]] = [(1, 1.5, 1), (2, None, 1), (3, b"bytes", 1), (4, b"\xff", 1), (5, "é", 1)]
    file = write(tmp_path / "feed.db", TABLE, "INSERT INTO articles VALUES (6, CAST(x'63e9' AS TEXT), 1)", rows=rows)
    found = read_everything(connector(file))
    assert [found[str(key)][0]["text"] for key in (1, 2, 3, 5)] == [1.5, None, "bytes", "é"]
    assert all(isinstance(found[key][0], BrokenRow) for key in ("4", "6"))


def test_a_file_that_is_missing_is_told_and_not_created(tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailable, match=r"could not be reached .OperationalError: the file cannot be opened"):
        listed(connector(tmp_path / "nosuch.db"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"this is no database, but a text of more than a hundred bytes." * 9, bytes(4096)])
def test_a_file_that_is_no_database_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "feed.db").write_bytes(content)
    with pytest.raises(SourceUnavailable, match=r"not an intact database|no such table"):
        listed(connector(tmp_path / "feed.db"))


@pytest.mark.parametrize("name", ["with space.db", "100%.db", "what?mode=rwc.db", "a#b.db", "ü.db"])
def test_the_file_may_have_any_name_a_url_can_say(tmp_path: Path, name: str) -> None:
    file = write(tmp_path / name, TABLE, rows=[(1, "x", 1)])
    location = str(file).replace("%", "%25").replace("?", "%3F")
    assert list(read_everything(sql(f"sqlite:///{location}", environment={}))) == ["1"]


def test_a_file_that_another_process_keeps_locked_is_tried_again_and_then_told(articles: Path) -> None:
    with closing(sqlite3.connect(articles, isolation_level=None)) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        with pytest.raises(SourceUnavailable, match="it is locked by another user"):
            listed(connector(articles, timeout_s=0.05, retries=1))
        writer.execute("ROLLBACK")
    assert len(read_everything(connector(articles))) == 3


def test_a_writer_is_not_kept_waiting_between_listing_and_reading_and_a_row_it_deletes_yields_nothing(
    articles: Path,
) -> None:
    source = connector(articles)
    items = list(listed(source).values())
    with closing(sqlite3.connect(articles, timeout=0)) as writer, writer:
        writer.execute("DELETE FROM articles WHERE id = 2")
    assert read(source, items) == {"1": [{"id": 1, "text": "Text 1."}], "2": [], "3": [{"id": 3, "text": "Text 3."}]}


def test_nothing_is_written_whatever_the_query_says(articles: Path) -> None:
    before = articles.read_bytes()
    for query in ("DELETE FROM articles", "WITH x AS (SELECT 1) DELETE FROM articles", "SELECT 1; DELETE FROM articles"):
        with pytest.raises(SourceUnavailable):
            listed(connector(articles, query=query))
    assert articles.read_bytes() == before
    assert sorted(path.name for path in articles.parent.iterdir()) == ["feed.db"]


def test_keys_that_are_equal_as_text_only_are_one_item_of_all_their_rows(tmp_path: Path) -> None:
    file = write(
        tmp_path / "feed.db", TABLE, rows=[(1, "number", 1), ("1", "text", 1), ("01", "other", 1), (1.0, "float", 1)]
    )
    found = read_everything(connector(file))
    assert sorted(row["text"] for row in found["1"]) == ["number", "text"]
    assert sorted(row["text"] for rows in found.values() for row in rows) == ["float", "number", "other", "text"]


_KEYS = st.one_of(
    st.none(), st.integers(-3, 3), st.text("a/%é ", max_size=3), st.binary(max_size=2), st.floats(allow_nan=False)
)
_CURSORS = st.one_of(st.none(), st.integers(0, 3), st.sampled_from(["2026-01-01", "", "1"]))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(_KEYS, _KEYS, _CURSORS), max_size=12), composite=st.booleans())
def test_every_row_of_any_table_is_read_exactly_once_and_again_only_when_its_version_cannot_be_trusted(
    tmp_path: Path, rows: list[tuple[Any, ...]], composite: bool
) -> None:
    file = tmp_path / "any.db"
    file.unlink(missing_ok=True)
    write(file, "CREATE TABLE articles (id, part, changed_at, text)")
    write(file, rows=[(*row, f"row {number}") for number, row in enumerate(rows)])
    keys = ("id", "part") if composite else ("id",)
    feed = Nights(lambda: connector(file, keys=keys, columns=("text",)))
    first = feed.next()
    assert Counter(row["text"] for found in first.values() for row in found) == Counter(f"row {n}" for n in range(len(rows)))
    unsure = {f"row {number}" for number, row in enumerate(rows) if row[2] is None}
    second = feed.next()
    assert second == {key: found for key, found in first.items() if unsure & {row["text"] for row in found}}
    assert feed.gone == set()
