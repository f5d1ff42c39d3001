"""A folder of documents, on this machine or in a bucket: one document a file, of every kind that is read."""

from rag_pipeline.connectors.files.draft import find
from rag_pipeline.connectors.files.server import FilesServer, read
from rag_pipeline.connectors.placed import DOCUMENTS, TYPES, TYPES_BY_THEMSELVES
from rag_pipeline.connectors.placed_draft import SCHEMES
from rag_pipeline.feeds.kind import API, Kind

__all__ = ["FILES", "FilesServer"]

FILES = Kind(
    name="files",
    api=API,
    read=read,
    properties=("include", "exclude", "maxMegabytes"),
    schemes=SCHEMES,
    find=find,
    types=TYPES,
    types_by_themselves=TYPES_BY_THEMSELVES,
    takes=lambda entry: entry.fields.get("format") == DOCUMENTS,
)
