"""A table in files at the address a person typed."""

from rag_pipeline.connectors.placed_draft import find_placed
from rag_pipeline.feeds.draft import Address, Found


def find(address: Address) -> Found | None:
    return find_placed(address, "table", documents=False)
