"""Builders for tests of the `sql` connector, and what the loader does with one, in small."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import Engine, event

from rag_pipeline.connectors import Item
from rag_pipeline.connectors.sql import SqlServer
from rag_pipeline.connectors.sql.connector import Sql
from rag_pipeline.errors import SourceUnavailable, Unreadable
from rag_pipeline.limits import Limits
from tests.support.postgres_server import ADMIN, PASSWORD, Database

COLUMNS = ("id", "title", "text")
CREDENTIALS = {"RAG_WIKI_USER": ADMIN, "RAG_WIKI_PASSWORD": PASSWORD}

SECRET = "s3cret-of-nobody"

TABLE = """CREATE TABLE articles (
    id bigint PRIMARY KEY, title text, text text, changed_at timestamptz
)"""


def sql(
    location: str,
    *,
    table: str = "",
    query: str = "",
    cursor: str = "changed_at",
    columns: Sequence[str] = COLUMNS,
    keys: Sequence[str] = ("id",),
    environment: Mapping[str, str] = CREDENTIALS,
    retries: int = 0,
    timeout_s: float = 20,
) -> Sql:
    limits = Limits(timeout_s=timeout_s, retries=retries)
    if not query and not table:
        table = "articles"
    server = SqlServer(location=location, table=table, query=query, cursor=cursor, limits=limits)
    return Sql(server, columns, keys, environment, "wiki")


def unknown(key: str) -> str | None:
    """No item was ever read."""
    return None


def listed(connector: Sql) -> dict[str, Item]:
    """All items; no two have the same key."""
    items = list(connector.items(unknown))
    assert len({item.key for item in items}) == len(items)
    return {item.key: item for item in items}


def read(connector: Sql, items: Sequence[Item]) -> dict[str, Any]:
    """An item's key -> its rows, or why it could not be read."""
    connector.expect(items)
    found: dict[str, Any] = {}
    for item in items:
        try:
            found[item.key] = list(connector.read(item))
        except Unreadable as error:
            found[item.key] = str(error)
    return found


def read_everything(connector: Sql) -> dict[str, Any]:
    return read(connector, list(listed(connector).values()))


@dataclass
class Nights:
    """Reads one feed night after night: what changed since the last, and what is gone."""

    connect: Callable[[], Sql]
    versions: dict[str, str] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)

    def next(self) -> dict[str, Any]:
        connector = self.connect()
        items = listed(connector)
        stale = [item for item in items.values() if self.versions.get(item.key) != item.version]
        self.gone = self.versions.keys() - items.keys()
        self.versions = {item.key: item.version for item in items.values()}
        return read(connector, stale)


def nights(database: Database, **changes: Any) -> Nights:
    return Nights(lambda: sql(database.url, **changes))


@contextmanager
def statements() -> Iterator[list[str]]:
    """Every statement that is sent to any database meanwhile."""
    with _heard("before_cursor_execute", lambda _connection, _cursor, statement, *_: statement) as sent:
        yield sent


@contextmanager
def logins() -> Iterator[list[Any]]:
    """Every connection that is made to any database meanwhile."""
    with _heard("engine_connect", lambda connection: connection) as made:
        yield made


@contextmanager
def _heard(name: str, told: Callable[..., Any]) -> Iterator[list[Any]]:
    heard: list[Any] = []

    def remember(*arguments: Any) -> None:
        heard.append(told(*arguments))

    event.listen(Engine, name, remember)
    try:
        yield heard
    finally:
        event.remove(Engine, name, remember)


def failure(act: Callable[[], Any]) -> SourceUnavailable:
    with pytest.raises(SourceUnavailable) as caught:
        act()
    error = caught.value
    assert error.__cause__ is None and error.__context__ is None, "a chained error would be printed with the driver's words"
    return error
