"""The server of a source that every machine with Python already has: nothing but its name."""

from dataclasses import dataclass
from typing import Any

from rag_pipeline.feeds.base import Connector
from rag_pipeline.feeds.entry import Entry
from rag_pipeline.feeds.server import ReadContext, Server

NAMES = ("python_language", "python_library", "installed_packages")


@dataclass(frozen=True, slots=True)
class BundledServer(Server):
    """`name`: which of them."""

    name: str

    @property
    def says(self) -> str:
        return self.name

    @property
    def dataset(self) -> tuple[str, str]:
        return "bundled", self.name

    @property
    def judged(self) -> list[Any]:
        return ["bundled", None, self.name, "", ""]

    def connect(self, context: ReadContext) -> Connector:
        from rag_pipeline.connectors.bundled.connector import BUNDLED

        return BUNDLED[self.name]()


def read(name: str, entry: Entry) -> BundledServer:
    return BundledServer(name)
