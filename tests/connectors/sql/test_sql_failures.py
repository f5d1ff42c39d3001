"""What can go wrong with a database: told in plain words, without a password or a value, and nothing is left open."""

import logging
import re
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from rag_pipeline.connectors.sql import SqlServer
from rag_pipeline.connectors.sql.connector import Sql
from rag_pipeline.errors import SourceUnavailable
from tests.support.feeds import whole
from tests.support.postgres_server import ADMIN, PASSWORD, Database, Postgres, end_sessions, wait_until_sleeping
from tests.support.sql_nights import SECRET, TABLE, failure, listed, read, read_everything, sql, statements, unknown


@pytest.fixture
def at_the_first_retry() -> Iterator[Callable[[Callable[[], None]], None]]:
    """Do something in the pause before a second try: the connector logs that there will be one."""
    log = logging.getLogger("rag_pipeline")
    handlers: list[logging.Handler] = []

    def arrange(act: Callable[[], None]) -> None:
        class Once(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                if "trying again" in record.getMessage():
                    log.removeHandler(self)
                    act()

        handlers.append(Once())
        log.addHandler(handlers[-1])

    yield arrange
    for handler in handlers:
        log.removeHandler(handler)


# --------------------------------------------------------------------------------------------------- the server is away


def test_a_server_that_is_not_there_is_named_and_tried_as_often_as_the_limits_say(
    articles: Database, caplog: pytest.LogCaptureFixture
) -> None:
    connector = sql(articles.url, retries=1)
    articles.server.stop()
    told = str(failure(lambda: listed(connector)))
    assert told == (
        f"the database {articles.url} could not be reached (OperationalError: connection refused); "
        "start it, or fix where the contract says it is"
    )
    assert [record.getMessage().count("trying again") for record in caplog.records] == [1]


def test_a_server_that_comes_back_in_time_is_read(
    articles: Database, at_the_first_retry: Callable[[Callable[[], None]], None]
) -> None:
    articles.server.stop()
    at_the_first_retry(articles.server.start)
    assert len(read_everything(sql(articles.url, retries=1))) == 3


def test_a_server_that_stops_while_it_lists_ends_the_listing(articles: Database) -> None:
    connector = sql(articles.url, query="SELECT *, pg_sleep(60) FROM articles")
    failures: list[SourceUnavailable] = []
    listing = threading.Thread(target=lambda: failures.append(failure(lambda: listed(connector))))
    listing.start()
    wait_until_sleeping(articles)
    articles.server.stop()
    listing.join(20)
    assert re.search(r"broke off|could not be reached", str(failures[0]))


def test_a_server_that_stops_between_listing_and_reading_ends_the_reading(articles: Database) -> None:
    connector = sql(articles.url)
    items = list(listed(connector).values())
    articles.server.stop()
    assert "connection lost" in str(failure(lambda: read(connector, items)))


@pytest.mark.parametrize("cursor", ["changed_at", ""])
def test_a_server_that_was_restarted_between_listing_and_reading_is_read_in_a_new_view(
    articles: Database, cursor: str, at_the_first_retry: Callable[[Callable[[], None]], None]
) -> None:
    connector = sql(articles.url, retries=1, cursor=cursor)
    items = list(listed(connector).values())
    articles.execute("DELETE FROM articles WHERE id = 2", "UPDATE articles SET text = 'New.' WHERE id = 3")
    articles.server.stop()
    at_the_first_retry(articles.server.start)
    found = [row["text"] for rows in read(connector, items).values() for row in rows]
    assert found == ["Text 1.", "New."], "the row that is gone yields nothing"


def test_a_session_the_server_ended_between_two_batches_is_followed_by_another(database: Database) -> None:
    database.execute(TABLE, "INSERT INTO articles SELECT n, 't', 'x', now() FROM generate_series(1, 700) n")
    connector = sql(database.url, retries=1)
    items = list(connector.items(unknown))
    connector.expect(items)
    found = [row["id"] for item in items[:100] for row in whole(connector.read(item))]
    end_sessions(database)
    found += [row["id"] for item in items[100:] for row in whole(connector.read(item))]
    assert sorted(found) == list(range(1, 701))


def test_a_session_that_ends_in_the_middle_of_a_table_read_as_a_whole_is_told(database: Database) -> None:
    database.execute(TABLE, "INSERT INTO articles SELECT n, 't', 'x', now() FROM generate_series(1, 5000) n")
    connector = sql(database.url, cursor="", retries=3)
    (item,) = listed(connector).values()
    rows = iter(connector.read(item))
    next(rows)
    end_sessions(database)
    assert "connection lost" in str(failure(lambda: list(rows)))


@pytest.mark.timeout(20)
def test_an_address_where_nobody_answers_is_given_up_after_the_time_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        connector = sql(f"postgresql+psycopg://127.0.0.1:{port}/x", timeout_s=0.2)
        assert "no answer in time" in str(failure(lambda: listed(connector)))


@pytest.mark.parametrize(
    ("host", "cause"), [("no-such-host.invalid", "unknown host"), ("127.0.0.1:1", "connection refused")]
)
def test_a_wrong_address_is_told(host: str, cause: str) -> None:
    connector = sql(f"postgresql+psycopg://{host}/x")
    assert cause in str(failure(lambda: listed(connector)))


# ------------------------------------------------------------------------------------------------- the server refuses


@pytest.mark.parametrize(
    "environment",
    [
        {"RAG_WIKI_USER": ADMIN, "RAG_WIKI_PASSWORD": SECRET},
        {"RAG_WIKI_USER": "nobody-of-that-name", "RAG_WIKI_PASSWORD": SECRET},
        {"RAG_WIKI_USER": ADMIN},
    ],
)
def test_a_wrong_password_is_told_and_shown_nowhere(
    articles: Database, environment: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with statements() as sent:
        connector = sql(articles.url, environment=environment, retries=2)
        error = failure(lambda: listed(connector))
    assert "refused the login (OperationalError: wrong user or password)" in str(error)
    assert "set RAG_WIKI_USER and RAG_WIKI_PASSWORD" in str(error)
    shown = f"{error!r} {vars(error)} {connector!r} {caplog.text} {sent}"
    assert SECRET not in shown and PASSWORD not in shown and "nobody-of-that-name" not in shown
    assert "trying again" not in caplog.text, "a wrong password does not become right"


def test_the_whole_url_may_come_from_the_environment_and_is_shown_without_its_secrets(
    articles: Database, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    whole = articles.url.replace("://", f"://{ADMIN}:{PASSWORD}@")
    connector = sql("postgresql+psycopg://elsewhere/x", environment={"RAG_WIKI_URL": whole, "RAG_WIKI_USER": "ignored"})
    assert len(read_everything(connector)) == 3
    wrong = articles.url.replace("://", f"://{ADMIN}:{SECRET}@") + f"?password={SECRET}"
    error = failure(lambda: listed(sql("", environment={"RAG_WIKI_URL": wrong})))
    assert articles.url in str(error)
    assert SECRET not in f"{error!r} {caplog.text}" and PASSWORD not in caplog.text


def test_the_variables_are_named_after_the_source() -> None:
    server = SqlServer(location="postgresql+psycopg://127.0.0.1:1/x", table="t")
    told = str(failure(lambda: Sql(server, ("id",), ("id",), {"RAG_TEAM_WIKI_2_URL": "nonsense"}, "team-wiki.2")))
    assert told.startswith("RAG_TEAM_WIKI_2_URL is not the URL of a database")


def test_a_user_without_the_right_to_read_is_told(articles: Database) -> None:
    articles.execute("DROP ROLE IF EXISTS guest", f"CREATE ROLE guest LOGIN PASSWORD '{SECRET}'")
    environment = {"RAG_WIKI_USER": "guest", "RAG_WIKI_PASSWORD": SECRET}
    told = str(failure(lambda: listed(sql(articles.url, environment=environment))))
    assert "permission denied); grant SELECT to the user in RAG_WIKI_USER" in told
    articles.execute("GRANT SELECT (id, text, changed_at) ON articles TO guest")
    assert "permission denied" in str(failure(lambda: listed(sql(articles.url, environment=environment))))
    articles.execute("GRANT SELECT ON articles TO guest")
    assert len(read_everything(sql(articles.url, environment=environment))) == 3
    articles.execute("DROP OWNED BY guest", "DROP ROLE guest")


def test_a_server_that_is_full_is_tried_again(
    articles: Database, at_the_first_retry: Callable[[Callable[[], None]], None]
) -> None:
    articles.execute("ALTER DATABASE " + articles.name + " CONNECTION LIMIT 0", "DROP ROLE IF EXISTS reader")
    articles.execute(f"CREATE ROLE reader LOGIN PASSWORD '{SECRET}'", "GRANT SELECT ON articles TO reader")
    environment = {"RAG_WIKI_USER": "reader", "RAG_WIKI_PASSWORD": SECRET}
    assert "could not be reached" in str(failure(lambda: listed(sql(articles.url, environment=environment))))
    at_the_first_retry(lambda: articles.execute(f"ALTER DATABASE {articles.name} CONNECTION LIMIT -1"))
    assert len(read_everything(sql(articles.url, environment=environment, retries=1))) == 3
    articles.execute("DROP OWNED BY reader", "DROP ROLE reader")


def test_a_database_that_does_not_exist_is_told(postgres: Postgres, database: Database) -> None:
    told = str(failure(lambda: listed(sql(f"postgresql+psycopg://127.0.0.1:{postgres.port}/nosuch"))))
    assert "no such database); check `database` or `location` in the contract" in told
