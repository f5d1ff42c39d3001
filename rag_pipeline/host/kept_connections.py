"""Dagster's SQLite files, opened once for a run instead of once for each question to them.

Dagster makes an engine and opens the file for every event it writes and every row it asks for, and closes it again:
570 times on a night on which nothing changed. SQLite carries its whole write-ahead log over at each close, and SQLAlchemy
compiles every statement anew. Here the engine of a file stays, with one connection to it, until the run is over.

What is written, when it is committed and how it is synced stay as Dagster has them: every event is a transaction of its own.
Nothing of this touches a storage of another kind, or one that somebody else has changed already.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import dagster as dg
from alembic.config import Config
from alembic.script import ScriptDirectory
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.runs.sqlite.sqlite_run_storage import SqliteRunStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from sqlalchemy import create_engine, event
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import QueuePool

_PAGES = 100
"""Pages of the write-ahead log after which SQLite carries it over, 400 kB: a file that is closed late must not need more
room on a full disk than one that is closed at once. SQLite's own default is 1,000."""


@contextmanager
def opened_instance() -> Iterator[dg.DagsterInstance]:
    """The instance of DAGSTER_HOME, for a command: its files are kept open, and its migrations are read once."""
    with _migrations_read_once(), dg.DagsterInstance.get() as instance, kept_connections(instance):
        yield instance


@contextmanager
def kept_connections(instance: dg.DagsterInstance) -> Iterator[None]:
    """Keep the files of an instance open meanwhile."""
    engines, changed = _Engines(), list[tuple[dict[str, Any], str]]()
    events, runs = instance.event_log_storage, instance.run_storage
    events, runs = getattr(events, "_storage", events), getattr(runs, "_storage", runs)
    if type(events) is SqliteEventLogStorage and "_connect" not in vars(events):
        vars(events)["_connect"] = _shards(events, engines)
        changed.append((vars(events), "_connect"))
    if type(runs) is SqliteRunStorage and "connect" not in vars(runs):
        vars(runs)["connect"] = _whole(runs, engines)
        changed.append((vars(runs), "connect"))
    try:
        yield
    finally:
        for attributes, name in changed:
            del attributes[name]
        engines.close()


def _shards(events: SqliteEventLogStorage, engines: "_Engines") -> Callable[[str], AbstractContextManager[Connection]]:
    """What `SqliteEventLogStorage._connect` does: a file for each run is made where there is none, one thread at a time."""

    @contextmanager
    def connect(shard: str) -> Iterator[Connection]:
        with events._db_lock:
            engine = engines.of(events.conn_string_for_shard(shard), {"timeout": SQLITE_BUSY_TIMEOUT_SECONDS})
            if shard not in events._initialized_dbs:
                events._initdb(engine)
                events._initialized_dbs.add(shard)
            with engine.connect() as connection, connection.begin():
                yield connection

    return connect


def _whole(runs: SqliteRunStorage, engines: "_Engines") -> Callable[[], AbstractContextManager[Connection]]:
    """What `SqliteRunStorage.connect` does."""

    @contextmanager
    def connect() -> Iterator[Connection]:
        with engines.of(runs._conn_string, {}).connect() as connection, connection.begin():
            yield connection

    return connect


@contextmanager
def _migrations_read_once() -> Iterator[None]:
    """Dagster asks for each of its files which version of its tables is the newest, and loads 90 scripts to find out."""
    known: dict[str | None, ScriptDirectory] = {}
    read: Callable[[Config], ScriptDirectory] = ScriptDirectory.from_config

    def from_config(config: Config) -> ScriptDirectory:
        place = config.get_main_option("script_location")
        if place not in known:
            known[place] = read(config)
        return known[place]

    own = vars(ScriptDirectory)["from_config"]
    ScriptDirectory.from_config = from_config  # type: ignore[method-assign]
    try:
        yield
    finally:
        ScriptDirectory.from_config = own  # type: ignore[method-assign]


class _Engines:
    """One engine for each file. One connection of it waits for its next use; more are opened where threads ask at once."""

    def __init__(self) -> None:
        self._made: dict[str, Engine] = {}
        self._lock = threading.Lock()

    def of(self, address: str, arguments: dict[str, Any]) -> Engine:
        with self._lock:
            engine = self._made.get(address)
            if engine is None:
                engine = create_engine(address, poolclass=QueuePool, pool_size=1, max_overflow=-1, connect_args=arguments)
                event.listen(engine, "connect", _carry_over_soon)
                self._made[address] = engine
            return engine

    def close(self) -> None:
        with self._lock:
            for engine in self._made.values():
                engine.dispose()
            self._made.clear()


def _carry_over_soon(connection: Any, _record: object) -> None:
    connection.execute(f"PRAGMA wal_autocheckpoint={_PAGES}")
