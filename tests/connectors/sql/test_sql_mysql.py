"""MySQL through PyMySQL, as far as it can be told without a server: time-outs, and what its errors mean."""

import socket
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from rag_pipeline.connectors.sql.errors import Trouble, trouble_of
from tests.support.sql_nights import SECRET, failure, listed, sql

pymysql = pytest.importorskip("pymysql")


@pytest.mark.timeout(20)
def test_an_address_where_nobody_listens_or_nobody_answers_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        told = str(failure(lambda: listed(sql(f"mysql+pymysql://127.0.0.1:{port}/x", timeout_s=0.2))))
        assert "did not answer in time" in told
    told = str(failure(lambda: listed(sql(f"mysql+pymysql://127.0.0.1:{port}/x"))))
    assert told.startswith(
        f"the database mysql+pymysql://127.0.0.1:{port}/x could not be reached (OperationalError: connection"
    )
    assert "unknown host" in str(failure(lambda: listed(sql("mysql+pymysql://no-such-host.invalid/x"))))


@pytest.mark.parametrize(
    ("arguments", "cause", "passing"),
    [
        ((1045, f"Access denied for user 'x' (using password: {SECRET})"), "wrong user or password", False),
        ((1049, "Unknown database 'x'"), "no such database", False),
        ((1146, "Table 'x.y' doesn't exist"), "no such table", False),
        ((1054, "Unknown column 'z' in 'field list'"), "no such column", False),
        ((1142, "SELECT command denied to user"), "permission denied", False),
        ((1792, "Cannot execute statement in a READ ONLY transaction."), "it would write", False),
        ((1040, "Too many connections"), "it has no connection, memory or disk left to give", True),
        ((1213, "Deadlock found when trying to get lock"), "it is locked by another user", True),
        ((2006, "MySQL server has gone away"), "connection lost", True),
        ((2013, "Lost connection to MySQL server during query"), "connection lost", True),
        ((2013, "Lost connection to MySQL server during query (timed out)"), "stopped after {timeout} s, or by hand", False),
        ((2003, "Can't connect to MySQL server on 'h' (timed out)"), "no answer in time", True),
        ((4242, SECRET), "see its own log for why", False),
    ],
)
def test_its_errors_are_told_apart_by_number(arguments: tuple[Any, ...], cause: str, passing: bool) -> None:
    error = OperationalError("SELECT 1", {}, pymysql.err.OperationalError(*arguments))
    trouble = trouble_of(error)
    assert isinstance(trouble, Trouble)
    assert (trouble.cause, trouble.passing) == (cause, passing)
