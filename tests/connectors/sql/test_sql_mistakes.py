"""Mistakes in a contract and in what is installed: told at once, with what to write instead, and never tried again."""

from typing import Any

import pytest

from tests.support.postgres_server import Database, end_sessions
from tests.support.sql_nights import SECRET, failure, listed, read, read_everything, sql

# -------------------------------------------------------------------------------------------------- the query is wrong


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"table": "article"},
            "check `table` or `query` in the contract, and that RAG_WIKI_USER may see it; did you mean 'articles'?",
        ),
        ({"table": "public.artikles"}, "did you mean 'articles'?"),
        ({"table": "nowhere.articles"}, "no such table"),
        ({"table": "xyz"}, "no such table"),
        ({"keys": ("Id",)}, "has no column 'Id', a key column of the contract; did you mean 'id'?"),
        (
            {"keys": ("id", "lang")},
            "has no column 'lang', a key column of the contract; it has: id, title, text, changed_at",
        ),
        ({"cursor": "changed"}, "has no column 'changed', the cursor of the contract; did you mean 'changed_at'?"),
        (
            {"cursor": "", "keys": (), "columns": ("a",)},
            "none of the contract's columns (a); it has: id, title, text, changed",
        ),
        ({"query": "SELECT * FROM article"}, "no such table"),
        ({"query": "SELECT idd FROM articles"}, "no such column"),
        ({"query": "SELECT id, text FROM articles"}, "the query's result in postgresql+psycopg://127.0.0.1"),
        ({"query": "SELECT id, title AS text, text, changed_at FROM articles"}, "'text' stands twice in the query's result"),
        ({"query": "SELECT FROM WHERE"}, "not valid there"),
        ({"query": "SELECT 'x'::int AS id, 1 AS changed_at"}, "a value that cannot be read"),
        ({"query": "SHOW all"}, "does not begin with SELECT or WITH"),
        ({"query": "SELECT ';' AS id, 1 AS changed_at"}, "holds a semicolon"),
    ],
)
def test_a_mistake_in_the_contract_is_told_once_with_what_to_do(
    articles: Database, changes: dict[str, Any], told: str, caplog: pytest.LogCaptureFixture
) -> None:
    connector = sql(articles.url, retries=3, **changes)
    assert told in str(failure(lambda: listed(connector)))
    assert "trying again" not in caplog.text
    articles.wait_for_no_connection()


def test_no_message_holds_a_value_of_the_data(articles: Database) -> None:
    articles.execute("UPDATE articles SET text = 'private words' WHERE id = 2")
    query = "SELECT id, changed_at, text::int AS text FROM articles"
    found = read_everything(sql(articles.url, query=query))
    assert "private" not in str(found)


def test_a_query_that_takes_too_long_is_stopped(articles: Database) -> None:
    connector = sql(articles.url, query="SELECT *, pg_sleep(60) FROM articles", timeout_s=0.2, retries=3)
    told = str(failure(lambda: listed(connector)))
    assert "did not answer in time (QueryCanceled: stopped after 0.2 s, or by hand); raise timeoutSeconds" in told
    articles.wait_for_no_connection()


def test_a_table_changed_between_listing_and_reading_is_told(articles: Database) -> None:
    connector = sql(articles.url, retries=0)
    items = list(listed(connector).values())
    end_sessions(articles)
    connector.close()
    articles.execute("ALTER TABLE articles DROP COLUMN text")
    assert "no such column" in str(failure(lambda: read(connector, items)))


# ------------------------------------------------------------------------------------------------ what is not installed


@pytest.mark.parametrize(
    ("location", "told"),
    [
        ("oracle+oracledb://h/x", "its driver oracledb is not installed: pip install oracledb"),
        ("mysql+mysqldb://h/x", "its driver mysqldb is not installed: pip install MySQLdb"),
        ("quackbase://h/x", "no such dialect is installed"),
        ("postgresql+asyncpg://h/x", "its driver asyncpg is not installed: pip install asyncpg"),
        ("postgresql+psycopg_async://h/x", "its driver is an asynchronous one; use postgresql+psycopg or mysql+pymysql"),
        ("sqlite+aiosqlite:////x", "aiosqlite"),
        ("sqlite://host:1/x", "a part of its URL does not belong there"),
        (f"postgres:{SECRET}", "`location` in the contract is not the URL of a database"),
        (f"postgresql://u:{SECRET}@h:port/x", "`location` in the contract is not the URL of a database"),
        (
            f"postgresql+psycopg://u:{SECRET}@h/x",
            "`location` in the contract holds credentials; take them out and set RAG_WIKI",
        ),
        (f"postgresql+psycopg://h/x?Password={SECRET}", "`location` in the contract holds credentials"),
        ("", "`location` in the contract is not the URL of a database"),
    ],
)
def test_a_url_that_leads_to_no_driver_is_told(location: str, told: str) -> None:
    error = failure(lambda: sql(location, environment={}))
    assert told in str(error)
    assert SECRET not in str(error)
