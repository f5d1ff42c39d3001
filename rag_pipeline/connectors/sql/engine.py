"""A database's engine, from a contract and the environment: which driver, whose credentials, what time-outs.

Nothing here repeats a URL or an error of a driver: either may hold a password.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, NullPool, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from rag_pipeline.connectors.sql.server import SqlServer
from rag_pipeline.errors import SourceUnavailable
from rag_pipeline.limits import Limits
from rag_pipeline.urls import means_a_secret

SNAPSHOTS = ("postgresql", "mysql", "mariadb")
"""Dialects in which a long read transaction is one view and stops no writer. SQLite's would stop them all."""

_EXTRAS = {"psycopg": "postgres", "pymysql": "mysql"}


def url_of(server: SqlServer, environment: Mapping[str, str], names: Mapping[str, str]) -> URL:
    """The database's URL with the credentials of the environment. Raises `SourceUnavailable` when there is none."""
    whole = environment.get(names["url"])
    try:
        url = make_url(whole or server.location)
    except (ArgumentError, ValueError):
        url = None
    if url is None:  # raised out here, so that the text that was no URL is in no traceback
        raise SourceUnavailable(
            f"{names['url'] if whole else '`location` in the contract'} is not the URL of a database; "
            "write it as postgresql+psycopg://host:5432/database"
        )
    if whole:
        return url
    if url.username or url.password or any(map(means_a_secret, url.query)):
        raise SourceUnavailable(
            f"`location` in the contract holds credentials; take them out and set {names['user']} and {names['password']}"
        )
    return url.set(username=environment.get(names["user"]) or None, password=environment.get(names["password"]) or None)


def engine_of(url: URL, limits: Limits) -> Engine:
    """An engine whose connections only read and are closed when given back.

    Raises `SourceUnavailable` when its dialect or driver is not installed.
    """
    fix = ""
    try:
        engine = create_engine(
            _read_only(url),
            poolclass=NullPool,
            pool_reset_on_return=None,
            hide_parameters=True,
            connect_args=_connect_args(url, limits),
            **({"isolation_level": "REPEATABLE READ"} if url.get_backend_name() in SNAPSHOTS else {}),
        )
    except NoSuchModuleError:
        fix = "no such dialect is installed; use postgresql+psycopg, mysql+pymysql or sqlite, or pip install the dialect"
    except ImportError as error:
        driver = url.get_driver_name()
        extra = _EXTRAS.get(driver)
        name = f"'rag-pipeline[{extra}]'" if extra else error.name or driver
        fix = f"its driver {driver} is not installed: pip install {name}"
    except (ArgumentError, TypeError, ValueError):
        fix = "a part of its URL does not belong there; write it as postgresql+psycopg://host:5432/database"
    if not fix and engine.dialect.is_async:
        fix = "its driver is an asynchronous one; use postgresql+psycopg or mysql+pymysql"
    if fix:
        raise SourceUnavailable(f"{url.drivername} databases cannot be read here: {fix}")
    event.listen(engine, "connect", lambda connection, _: _prepare(engine, connection))
    return engine


def _read_only(url: URL) -> URL:
    """SQLite makes an empty file of one that is missing, unless told not to."""
    if url.get_backend_name() != "sqlite" or not url.database or url.database.startswith((":memory:", "file:")):
        return url
    return url.set(database=Path(url.database).absolute().as_uri(), query={**url.query, "mode": "ro", "uri": "true"})


def _connect_args(url: URL, limits: Limits) -> dict[str, Any]:
    """Time-outs of each driver, in seconds unless it says otherwise. A driver that is not here has none but its own."""
    seconds = max(1, math.ceil(limits.timeout_s))
    libpq = {
        "connect_timeout": seconds,
        "fallback_application_name": "rag-pipeline",
        "keepalives_idle": 30,  # a server that vanished without a word is noticed after about a minute
        "keepalives_interval": 10,
        "keepalives_count": 3,
        "tcp_user_timeout": 60_000,  # ms
    }
    sockets = {"connect_timeout": seconds, "read_timeout": seconds, "write_timeout": seconds}
    arguments: dict[str, dict[str, Any]] = {
        "psycopg": {**libpq, "prepare_threshold": None},  # PgBouncer may send the next statement elsewhere
        "psycopg2": libpq,
        "pg8000": {"timeout": seconds},
        "pymysql": sockets,
        "mysqldb": sockets,
        "pysqlite": {"timeout": limits.timeout_s},
        "pyodbc": {"timeout": seconds},
        "pymssql": {"login_timeout": seconds, "timeout": seconds},
    }
    return arguments.get(url.get_driver_name(), {})


def _prepare(engine: Engine, connection: Any) -> None:
    """Settings of every new connection: read only, and times in UTC."""
    if engine.dialect.name == "sqlite":
        connection.text_factory = _text
    elif engine.dialect.name == "postgresql":
        engine.dialect.set_readonly(connection, True)  # type: ignore[attr-defined]  # noqa: FBT003
    elif engine.dialect.name in SNAPSHOTS:
        with connection.cursor() as cursor:
            cursor.execute("SET SESSION TRANSACTION READ ONLY")
            cursor.execute("SET SESSION time_zone = '+00:00'")
            cursor.execute("SET SESSION net_write_timeout = 3600")  # it hangs up on who reads a long result slowly


def _text(content: bytes) -> str | bytes:
    """SQLite stores what it is given as text; one value that is none must not end the whole query."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content
