"""Pages of a web site: a sitemap or a list of addresses, fetched politely and only when they changed."""

from rag_pipeline.ingest.connectors.web.connector import Web

__all__ = ["Web"]
