"""What language models may cost: reserved before a call at its worst, settled after it, for all replicas of a home together.

One transaction each, in books that all replicas share: an SQLite file below `RAG_HOME`, or the PostgreSQL of the locks where
the home lies in a bucket (`shared_books`). What a process reserved that was killed stays reserved, so that a budget is never
exceeded; it is free again the next day (UTC).
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from rag_pipeline.answer.config import NANO, Limits

_WAIT_S = 10
_KEPT = timedelta(days=40)
_MOST_NANO = 2**60
"""More than anything costs, and less than what a column holds."""

TABLES = """
CREATE TABLE IF NOT EXISTS spent (
    number {number} PRIMARY KEY,
    day TEXT NOT NULL,
    query TEXT NOT NULL,
    payer TEXT NOT NULL,
    tenants TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    nano BIGINT NOT NULL,
    settled INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS spent_by_day ON spent (day);
CREATE TABLE IF NOT EXISTS shared (day TEXT NOT NULL, tenant TEXT NOT NULL, number BIGINT NOT NULL);
CREATE INDEX IF NOT EXISTS shared_by_day ON shared (day, tenant);
"""
"""`number`: the type that counts up by itself."""


class BooksUnreachable(OSError):
    """The books cannot be opened. Its text holds no address."""


class Entries(Protocol):
    """Books that are open, for one transaction."""

    def rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """What a statement gives; `?` stands for each value."""
        ...


class Books(Protocol):
    """Where it is kept what was reserved and spent. Raises `OSError` or `sqlite3.Error` when that cannot be told."""

    def alone(self) -> AbstractContextManager[Entries]:
        """A transaction beside which nobody else has one. What an exception leaves is undone."""
        ...


@dataclass(frozen=True, slots=True)
class FileBooks:
    """Books in a file of this machine, for any number of threads and processes; each opens the file for itself."""

    file: Path

    @contextmanager
    def alone(self) -> Iterator[Entries]:
        with closing(sqlite3.connect(self.file, timeout=_WAIT_S, isolation_level=None)) as base:
            base.executescript(TABLES.format(number="INTEGER"))
            base.execute("BEGIN IMMEDIATE")
            yield _InFile(base)
            base.execute("COMMIT")


@dataclass(frozen=True, slots=True)
class _InFile:
    base: sqlite3.Connection

    def rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        return self.base.execute(statement, values).fetchall()


JUDGE = "judge|"
"""Who pays for opinions of a judge model; no principal is called so. What it spends and what answers cost limit each other
nowhere."""


@dataclass(frozen=True, slots=True)
class Payer:
    """Who asks, which question it is, and what of the tenants' labels he may read."""

    id: str
    query: str
    reads: frozenset[str]


class Budget:
    """For any number of threads and processes."""

    def __init__(self, books: Books, limits: Limits, now: Callable[[], datetime]) -> None:
        self._books, self._limits, self._now = books, limits, now

    def reserve(self, payer: Payer, endpoint: str, nano: int) -> int | None:
        """The number of a reservation, or None where it could exceed any limit. Raises `OSError` or `sqlite3.Error`."""
        now = self._now()
        day, limits = f"{now:%Y-%m-%d}", self._limits
        tenants = sorted(payer.reads & limits.tenants.keys())
        with self._books.alone() as books:

            def spent(where: str, *values: str) -> int:
                return int(books.rows(f"SELECT coalesce(sum(nano), 0) FROM spent WHERE {where}", *values)[0][0])

            held = [
                (spent(f"day = ? AND {_kin(payer.id)}", day), limits.usd_per_day),
                (spent("query = ?", payer.query), limits.usd_per_query),
                *(
                    (
                        spent("number IN (SELECT number FROM shared WHERE day = ? AND tenant = ?)", day, tenant),
                        limits.tenants[tenant],
                    )
                    for tenant in tenants
                ),
            ]
            if limits.usd_per_day_each is not None:
                held.append((spent("day = ? AND payer = ?", day, payer.id), limits.usd_per_day_each))
            if any(already + nano > int(most * NANO) for already, most in held):
                return None
            row = (day, payer.query, payer.id, " ".join(tenants), endpoint, nano)
            columns = "day, query, payer, tenants, endpoint, nano, settled"
            made = books.rows(f"INSERT INTO spent ({columns}) VALUES (?, ?, ?, ?, ?, ?, 0) RETURNING number", *row)
            number = int(made[0][0])
            for tenant in tenants:
                books.rows("INSERT INTO shared VALUES (?, ?, ?)", day, tenant, number)
            old = f"{now - _KEPT:%Y-%m-%d}"
            books.rows("DELETE FROM spent WHERE day < ?", old)
            books.rows("DELETE FROM shared WHERE day < ?", old)
            return number

    def settle(self, number: int, nano: int) -> None:
        """What a call really cost: no more than was reserved for it, whatever a server says."""
        cost = min(max(0, nano), _MOST_NANO)
        less = "UPDATE spent SET nano = CASE WHEN nano < ? THEN nano ELSE ? END, settled = 1 WHERE number = ?"
        with self._books.alone() as books:
            books.rows(less, cost, cost, number)

    def spent_today(self, of: str = "") -> int:
        """Billionths of a dollar, reserved and settled: for answers, or where `of` is `JUDGE` for opinions on them."""
        day = f"{self._now():%Y-%m-%d}"
        with self._books.alone() as books:
            said = books.rows(f"SELECT coalesce(sum(nano), 0) FROM spent WHERE day = ? AND {_kin(of)}", day)
            return int(said[0][0])


def _kin(payer: str) -> str:
    """The condition on rows that count against the same day."""
    return f"payer {'=' if payer == JUDGE else '<>'} '{JUDGE}'"
