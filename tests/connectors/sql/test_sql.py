"""A table or query of a real PostgreSQL, night after night: what changed is read, and no row is lost."""

from datetime import UTC, datetime

import pytest

from rag_pipeline.connectors import Item
from tests.support.postgres_server import Database
from tests.support.sql_nights import listed, nights, read, read_everything, sql, statements

# ---------------------------------------------------------------------------------------------- night after night


def test_the_first_night_lists_every_row_with_its_cursor_as_version_and_reads_all(articles: Database) -> None:
    connector = sql(articles.url)
    items = listed(connector)
    assert items["1"] == Item("1", "2026-01-01T12:00:00.000000+00:00")
    assert read(connector, list(items.values())) == {
        str(number): [{"id": number, "title": f"Title {number}", "text": f"Text {number}."}] for number in (1, 2, 3)
    }


def test_a_night_without_a_change_reads_nothing_and_asks_for_no_text(articles: Database) -> None:
    feed = nights(articles)
    feed.next()
    with statements() as sent:
        assert feed.next() == {}
    assert feed.gone == set()
    assert not [statement for statement in sent if "articles.text" in statement]


def test_only_the_row_that_changed_is_read(articles: Database) -> None:
    feed = nights(articles)
    feed.next()
    articles.execute("UPDATE articles SET text = 'New.', changed_at = now() WHERE id = 2")
    assert feed.next() == {"2": [{"id": 2, "title": "Title 2", "text": "New."}]}


def test_a_new_row_is_read_and_a_deleted_one_is_no_longer_listed(articles: Database) -> None:
    feed = nights(articles)
    feed.next()
    articles.execute("DELETE FROM articles WHERE id = 1")
    articles.insert("articles", [(4, "Four", "Text 4.", "2026-02-01")])
    assert feed.next() == {"4": [{"id": 4, "title": "Four", "text": "Text 4."}]}
    assert feed.gone == {"1"}


def test_a_row_committed_late_with_an_older_cursor_than_the_last_seen_is_found(articles: Database) -> None:
    feed = nights(articles)
    with articles.connect() as writer:
        writer.execute("BEGIN")
        writer.execute("INSERT INTO articles VALUES (9, 'Late', 'Late.', '2025-12-31 23:59+00')")
        assert "9" not in feed.next()
        writer.execute("COMMIT")
    assert feed.next() == {"9": [{"id": 9, "title": "Late", "text": "Late."}]}


def test_a_cursor_that_goes_back_is_a_change(articles: Database) -> None:
    feed = nights(articles)
    feed.next()
    articles.execute("UPDATE articles SET text = 'Restored.', changed_at = '2020-01-01' WHERE id = 3")
    assert feed.next() == {"3": [{"id": 3, "title": "Title 3", "text": "Restored."}]}


def test_cursors_a_microsecond_apart_are_two_versions(articles: Database) -> None:
    feed = nights(articles)
    feed.next()
    articles.execute("UPDATE articles SET changed_at = changed_at + interval '1 microsecond' WHERE id = 3")
    assert list(feed.next()) == ["3"]


def test_the_version_does_not_depend_on_the_time_zone_of_the_database(articles: Database) -> None:
    feed = nights(articles)
    feed.next()
    articles.execute(f"ALTER DATABASE {articles.name} SET timezone = 'America/St_Johns'")
    assert feed.next() == {}


def test_a_row_without_a_cursor_is_read_every_night(articles: Database) -> None:
    feed = nights(articles)
    articles.execute("UPDATE articles SET changed_at = NULL WHERE id = 2")
    feed.next()
    articles.execute("UPDATE articles SET text = 'Changed, and nobody says so.' WHERE id = 2")
    assert feed.next() == {"2": [{"id": 2, "title": "Title 2", "text": "Changed, and nobody says so."}]}


def test_without_a_cursor_column_the_whole_table_is_one_item_read_every_night(articles: Database) -> None:
    feed = nights(articles, cursor="")
    first, second = feed.next(), feed.next()
    assert list(first) == list(second) == ["all rows"]
    assert [row["id"] for row in first["all rows"]] == [1, 2, 3]
    articles.execute("DELETE FROM articles")
    assert feed.next() == {"all rows": []}


@pytest.mark.parametrize("cursor", ["changed_at", ""])
def test_an_empty_table_holds_no_row(database: Database, cursor: str) -> None:
    database.execute("CREATE TABLE articles (id int, text text, changed_at timestamp)")
    found = read_everything(sql(database.url, cursor=cursor))
    assert sum(len(rows) for rows in found.values()) == 0


# ----------------------------------------------------------------------------------------------------------- keys


def test_several_key_columns_make_one_key_and_no_two_rows_share_it(database: Database) -> None:
    database.execute("CREATE TABLE pages (space text, name text, text text, v int)")
    rows = [("a/b", "c", "1", 1), ("a", "b/c", "2", 1), ("a", "b", "3", 1), ("a%2Fb", "c", "4", 1), ("A", "b", "5", 1)]
    database.insert("pages", rows)
    columns = ("space", "name", "text")
    feed = nights(database, table="pages", cursor="v", columns=columns, keys=columns[:2])
    found = feed.next()
    assert len(found) == 5
    assert [row for rows in found.values() for row in rows] == [dict(zip(columns, row, strict=False)) for row in rows]
    database.execute("UPDATE pages SET v = 2, text = 'new' WHERE space = 'a' AND name = 'b'")
    assert feed.next() == {"a/b": [{"space": "a", "name": "b", "text": "new"}]}


@pytest.mark.parametrize(
    ("kind", "one", "other", "key"),
    [
        ("smallint", "1", "2", "1"),
        ("bigint", "9007199254740993", "2", "9007199254740993"),
        ("numeric(30, 10)", "1.5", "12345678901234567890.0123456789", "1.5000000000"),
        ("float8", "0.1", "1e300", "0.1"),
        ("char(8)", "'ab'", "'cd'", "ab      "),
        ("text", "'o''clock %s :x'", "''", "o'clock %s :x"),
        ("mood", "'sad'", "'glad'", "sad"),
        ("uuid", "'6f1c1d1e-0000-4000-8000-000000000001'", "gen_random_uuid()", "6f1c1d1e-0000-4000-8000-000000000001"),
        ("bytea", r"'\xff00'", r"'\x'", "ff00"),
        ("boolean", "true", "false", "true"),
        ("date", "'2026-01-31'", "'0001-01-01'", "2026-01-31"),
        ("timestamp", "'2026-01-31 10:00'", "'2026-01-31 10:00:00.000001'", "2026-01-31T10:00:00.000000"),
        ("timestamptz", "'2026-01-31 10:00+02'", "'2026-01-31 10:00+03'", "2026-01-31T08:00:00.000000+00:00"),
        ("time", "'10:00'", "'11:00'", "10:00:00"),
        ("inet", "'10.0.0.1'", "'::1'", "10.0.0.1"),
    ],
)
def test_a_row_is_found_by_its_key_of_any_type(database: Database, kind: str, one: str, other: str, key: str) -> None:
    database.execute(
        "CREATE TYPE mood AS ENUM ('sad', 'glad')",
        f"CREATE TABLE articles (id {kind} PRIMARY KEY, text text, changed_at int)",
        f"INSERT INTO articles VALUES ({one}, 'one', 1), ({other}, 'other', 1)",
    )
    found = read_everything(sql(database.url, columns=("text",)))
    assert found[key] == [{"text": "one"}]
    assert sorted(str(rows) for rows in found.values()) == ["[{'text': 'one'}]", "[{'text': 'other'}]"]


def test_a_row_that_is_there_but_does_not_equal_its_own_key_is_told_and_not_lost(database: Database) -> None:
    database.execute(
        "CREATE TABLE articles (id real, text text, changed_at int)", "INSERT INTO articles VALUES (0.1, 'x', 1)"
    )
    assert "not found by its key" in read_everything(sql(database.url))["0.1"]


def test_rows_without_a_key_are_read_together_and_again_when_one_changes(articles: Database) -> None:
    articles.execute("ALTER TABLE articles DROP CONSTRAINT articles_pkey", "ALTER TABLE articles ALTER id DROP NOT NULL")
    feed = nights(articles)
    feed.next()
    articles.insert("articles", [(None, "A", "a", "2026-01-01"), (None, "B", "b", "2026-01-01")])
    found = feed.next()
    assert list(found) == ["rows without a key"]
    assert sorted(row["text"] for row in found["rows without a key"]) == ["a", "b"]
    assert feed.next() == {}
    articles.execute("UPDATE articles SET changed_at = now(), text = 'bb' WHERE title = 'B'")
    assert sorted(row["text"] for row in feed.next()["rows without a key"]) == ["a", "bb"]
    articles.execute("DELETE FROM articles WHERE id IS NULL")
    assert feed.next() == {}
    assert feed.gone == {"rows without a key"}


def test_a_row_that_is_called_like_the_rows_without_a_key_is_not_mistaken_for_them(database: Database) -> None:
    database.execute("CREATE TABLE articles (id text, text text, changed_at int)")
    database.insert("articles", [("rows without a key", "named", 1), (None, "nameless", 1), ("all rows", "all", 1)])
    found = read_everything(sql(database.url))
    assert found["rows without a key"] == [{"id": "rows without a key", "text": "named"}]
    assert sorted(row["text"] for rows in found.values() for row in rows) == ["all", "named", "nameless"]


def test_a_composite_key_with_one_part_missing_counts_as_none(database: Database) -> None:
    database.execute("CREATE TABLE articles (id int, part int, text text, changed_at int)")
    database.insert("articles", [(1, None, "half", 1), (None, 1, "other half", 1), (1, 1, "whole", 1)])
    found = read_everything(sql(database.url, keys=("id", "part"), columns=("id", "part", "text")))
    assert [row["text"] for row in found.pop("1/1")] == ["whole"]
    assert sorted(row["text"] for rows in found.values() for row in rows) == ["half", "other half"]


def test_rows_that_share_a_key_are_one_item_that_changes_with_each_of_them(articles: Database) -> None:
    articles.execute("ALTER TABLE articles DROP CONSTRAINT articles_pkey")
    articles.insert("articles", [(2, "Again", "Second row.", "2026-01-05"), (2, "Again", "Third row.", "2026-01-06")])
    feed = nights(articles)
    assert sorted(row["text"] for row in feed.next()["2"]) == ["Second row.", "Text 2.", "Third row."]
    assert feed.next() == {}
    articles.execute("UPDATE articles SET changed_at = '2026-03-01' WHERE text = 'Second row.'")
    assert [len(rows) for rows in feed.next().values()] == [3]
    articles.execute("DELETE FROM articles WHERE text = 'Third row.'")
    assert sorted(row["text"] for row in feed.next()["2"]) == ["Second row.", "Text 2."]


def test_a_cursor_may_also_be_a_key_or_a_column_of_the_contract(articles: Database) -> None:
    found = read_everything(sql(articles.url, keys=("id", "changed_at"), columns=("id", "changed_at")))
    moment = datetime(2026, 1, 1, 12, tzinfo=UTC)
    assert found["1/2026-01-01T12:00:00.000000+00:00"] == [{"id": 1, "changed_at": moment}]
    assert list(read_everything(sql(articles.url, cursor="id"))) == ["1", "2", "3"]
