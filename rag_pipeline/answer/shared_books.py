"""The books of a home in a bucket: two tables in the PostgreSQL that RAG_LOCKS names, in a schema of the home's own."""

import hashlib
import logging
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

from rag_pipeline.answer.budget import TABLES, BooksUnreachable, Entries
from rag_pipeline.storage.locks import plain_url

log = logging.getLogger("rag_pipeline")

_TIMES = "-c lock_timeout=10s -c statement_timeout=10s -c idle_in_transaction_session_timeout=30s"


class SharedBooks:
    """For any number of machines; each call has a session for itself. `url`: a secret. `home`: whose books they are."""

    def __init__(self, url: str, home: str) -> None:
        self._url = plain_url(url)
        self.schema = f"rag_spent_{hashlib.sha256(home.encode()).hexdigest()[:16]}"

    def check(self) -> None:
        """Tell in the log when they cannot be kept: until they can, no model is asked."""
        try:
            with self.alone():
                pass
        except BooksUnreachable as error:
            log.warning("%s", error)

    @contextmanager
    def alone(self) -> Iterator[Entries]:
        import psycopg

        try:
            session = psycopg.connect(
                self._url, application_name="rag_pipeline budget", connect_timeout=5, options=_TIMES, autocommit=True
            )
            # Not repeatable read, whatever the server's default is: a sum must see what the holder before committed.
            with closing(session), session.transaction():
                session.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
                session.execute("SET LOCAL synchronous_commit = on")
                session.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (self.schema,))
                self._enter(session)
                yield _InTransaction(session)
        except psycopg.Error as error:
            raise BooksUnreachable(
                f"the PostgreSQL that RAG_LOCKS names does not keep what models cost ({type(error).__name__}), so none is "
                f"asked until it does; check that it takes connections, and that its user may make the schema {self.schema} "
                "or owns it"
            ) from None

    def _enter(self, session: Any) -> None:
        """Have the tables, and let names without a schema mean those."""
        there = session.execute("SELECT to_regclass(%s), to_regnamespace(%s)", (f"{self.schema}.shared", self.schema))
        table, schema = there.fetchone()
        if schema is None:
            session.execute(f"CREATE SCHEMA {self.schema}")
        session.execute(f"SET LOCAL search_path = {self.schema}")
        if table is None:
            session.execute(TABLES.format(number="BIGINT GENERATED ALWAYS AS IDENTITY"))


@dataclass(frozen=True, slots=True)
class _InTransaction:
    session: Any

    def rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        found = self.session.execute(statement.replace("?", "%s"), values)
        return list(found.fetchall()) if found.description else []
