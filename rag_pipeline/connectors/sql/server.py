"""The server of a table or query of a database."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from rag_pipeline.feeds.base import Connector
from rag_pipeline.feeds.entry import Entry
from rag_pipeline.feeds.sample import Sample
from rag_pipeline.feeds.server import ReadContext, Server
from rag_pipeline.urls import dataset_at

DRIVERS = {"postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql", "mariadb": "mariadb+pymysql"}
"""Dialects -> the driver that is used where a URL names none."""

DATABASES = {
    "postgres": DRIVERS["postgresql"],
    "postgresql": DRIVERS["postgresql"],
    "mysql": DRIVERS["mysql"],
    "oracle": "oracle+oracledb",
    "sqlserver": "mssql+pymssql",
}
"""Types of server that are databases -> how SQLAlchemy calls them; others are reached as `custom` with a `location`."""

_SQLITE = "sqlite:///"


@dataclass(frozen=True, slots=True)
class SqlServer(Server):
    """A `table` or a `query` of the database at the URL `location`."""

    location: str
    table: str = ""
    query: str = ""
    cursor: str = ""
    """The column that changes with every change of a row."""

    @property
    def says(self) -> str:
        return self.location

    @property
    def judged(self) -> list[Any]:
        return ["sql", None, "", self.query, self.table]

    @property
    def dataset(self) -> tuple[str, str]:
        """A table is named below its database; what a query reads is not known, so it is the database."""
        namespace, database = dataset_at(self.location, self.kind)
        return namespace, f"{database}.{self.table}" if self.table else database

    @property
    def addresses(self) -> tuple[str, ...]:
        return (self.location,)

    def connect(self, context: ReadContext) -> Connector:
        from rag_pipeline.connectors.sql.connector import Sql

        return Sql(self, context.columns, context.keys, context.environment, context.source)

    def look(self, context: ReadContext) -> Sample:
        from rag_pipeline.connectors.sql.sample import look_at_rows

        return look_at_rows(self, context)


def read(entry: Entry) -> SqlServer:
    location = _location(entry)
    query, table = str(entry.custom.get("query") or ""), str(entry.custom.get("table") or "")
    if query and table:
        raise entry.fail("give a query or a table, not both")
    if query and not re.match(r"\s*(select|with)\b", query, re.IGNORECASE):
        raise entry.fail_property("query", "a query begins with SELECT or WITH; nothing else is run")
    if query and ";" in query.rstrip().rstrip(";"):
        raise entry.fail_property("query", "one query only; remove the semicolon inside it")
    if not query and not table:
        table = entry.table
    if not query and not table:
        raise entry.fail("say what to read: customProperties: property: table (or query), or the schema's physicalName")
    if table and "." not in table and entry.fields.get("schema"):
        table = f"{entry.fields['schema']}.{table}"
    cursor = str(entry.custom.get("cursor") or "")
    return SqlServer(location, table, query.rstrip().rstrip(";"), cursor)


def _location(entry: Entry) -> str:
    fields = entry.fields
    if entry.type in DATABASES:
        port = f":{fields['port']}" if fields.get("port") else ""
        location = f"{DATABASES[entry.type]}://{fields['host']}{port}/{quote(str(fields.get('database') or ''), safe='')}"
        if fields.get("serviceName"):
            location += f"?service_name={quote(str(fields['serviceName']), safe='')}"
        entry.refuse_secrets("host", location)
        return location
    location = entry.location()
    if not location.startswith(_SQLITE) or location.startswith(f"{_SQLITE}/"):
        return location
    return f"{_SQLITE}{quote(str(entry.path(Path(unquote(location.removeprefix(_SQLITE))))))}"
