"""From a contract's `servers` entry to the connector that reads it."""

import difflib

from rag_pipeline.contracts.contract import Contract
from rag_pipeline.errors import ContractError
from rag_pipeline.ingest.connectors.base import BrokenRow, Connector, Item, Known, Named, Remark, Row
from rag_pipeline.ingest.connectors.bundled import BUNDLED
from rag_pipeline.ingest.connectors.files import Files
from rag_pipeline.ingest.connectors.table import Table
from rag_pipeline.settings import NO_SECRETS, Secrets

__all__ = ["BrokenRow", "Connector", "Item", "Known", "Named", "Remark", "Row", "connect"]


def connect(contract: Contract, secrets: Secrets = NO_SECRETS) -> Connector:
    """The connector a contract asks for.

    Raises `ContractError` for an unknown one, `SourceUnavailable` when it cannot even be set up.
    """
    server = contract.server
    match server.connector:
        case "files":
            return Files(server)
        case "table":
            return Table(server)
        case "sql":
            from rag_pipeline.ingest.connectors.sql import Sql

            columns = [column.found_as for column in contract.columns]
            keys = [column.found_as for column in contract.keys]
            return Sql(server, columns, keys, secrets.environment, contract.source)
        case "web":
            from rag_pipeline.ingest.connectors.web.connector import Web

            return Web(server)
        case "bundled":
            if server.bundled not in BUNDLED:
                close = difflib.get_close_matches(server.bundled, BUNDLED, n=1)
                hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(BUNDLED)}"
                raise ContractError(f"{contract.file}: servers[0]: unknown connector {server.bundled!r}; {hint}")
            return BUNDLED[server.bundled]()
