"""Locks that all machines know: advisory locks of PostgreSQL, each held by a session of its own.

The twin of a lock of a file: the server frees it when its holder dies. A session may end under a process that lives (the
server was restarted), so what relies on a lock asks `check` before it publishes or removes anything.
"""

import logging
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Protocol

from rag_pipeline.errors import HomeUnreachable, LockLost, PipelineError

log = logging.getLogger("rag_pipeline")

_URL = re.compile(r"postgres(ql)?(\+\w+)?://")

_KEEPALIVE = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3, "connect_timeout": 10}


class Locks(Protocol):
    """Locks of one home."""

    @contextmanager
    def holding(self, name: str, wait_s: float) -> Iterator[bool]:
        """Hold a lock as the only machine; False where another still has it after `wait_s`, and nothing is held."""
        yield True

    def check(self) -> None:
        """Raises `LockLost` when a lock that this process holds is not held any more."""
        ...


class NoLocks:
    """For whoever only reads, and for tests with one process."""

    @contextmanager
    def holding(self, name: str, wait_s: float) -> Iterator[bool]:
        yield True

    def check(self) -> None:
        pass


class PostgresLocks:
    """`url`: a secret, which no message holds. `home`: what distinguishes the locks of one home from those of another."""

    def __init__(self, url: str, home: str) -> None:
        self._url, self._home = plain_url(url), home
        self._held: dict[int, tuple[str, Any]] = {}
        self._mutex = threading.Lock()

    @contextmanager
    def holding(self, name: str, wait_s: float) -> Iterator[bool]:
        session = self._session()
        try:
            if not self._take(session, name, wait_s):
                yield False
                return
            with self._mutex:
                self._held[id(session)] = (name, session)
            try:
                yield True
            finally:
                with self._mutex:
                    del self._held[id(session)]
        finally:
            with suppress(Exception):  # the server frees what a session held when it ends, whoever ends it
                session.close()

    def check(self) -> None:
        with self._mutex:
            held = list(self._held.values())
        for name, session in held:
            try:
                session.execute("SELECT 1")
            except Exception as error:
                raise LockLost(
                    f"the lock {name} of {self._home} was lost ({type(error).__name__}): PostgreSQL ended its session, so "
                    "another machine may write now. What was done until here stays; run the command again"
                ) from None

    def _take(self, session: Any, name: str, wait_s: float) -> bool:
        from psycopg.errors import LockNotAvailable

        lock = f"{self._home}\n{name}"
        try:
            if wait_s <= 0:
                row = session.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", (lock,)).fetchone()
                return bool(row[0])
            session.execute(f"SET lock_timeout = {max(1, int(wait_s * 1000))}")
            session.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", (lock,))
        except LockNotAvailable:
            return False
        except Exception as error:
            raise self._unreachable(error) from None
        return True

    def _session(self) -> Any:
        """A session of its own, which ends with this process. `idle_session_timeout` must not end it while it waits."""
        try:
            import psycopg
        except ImportError as error:
            raise PipelineError(
                "RAG_LOCKS names a PostgreSQL, and psycopg is not installed; pip install 'rag-pipeline[postgres]'"
            ) from error
        try:
            session = psycopg.connect(
                self._url,
                autocommit=True,
                application_name="rag_pipeline locks",
                **_KEEPALIVE,  # type: ignore[arg-type]
            )
            if session.info.server_version >= 140_000:
                session.execute("SET idle_session_timeout = 0")
        except Exception as error:
            raise self._unreachable(error) from None
        return session

    def _unreachable(self, error: BaseException) -> HomeUnreachable:
        """Its text may hold the address, so only its kind is passed on."""
        return HomeUnreachable(
            f"the PostgreSQL that RAG_LOCKS names does not give locks ({type(error).__name__}); check its address, user and "
            "password, and that it takes connections from here. Nothing is written without its locks"
        )


def plain_url(url: str) -> str:
    """The address of a PostgreSQL as its own library takes it, without the name of a driver."""
    return _URL.sub("postgresql://", url, count=1)


def is_postgres(url: str) -> bool:
    return bool(_URL.match(url))
