"""How a feed is asked for: one view of it, few queries, whatever the table or the query is called and says."""

import gc

import pytest

from rag_pipeline.errors import SourceUnavailable
from tests.support.feeds import whole
from tests.support.postgres_server import Database
from tests.support.sql_nights import listed, nights, read, read_everything, sql, statements, unknown

# -------------------------------------------------------------------------------------------- one view, few queries


def test_ten_thousand_rows_are_read_with_a_query_for_some_hundred_in_the_order_asked_for(database: Database) -> None:
    database.execute(
        "CREATE TABLE articles (id int PRIMARY KEY, title text, text text, changed_at int)",
        "INSERT INTO articles SELECT n, 't', 'text ' || n, n FROM generate_series(1, 10000) n ORDER BY md5(n::text)",
    )
    connector = sql(database.url)
    items = sorted(connector.items(unknown), key=lambda item: int(item.key))
    with statements() as sent:
        found = read(connector, items)
    assert len(sent) <= 25
    assert all(found[str(number)] == [{"id": number, "title": "t", "text": f"text {number}"}] for number in range(1, 10_001))


def test_long_rows_are_fetched_a_few_at_a_time(database: Database) -> None:
    database.execute(
        "CREATE TABLE articles (id int PRIMARY KEY, title text, text text, changed_at int)",
        "INSERT INTO articles SELECT n, 't', repeat('x', 300000), 1 FROM generate_series(1, 200) n",
    )
    connector = sql(database.url)
    items = list(connector.items(unknown))
    connector.expect(items)
    with statements() as sent:
        assert sum(len(row["text"]) for item in items for row in whole(connector.read(item))) == 60_000_000
    batches = [statement.count("%(id_1_") for statement in sent]
    assert batches[0] == 100
    assert max(batches[1:]) <= 53
    assert sum(batches) == 200


def test_what_a_writer_does_between_listing_and_reading_is_seen_the_next_night_only(articles: Database) -> None:
    feed = nights(articles)
    connector = feed.connect()
    items = listed(connector)
    articles.execute(
        "UPDATE articles SET text = 'Too late.', changed_at = now() WHERE id = 1",
        "DELETE FROM articles WHERE id = 2",
        "INSERT INTO articles VALUES (4, 'New', 'New.', now())",
    )
    found = read(connector, list(items.values()))
    assert [row["text"] for rows in found.values() for row in rows] == ["Text 1.", "Text 2.", "Text 3."]
    feed.versions = {key: item.version for key, item in items.items()}
    assert feed.next() == {
        "1": [{"id": 1, "title": "Title 1", "text": "Too late."}],
        "4": [{"id": 4, "title": "New", "text": "New."}],
    }
    assert feed.gone == {"2"}


def test_the_connection_is_given_back_after_the_last_row(articles: Database) -> None:
    connector = sql(articles.url)
    items = list(listed(connector).values())
    assert articles.connections() == 1
    read(connector, items)
    articles.wait_for_no_connection()
    assert read(connector, items[:1]) == {"1": [{"id": 1, "title": "Title 1", "text": "Text 1."}]}, "it may be asked again"
    articles.wait_for_no_connection()


def test_the_connection_of_a_night_without_a_change_goes_with_the_connector(articles: Database) -> None:
    gc.disable()
    try:
        connector = sql(articles.url)
        listed(connector)
        assert articles.connections() == 1
        del connector
        articles.wait_for_no_connection()
    finally:
        gc.enable()


@pytest.mark.parametrize("cursor", ["changed_at", ""])
def test_reading_that_is_given_up_half_way_leaves_no_connection(articles: Database, cursor: str) -> None:
    connector = sql(articles.url, cursor=cursor)
    items = list(listed(connector).values())
    connector.expect(items)
    assert next(whole(connector.read(items[0])))["id"] == 1
    connector.close()
    articles.wait_for_no_connection()


# --------------------------------------------------------------------------------------------- tables and queries


def test_a_query_is_read_like_a_table(articles: Database) -> None:
    query = """
        WITH named AS (SELECT * FROM articles WHERE title LIKE 'Title %' AND changed_at::date > '2026-01-01')
        SELECT id, title, upper(text) || ' at 12:30 :noon 100%' AS text, changed_at AS seen FROM named ORDER BY id -- new;
    """.replace(";", "")
    feed = nights(articles, query=f"{query};\n", cursor="seen")
    assert [row["text"] for rows in feed.next().values() for row in rows] == [
        "TEXT 2. at 12:30 :noon 100%",
        "TEXT 3. at 12:30 :noon 100%",
    ]
    articles.execute("UPDATE articles SET changed_at = now() WHERE id = 3")
    assert list(feed.next()) == ["3"]


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM articles",
        "SELECT * FROM articles; DELETE FROM articles",
        "SELECT 1 AS id) AS x; COMMIT; DELETE FROM articles; SELECT * FROM (SELECT 1 AS id",
        "WITH gone AS (DELETE FROM articles RETURNING *) SELECT * FROM gone",
        "SELECT id, title, text, changed_at FROM emptied()",
        "SELECT * FROM articles FOR UPDATE",
        "SELECT * INTO copied FROM articles",
        "UPDATE articles SET text = ''",
        "",
    ],
)
def test_nothing_is_written_whatever_the_query_says(articles: Database, query: str) -> None:
    articles.execute(
        """CREATE FUNCTION emptied() RETURNS SETOF articles LANGUAGE sql
        AS $$ DELETE FROM articles RETURNING * $$"""
    )
    with pytest.raises(SourceUnavailable):
        read_everything(sql(articles.url, query=query, table="" if query else "x; DELETE FROM articles"))
    assert len(read_everything(sql(articles.url))) == 3


def test_a_table_of_another_schema_with_awkward_names_is_read(database: Database) -> None:
    database.execute(
        'CREATE SCHEMA "Press Office"',
        'CREATE TABLE "Press Office"."Select" ("Id" int, "order" text, "a%b:c" text, "changed AT" int)',
        """INSERT INTO "Press Office"."Select" VALUES (1, 'x', 'y', 1)""",
    )
    connector = sql(
        database.url,
        table="Press Office.Select",
        cursor="changed AT",
        keys=("Id",),
        columns=("Id", "order", "a%b:c"),
    )
    assert read_everything(connector) == {"1": [{"Id": 1, "order": "x", "a%b:c": "y"}]}


def test_only_the_columns_of_the_contract_are_fetched_and_one_that_is_not_there_is_left_out(articles: Database) -> None:
    articles.execute("ALTER TABLE articles ADD secret text DEFAULT 'never read'")
    with statements() as sent:
        found = read_everything(sql(articles.url, columns=("id", "text", "summary")))
    assert found["1"] == [{"id": 1, "text": "Text 1."}]
    assert not [statement for statement in sent if "secret" in statement]


def test_a_session_reads_only_and_in_utc(articles: Database) -> None:
    query = """SELECT 1 AS id, 1 AS changed_at, current_setting('transaction_read_only') AS title,
        current_setting('transaction_isolation') || ' ' || current_setting('timezone') || ' '
        || current_setting('statement_timeout') || ' ' || current_setting('application_name') AS text"""
    (row,) = read_everything(sql(articles.url, query=query, timeout_s=7))["1"]
    assert (row["title"], row["text"]) == ("on", "repeatable read UTC 7s rag-pipeline")


def test_a_view_is_read_like_a_table(articles: Database) -> None:
    articles.execute("CREATE VIEW shown AS SELECT id, title, text, changed_at FROM articles WHERE id < 3")
    assert list(read_everything(sql(articles.url, table="shown"))) == ["1", "2"]
