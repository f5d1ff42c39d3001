"""One read-only view of a database: connecting, time-outs, tries, and failures explained without the driver's words.

It only ever reads. Credentials come from the environment and appear in no message, log line or repr.
"""

import logging
import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import URL, Connection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from tenacity import RetryCallState, Retrying, retry_if_result, stop_after_attempt, wait_exponential

from rag_pipeline.connectors.sql.engine import SNAPSHOTS, engine_of, url_of
from rag_pipeline.connectors.sql.errors import VALUE, Trouble, kind_of, trouble_of
from rag_pipeline.connectors.sql.server import SqlServer
from rag_pipeline.errors import SourceUnavailable
from rag_pipeline.variables import credentials

log = logging.getLogger("rag_pipeline")

T = TypeVar("T")

_FAILURES = (DBAPIError, OSError, ValueError, ArithmeticError)
"""What drivers raise, by themselves or for a value Python cannot hold."""


class DatabaseFailed(SourceUnavailable):
    """A database could not be read. `trouble` is the kind of failure."""

    def __init__(self, message: str, trouble: Trouble) -> None:
        super().__init__(message)
        self.trouble = trouble


class Session:
    """A connection that opens when it is first needed, in one transaction where the database knows snapshots.

    `views` counts the transactions begun; `one_view` is whether all queries of one see the same rows.
    """

    def __init__(self, server: SqlServer, environment: Mapping[str, str], source: str) -> None:
        """Raises `SourceUnavailable` for a URL that is none, or a driver that is not installed."""
        names = credentials(source)
        self._hints = names | {"timeout": f"{server.limits.timeout_s:g}"}
        self._limits = server.limits
        url = url_of(server, environment, names)
        self.where = URL.create(url.drivername, None, None, url.host, url.port, url.database).render_as_string()
        self._engine = engine_of(url, server.limits)
        self._connection: Connection | None = None
        self.one_view = self._engine.dialect.name in SNAPSHOTS
        self.views = 0

    def run(self, work: Callable[[Connection], T], *, tries: int | None = None, goes_on: bool = False) -> T:
        """What `work` makes of an open connection; with a new one after a passing failure, as often as the limits say.

        Raises `DatabaseFailed`; the connection is closed by then, unless it `goes_on` after a value that cannot be read.
        """

        def attempt() -> T | _Failure:
            usable = False
            try:
                done = work(self._opened())
                usable = True
                return done
            except _FAILURES as error:
                # Its message, its traceback and the connection it may carry stay behind here.
                failure = _Failure(trouble_of(error), kind_of(error))
                usable = goes_on and failure.trouble is VALUE and self._end_view()
                return failure
            finally:
                if not usable:
                    self.close()

        retrying = Retrying(
            retry=retry_if_result(lambda outcome: isinstance(outcome, _Failure) and outcome.trouble.passing),
            stop=stop_after_attempt(tries or self._limits.retries + 1),
            wait=wait_exponential(multiplier=0.5, max=30),
            before_sleep=self._tell,
            retry_error_callback=_last_outcome,
        )
        outcome = retrying(attempt)
        if isinstance(outcome, _Failure):
            raise DatabaseFailed(self._words(outcome), outcome.trouble)
        return outcome

    def close(self) -> None:
        """Give the connection back. Safe to call at any time; `run` opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(SQLAlchemyError, OSError):  # of a server that has gone; the socket is closed all the same
                connection.close()

    def _end_view(self) -> bool:
        """Leave the transaction, which may be a failed one. Returns whether the connection can begin another."""
        try:
            if self._connection is not None:
                self._connection.rollback()
        except (SQLAlchemyError, OSError):
            return False
        return True

    def _opened(self) -> Connection:
        if self._connection is None:
            self._connection = self._engine.connect()
        if not self._connection.in_transaction():
            self.views += 1
            if self._engine.dialect.name == "postgresql":
                # Local to the transaction: set for the session they would stay behind in a pool such as PgBouncer's.
                milliseconds = math.ceil(self._limits.timeout_s * 1000)
                self._connection.exec_driver_sql(f"SET LOCAL statement_timeout = {milliseconds}")
                self._connection.exec_driver_sql("SET LOCAL TIME ZONE 'UTC'")
        return self._connection

    def _tell(self, state: RetryCallState) -> None:
        failure = state.outcome.result() if state.outcome else None
        if isinstance(failure, _Failure):
            log.warning("%s; trying again in %.1f s", self._words(failure), state.upcoming_sleep)

    def _words(self, failure: "_Failure") -> str:
        trouble = failure.trouble
        cause, fix = trouble.cause.format(**self._hints), trouble.fix.format(**self._hints)
        return f"the database {self.where} {trouble.happened} ({failure.kind}: {cause}); {fix}"


@dataclass(frozen=True, slots=True)
class _Failure:
    trouble: Trouble
    kind: str


def _last_outcome(state: RetryCallState) -> Any:
    return state.outcome.result() if state.outcome else None  # it is called after a try: there is one
