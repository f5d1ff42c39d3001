"""A table or query of a database: only rows that changed are read, and rows that are gone are found."""

from rag_pipeline.connectors.sql.draft import find
from rag_pipeline.connectors.sql.server import DATABASES, SqlServer, read
from rag_pipeline.feeds.kind import API, Kind

__all__ = ["DATABASES", "SQL", "SqlServer"]

SQL = Kind(
    name="sql",
    api=API,
    read=read,
    properties=("query", "table", "cursor"),
    schemes=("*",),  # whatever SQLAlchemy has a dialect for
    find=find,
    takes_wishes=True,
    types=tuple(DATABASES),
)
