"""Kinds of sources: one folder each, which owns its server entry, its reader, its sampler and how a draft writes it.

What is listed here is what a connector in a package of its own may use (docs/connectors.md), with the errors of
`rag_pipeline.errors`.
"""

from rag_pipeline.errors import Named
from rag_pipeline.feeds.base import BrokenRow, Connector, Item, Known, ReadOtherwise, Remark, Row
from rag_pipeline.feeds.draft import Address, DatabaseWish, Found, custom, path_for_contract
from rag_pipeline.feeds.entry import Entry
from rag_pipeline.feeds.guard import look_at, open_feed
from rag_pipeline.feeds.kind import API, GROUP, Kind
from rag_pipeline.feeds.sample import Sample, look_at_items
from rag_pipeline.feeds.server import ReadContext, Server
from rag_pipeline.limits import Limits

__all__ = [
    "API",
    "GROUP",
    "Address",
    "BrokenRow",
    "Connector",
    "DatabaseWish",
    "Entry",
    "Found",
    "Item",
    "Kind",
    "Known",
    "Limits",
    "Named",
    "ReadContext",
    "ReadOtherwise",
    "Remark",
    "Row",
    "Sample",
    "Server",
    "custom",
    "look_at",
    "look_at_items",
    "open_feed",
    "path_for_contract",
]
