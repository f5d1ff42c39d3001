"""A feed and its source, loaded night by night; each load is held to its own sums."""

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import pytest

from rag_pipeline.contracts.contract import Column, Contract, Role
from rag_pipeline.contracts.read import read_contract
from rag_pipeline.feeds.base import BrokenRow
from rag_pipeline.feeds.server import Server
from rag_pipeline.home import Home
from rag_pipeline.ingest.load import load_source
from rag_pipeline.ingest.report import LoadReport
from rag_pipeline.ingest.tables import SourceTables, source_tables
from tests.conftest import Workspace, column, files_contract, table_contract

NOW = datetime(2026, 3, 1, 2, tzinfo=UTC)


@dataclass
class Feed:
    """One source of a workspace: its contract, its files below `feed/`, its loads night after night."""

    clock: ClassVar[int] = 1_700_000_000_000_000_000
    workspace: Workspace
    source: str
    content: dict[str, Any]
    nights: int = 0
    home: Home = field(init=False)

    def __post_init__(self) -> None:
        self.home = self.workspace.home
        self.folder = self.workspace.root / "feed"
        self.folder.mkdir(exist_ok=True)

    def write(self, name: str, text: str | bytes) -> Path:
        """Write a file; its time of change is one of its own, so that no two edits look the same."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        Feed.clock += 1_000_000_000
        os.utime(path, ns=(Feed.clock, Feed.clock))
        return path

    def rows(self, name: str, rows: Iterable[Any]) -> Path:
        return self.write(name, "".join(json.dumps(row) + "\n" for row in rows))

    def load(self) -> LoadReport:
        """The next night: the counts of every load add up."""
        self.nights += 1
        contract = read_contract(self.workspace.contract(self.source, self.content))
        now = NOW + timedelta(days=self.nights)
        report = load_source(contract, self.home, run_id=f"night-{self.nights}", now=now)
        assert report.rows_in == report.good + report.refused + report.superseded
        assert report.documents == len(self.documents())
        assert report.open_refusals == len(self.quarantine("open"))
        assert not list(self.home.scratch.iterdir())
        return report

    @property
    def tables(self) -> SourceTables:
        return source_tables(self.home, self.source)

    def documents(self) -> dict[str, dict[str, Any]]:
        rows = self.tables.documents.scan().collect().to_dicts()
        assert len({row["document_id"] for row in rows}) == len(rows)
        return {row["key"]: row for row in rows}

    def texts(self) -> dict[str, str]:
        return {key: row["text"] for key, row in self.documents().items()}

    def quarantine(self, status: str | None = None) -> list[dict[str, Any]]:
        rows = self.tables.quarantine.scan().collect().sort("item", "row", "first_seen_at").to_dicts()
        return [row for row in rows if status in (None, row["status"])]


ServerKind = TypeVar("ServerKind", bound=Server)


def server_of(contract: Contract, kind: type[ServerKind]) -> ServerKind:
    """The server entry of a contract, which has to be of this kind."""
    assert isinstance(contract.server, kind)
    return contract.server


def given(contract: Contract, role: Role) -> Column:
    """The column of this role, which has to be there."""
    column = contract.column(role)
    assert column is not None
    return column


def whole(rows: Iterable[dict[str, Any] | BrokenRow]) -> Iterator[dict[str, Any]]:
    """The rows of an item, none of which may be broken."""
    for row in rows:
        assert isinstance(row, dict), row
        yield row


def limits(quarantine: float, drop: float) -> list[dict[str, Any]]:
    return [
        {"property": "quarantineMaxPercent", "value": quarantine},
        {"property": "volumeMaxDropPercent", "value": drop},
    ]


@pytest.fixture
def pages(workspace: Workspace) -> Feed:
    """A folder of pages that may lose everything but half."""
    return Feed(workspace, "handbook", files_contract(workspace.root / "feed", customProperties=limits(50, 50)))


@pytest.fixture
def table(workspace: Workspace) -> Feed:
    """A glob of JSON Lines files with a typed column, whose batch limits never hold it."""
    path = workspace.root / "feed" / "*.jsonl"
    content = table_contract(path, "jsonl", column("stars", logicalType="integer"), customProperties=limits(100, 100))
    return Feed(workspace, "reviews", content)


def row(key: Any, text: Any = "Owls hunt at night.", **more: Any) -> dict[str, Any]:
    return {"id": key, "text": text, **more}
