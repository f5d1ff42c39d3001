"""Books of many machines: a budget in PostgreSQL holds as it does in a file, whoever dies, whatever the server is like."""

import asyncio
import multiprocessing
import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from rag_pipeline.answer.budget import Budget, FileBooks, Payer
from rag_pipeline.answer.config import NANO, Limits
from rag_pipeline.answer.shared_books import SharedBooks
from rag_pipeline.answer.write import Wanted, Writer, Written
from tests.support.lying_model import PASSAGES, config, endpoint, lying_model
from tests.support.postgres_server import ADMIN, PASSWORD, Database, Postgres

NOW = datetime(2026, 3, 1, tzinfo=UTC)
HOME = "s3://bucket/home"


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    running = Postgres(connections=60)
    try:
        yield running
    finally:
        running.remove()


@pytest.fixture
def database(server: Postgres) -> Database:
    database = server.database()
    with server.connect(database.name) as admin:
        for (schema,) in admin.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'rag_spent_%'").fetchall():
            admin.execute(f"DROP SCHEMA {schema} CASCADE")
    return database


def url_of(database: Database, user: str = ADMIN, driver: str = "") -> str:
    return f"postgresql{driver}://{user}:{PASSWORD}@127.0.0.1:{database.server.port}/{database.name}"


def replica(database: Database, limits: Limits, home: str = HOME) -> Budget:
    return Budget(SharedBooks(url_of(database), home), limits, lambda: NOW)


def limits(**most: Any) -> Limits:
    return Limits(**{"usd_per_day": 1.0, "usd_per_query": 1.0} | most)


@pytest.mark.parametrize("isolation", ["read committed", "repeatable read"])
@pytest.mark.parametrize("limit", ["usd_per_day", "usd_per_day_each", "tenants"])
def test_two_hundred_who_ask_at_once_at_three_replicas_never_exceed_a_budget(
    database: Database, limit: str, isolation: str
) -> None:
    database.execute(f"ALTER DATABASE {database.name} SET default_transaction_isolation = '{isolation}'")
    most: Any = 12 * 500 / NANO
    said = limits(**{limit: {"acme": most} if limit == "tenants" else most})
    replicas = [replica(database, said) for _ in range(3)]

    def ask(number: int) -> int | None:
        return replicas[number % 3].reserve(Payer("k_1", f"q{number}", frozenset({"acme"})), "x", 500)

    with ThreadPoolExecutor(24) as threads:
        got = [number for number in threads.map(ask, range(200)) if number is not None]
    assert len(got) == len(set(got)) == 12
    assert replicas[0].spent_today() == 12 * 500
    replicas[1].settle(got[0], 100)
    replicas[2].settle(got[1], 10**30)
    assert replicas[0].spent_today() == 12 * 500 - 400, "no more than was reserved, whatever a server says"
    assert ask(999) is None and replicas[2].reserve(Payer("k_1", "q", frozenset({"acme"})), "x", 400) is not None


def _spend(url: str, told: Any) -> None:
    own = Budget(SharedBooks(url, HOME), limits(), lambda: NOW)
    for number in range(10_000):
        own.reserve(Payer("k_1", f"{os.getpid()} {number}", frozenset()), "x", 7)
        told.value += 1


def test_what_a_killed_process_reserved_stays_and_nobody_waits_for_it(database: Database) -> None:
    context, own = multiprocessing.get_context("spawn"), replica(database, limits())
    known = 0
    for _ in range(3):
        told = context.Value("i", 0)
        process = context.Process(target=_spend, args=(url_of(database), told))
        process.start()
        deadline = time.monotonic() + 120
        while told.value < 5:
            assert time.monotonic() < deadline
            time.sleep(0.001)
        assert process.pid
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        known += told.value
        assert known <= own.spent_today() / 7 <= known + 3, "one more of each, which it was not told any more"
    assert own.reserve(Payer("k_2", "q", frozenset()), "x", 7) is not None


def test_homes_of_one_server_have_books_of_their_own(database: Database) -> None:
    said = limits(usd_per_day=10 / NANO)
    one, two = replica(database, said), replica(database, said, "s3://bucket/other")
    payer = Payer("k", "q", frozenset())
    assert one.reserve(payer, "x", 10) is not None and one.reserve(payer, "x", 1) is None
    assert two.spent_today() == 0 and two.reserve(payer, "x", 10) is not None


def test_a_user_who_may_make_nothing_needs_a_schema_and_is_told_its_name(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    with suppress(psycopg.errors.DuplicateObject):
        database.execute(f"CREATE ROLE small LOGIN PASSWORD '{PASSWORD}'")
    books = SharedBooks(url_of(database, "small", "+psycopg"), HOME)
    books.check()
    assert "InsufficientPrivilege" in caplog.text and books.schema in caplog.text and PASSWORD not in caplog.text
    database.execute(f"CREATE SCHEMA {books.schema} AUTHORIZATION small")
    own = Budget(books, limits(), lambda: NOW)
    assert own.reserve(Payer("k", "q", frozenset()), "x", 5) is not None
    assert own.spent_today() == 5


def test_no_model_is_asked_while_the_books_cannot_be_opened(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> tuple[int, Written]:
        async with lying_model() as model:
            said, result = config(endpoint(model, timeout_ms=60_000)), Written()
            gone = url_of(database).replace(str(database.server.port), "1")
            writer = Writer(said, Budget(SharedBooks(gone, HOME), said.budget, lambda: NOW))
            seen = {one.name: PASSAGES for one in said.models}
            until = asyncio.get_running_loop().time() + 60
            asked = Wanted("how many days", "english", seen, Payer("k", "q", frozenset()), until)
            assert [one async for one in writer.sentences(asked, result)] == []
            return len(model.asked), result

    pytest.importorskip("openai")
    asked, result = asyncio.run(story())
    assert asked == 0 and "nobody can say what was spent" in " ".join(result.why_not)
    assert "RAG_LOCKS" in caplog.text and PASSWORD not in caplog.text


def test_books_that_were_begun_when_there_was_but_one_kind_are_gone_on_with(tmp_path: Path) -> None:
    file = tmp_path / "spent.sqlite"
    with closing(sqlite3.connect(file)) as base:
        base.executescript(
            "CREATE TABLE spent (number INTEGER PRIMARY KEY, day TEXT NOT NULL, query TEXT NOT NULL, payer TEXT NOT NULL,"
            " tenants TEXT NOT NULL, endpoint TEXT NOT NULL, nano INTEGER NOT NULL, settled INTEGER NOT NULL);"
            "CREATE TABLE shared (day TEXT NOT NULL, tenant TEXT NOT NULL, number INTEGER NOT NULL);"
            "INSERT INTO spent VALUES (7, '2026-03-01', 'q1', 'k', '', 'x', 6, 1);"
        )
    own = Budget(FileBooks(file), limits(usd_per_day=10 / NANO), lambda: NOW)
    assert own.spent_today() == 6
    assert own.reserve(Payer("k", "q2", frozenset()), "x", 5) is None
    assert own.reserve(Payer("k", "q2", frozenset()), "x", 4) == 8
