"""Where files are: a local folder or a bucket of an object store, behind one interface."""

from pathlib import Path

from rag_pipeline.limits import Limits
from rag_pipeline.places.place import MIB, Content, Entry, Folder, Place, has_wildcard, too_large

__all__ = ["MIB", "Content", "Entry", "Folder", "Place", "has_wildcard", "place_of", "too_large"]


def place_of(path: Path | None, location: str, endpoint: str, limits: Limits, *, confined: bool) -> Place:
    """A folder, or where there is none what is below the URL of a bucket.

    Raises `SourceUnavailable` when it cannot even be set up.
    """
    if path is not None:
        return Folder(path, int(limits.max_mb * MIB), confined=confined)
    from rag_pipeline.places.bucket import Bucket  # here, since it takes a library that few sources need

    return Bucket(location, endpoint, limits)
