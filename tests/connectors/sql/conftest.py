"""One PostgreSQL server for all tests of the `sql` connector, and an empty database for each."""

from collections.abc import Iterator

import pytest

from tests.support.postgres_server import Database, Postgres
from tests.support.sql_nights import TABLE


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    server = Postgres()
    yield server
    server.remove()


@pytest.fixture
def database(postgres: Postgres) -> Iterator[Database]:
    """An empty database; no connection to it may be left behind."""
    if not postgres.running():
        postgres.start()
    made = postgres.database()
    yield made
    if not postgres.running():
        postgres.start()
    made.wait_for_no_connection()


@pytest.fixture
def articles(database: Database) -> Database:
    """A database with a table of three articles."""
    database.execute(TABLE)
    rows = [(number, f"Title {number}", f"Text {number}.", f"2026-01-0{number} 12:00+00") for number in (1, 2, 3)]
    database.insert("articles", rows)
    return database
