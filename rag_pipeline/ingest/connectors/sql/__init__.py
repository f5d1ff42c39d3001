"""A table or query of a database: only rows that changed are read, rows that are gone are found."""

from rag_pipeline.ingest.connectors.sql.connector import Sql

__all__ = ["Sql"]
