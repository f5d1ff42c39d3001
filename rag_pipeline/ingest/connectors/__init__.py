"""From a contract's `servers` entry to the connector that reads it."""

import difflib

from rag_pipeline.contracts.contract import Contract
from rag_pipeline.errors import ContractError
from rag_pipeline.ingest.connectors.base import BrokenRow, Connector, Item, Row
from rag_pipeline.ingest.connectors.bundled import BUNDLED
from rag_pipeline.ingest.connectors.files import Files
from rag_pipeline.ingest.connectors.table import Table

__all__ = ["BrokenRow", "Connector", "Item", "Row", "connect"]


def connect(contract: Contract) -> Connector:
    """The connector a contract asks for.

    Raises `ContractError` for an unknown one, `SourceUnavailable` when it cannot even be set up.
    """
    server = contract.server
    if server.type == "custom":
        name = server.connector or ""
        if name not in BUNDLED:
            close = difflib.get_close_matches(name, BUNDLED, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(BUNDLED)}"
            raise ContractError(f"{contract.file}: servers[0]: unknown connector {name!r}; {hint}")
        return BUNDLED[name]()
    assert server.path is not None and server.format is not None, "read_contract lets no local server lack them"
    if server.format == "documents":
        return Files(server.path, server.pattern)
    return Table(server.path, server.format)
