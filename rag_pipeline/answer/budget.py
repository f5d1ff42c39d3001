"""What language models may cost: reserved before a call at its worst, settled after it, for all replicas of a home together.

One SQLite file below `RAG_HOME`, one transaction each. What a process reserved that was killed stays reserved, so that a
budget is never exceeded; it is free again the next day (UTC).
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from rag_pipeline.answer.config import NANO, Limits

_WAIT_S = 10
_KEPT = timedelta(days=40)

_TABLE = """
CREATE TABLE IF NOT EXISTS spent (
    number INTEGER PRIMARY KEY,
    day TEXT NOT NULL,
    query TEXT NOT NULL,
    payer TEXT NOT NULL,
    tenants TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    nano INTEGER NOT NULL,
    settled INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS spent_by_day ON spent (day);
CREATE TABLE IF NOT EXISTS shared (day TEXT NOT NULL, tenant TEXT NOT NULL, number INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS shared_by_day ON shared (day, tenant);
"""


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
    """For any number of threads and processes; each call opens the file for itself."""

    def __init__(self, file: Path, limits: Limits, now: Callable[[], datetime]) -> None:
        self._file, self._limits, self._now = file, limits, now

    def reserve(self, payer: Payer, endpoint: str, nano: int) -> int | None:
        """The number of a reservation, or None where it could exceed any limit. Raises `OSError` or `sqlite3.Error`."""
        now = self._now()
        day, limits = f"{now:%Y-%m-%d}", self._limits
        tenants = sorted(payer.reads & limits.tenants.keys())
        with self._open() as base:
            base.execute("BEGIN IMMEDIATE")

            def spent(where: str, *values: str) -> int:
                return int(base.execute(f"SELECT coalesce(sum(nano), 0) FROM spent WHERE {where}", values).fetchone()[0])

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
                base.execute("ROLLBACK")
                return None
            row = (day, payer.query, payer.id, " ".join(tenants), endpoint, nano)
            number = base.execute(
                "INSERT INTO spent (day, query, payer, tenants, endpoint, nano, settled) VALUES (?, ?, ?, ?, ?, ?, 0)", row
            ).lastrowid
            base.executemany("INSERT INTO shared VALUES (?, ?, ?)", [(day, tenant, number) for tenant in tenants])
            old = f"{now - _KEPT:%Y-%m-%d}"
            base.execute("DELETE FROM spent WHERE day < ?", (old,))
            base.execute("DELETE FROM shared WHERE day < ?", (old,))
            base.execute("COMMIT")
            return number

    def settle(self, number: int, nano: int) -> None:
        """What a call really cost: no more than was reserved for it, whatever a server says."""
        with self._open() as base:
            base.execute("UPDATE spent SET nano = min(nano, max(0, ?)), settled = 1 WHERE number = ?", (nano, number))

    def spent_today(self, of: str = "") -> int:
        """Billionths of a dollar, reserved and settled: for answers, or where `of` is `JUDGE` for opinions on them."""
        with self._open() as base:
            day, where = f"{self._now():%Y-%m-%d}", f"SELECT coalesce(sum(nano), 0) FROM spent WHERE day = ? AND {_kin(of)}"
            return int(base.execute(where, (day,)).fetchone()[0])

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self._file, timeout=_WAIT_S, isolation_level=None)) as base:
            base.executescript(_TABLE)
            yield base


def _kin(payer: str) -> str:
    """The condition on rows that count against the same day."""
    return f"payer {'=' if payer == JUDGE else '<>'} '{JUDGE}'"
