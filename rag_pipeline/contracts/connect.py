"""From a contract to the reader of its feed."""

from rag_pipeline.connectors import Connector, ReadContext, open_feed
from rag_pipeline.contracts.contract import Contract
from rag_pipeline.settings import NO_SECRETS, Secrets


def connect(contract: Contract, secrets: Secrets = NO_SECRETS) -> Connector:
    """The connector a contract asks for.

    Raises `ContractError` for one that is not here or does not work, `SourceUnavailable` when it cannot even be set up.
    """
    return open_feed(contract.server, read_context(contract, secrets))


def read_context(contract: Contract, secrets: Secrets) -> ReadContext:
    """What a connector is told of the contract it reads for."""
    columns = tuple(column.found_as for column in contract.columns)
    keys = tuple(column.found_as for column in contract.keys)
    return ReadContext(contract.source, columns, keys, secrets.environment)
