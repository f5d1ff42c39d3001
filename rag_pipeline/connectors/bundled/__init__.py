"""Documents every machine with Python already has. Each of them is a connector of its own."""

from functools import partial

from rag_pipeline.connectors.bundled.server import PROPERTIES, BundledServer, read
from rag_pipeline.feeds.kind import API, Kind

__all__ = ["BUNDLED", "BundledServer"]

BUNDLED = tuple(
    Kind(name=name, api=API, read=partial(read, name), properties=properties) for name, properties in PROPERTIES.items()
)
