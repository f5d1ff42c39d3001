"""A table in files: JSON Lines, CSV or Parquet, on this machine or in a bucket."""

from rag_pipeline.connectors.placed import DOCUMENTS, TYPES, TYPES_BY_THEMSELVES
from rag_pipeline.connectors.placed_draft import SCHEMES
from rag_pipeline.connectors.table.draft import find
from rag_pipeline.connectors.table.server import Dialect, TableServer, read
from rag_pipeline.feeds.kind import API, Kind

__all__ = ["TABLE", "Dialect", "TableServer"]

TABLE = Kind(
    name="table",
    api=API,
    read=read,
    properties=("delimiter", "quoteCharacter", "maxMegabytes"),
    schemes=SCHEMES,
    find=find,
    types=TYPES,
    types_by_themselves=TYPES_BY_THEMSELVES,
    takes=lambda entry: entry.fields.get("format") != DOCUMENTS,
)
