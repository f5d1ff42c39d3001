"""The server of a contract whose connector is not here, or does not work: the contract is read, and its source is held."""

from dataclasses import dataclass
from typing import Any

from rag_pipeline.errors import ContractError
from rag_pipeline.feeds.base import Connector
from rag_pipeline.feeds.server import ReadContext, Server


@dataclass(frozen=True, slots=True)
class UnusableServer(Server):
    """`name`: the connector the contract names; `why`: what is wrong with it, and where the contract names it."""

    name: str
    why: str

    @property
    def says(self) -> str:
        return self.name

    @property
    def problem(self) -> str:
        return self.why

    @property
    def judged(self) -> list[Any]:
        return ["bundled", None, self.name, "", ""]

    def connect(self, context: ReadContext) -> Connector:
        raise ContractError(self.why)
