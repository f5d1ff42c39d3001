"""Pages of a web site: a sitemap or a list of addresses, fetched politely and only when they changed."""

from rag_pipeline.connectors.web.draft import find
from rag_pipeline.connectors.web.server import WebServer, read
from rag_pipeline.feeds.kind import API, Kind
from rag_pipeline.urls import WEB as SCHEMES

__all__ = ["WEB", "WebServer"]

WEB = Kind(
    name="web", api=API, read=read, properties=("pages", "requestsPerSecond", "maxMegabytes"), schemes=SCHEMES, find=find
)
