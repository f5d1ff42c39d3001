"""Where files lie: a local folder or a bucket of an object store, behind one interface."""

from rag_pipeline.ingest.connectors.places.place import (
    MIB,
    Content,
    Entry,
    Folder,
    Place,
    has_wildcard,
    place_of,
    too_large,
)

__all__ = ["MIB", "Content", "Entry", "Folder", "Place", "has_wildcard", "place_of", "too_large"]
