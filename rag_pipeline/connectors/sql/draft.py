"""A database at the URL a person typed, with the table or query that is wanted of it."""

from pathlib import Path
from typing import Any

from rag_pipeline.connectors.sql.server import DRIVERS
from rag_pipeline.errors import PipelineError
from rag_pipeline.feeds.draft import Address, Found, custom, path_for_contract
from rag_pipeline.urls import means_a_secret


def find(address: Address) -> Found | None:
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    place, wish = address.place, address.wish
    if place is None:
        return None
    try:
        url = make_url(place)
    except (ArgumentError, ValueError):
        url = None
    if url is None:  # raised out here: the text may hold a password, and would be in the traceback
        raise PipelineError(
            "that is neither a path nor a known URL; write a database as postgresql+psycopg://host:5432/database"
        )
    if url.username or url.password or any(map(means_a_secret, url.query)):
        raise PipelineError(
            "the database's URL holds credentials; take them out, and set RAG_<SOURCE>_USER and RAG_<SOURCE>_PASSWORD, "
            "with the source's name in capital letters (--source gives it one)"
        )
    if bool(wish.table) == bool(wish.query):
        raise PipelineError(f"{place}: say what to read from the database: --table schema.table, or --query 'SELECT …'")
    url = url.set(drivername=DRIVERS.get(url.drivername, url.drivername))
    schema, _, table = wish.table.rpartition(".")
    what = {"table": wish.table, "query": wish.query, "cursor": wish.cursor}
    entry: dict[str, Any] = {"server": "database"}
    plain = url.host and url.database and not url.query
    if plain and url.drivername == DRIVERS["postgresql"] and "." not in schema:
        host = {"host": url.host, "port": url.port or 5432, "database": url.database, "schema": schema or "public"}
        entry |= {"type": "postgres", **host}
        what["table"] = table
    elif plain and url.drivername == DRIVERS["mysql"]:
        entry |= {"type": "mysql", "host": url.host, "port": url.port or 3306, "database": url.database}
    else:
        if url.drivername.startswith("sqlite"):
            url = url.set(database=path_for_contract(_file(url.database), address.folder))
        entry |= {"type": "custom", "location": url.render_as_string(hide_password=False)}
        what = {"connector": "sql", **what}
    entry["customProperties"] = custom(what)
    name = table or Path(url.database or "").stem or str(url.host)
    return Found(entry, name, table or "rows", wish.cursor)


def _file(database: str | None) -> Path:
    if not database or ":memory:" in database:
        raise PipelineError("a database in memory is gone before it can be read; name a file: sqlite:///file.db")
    if not Path(database).is_file():
        raise PipelineError(f"{database}: no such file; a file's URL is sqlite:///relative.db or sqlite:////absolute.db")
    return Path(database)
