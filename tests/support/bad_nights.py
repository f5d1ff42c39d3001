"""Nights of a suspect source with bad input of some kind, beside a healthy one; and what has to be told of it."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from rag_pipeline.contracts.contract import Contract
from rag_pipeline.contracts.read import read_contract
from rag_pipeline.ingest.load import load_source
from rag_pipeline.ingest.report import LoadReport
from rag_pipeline.ingest.tables import SourceTables, source_tables
from rag_pipeline.settings import load_secrets
from tests.conftest import Workspace, files_contract
from tests.support import bad_documents, bad_places, bad_rows, bad_tables, bad_values
from tests.support.bad_input import Ground, Kind, Told

FIRST = datetime(2026, 3, 1, 2, tzinfo=UTC)
SUSPECT, HEALTHY = "suspect", "healthy"

PARTS = (bad_documents.KINDS, bad_tables.KINDS, bad_values.KINDS, bad_rows.KINDS, bad_rows.AT_ONCE, bad_places.KINDS)
KINDS: dict[str, Kind] = {name: kind for part in PARTS for name, kind in part.items()}


@dataclass
class Nights:
    """Two sources of one workspace, night after night: the suspect one and a healthy one."""

    workspace: Workspace
    first: datetime = FIRST
    contracts: dict[str, Contract] = field(default_factory=dict)

    def contract(self, source: str, night: int, content: dict[str, Any] | None = None) -> Contract:
        if source == HEALTHY:
            content = files_contract(self.workspace.pages({"owls.md": f"Owls of night {night}.\n"}, HEALTHY))
        if source not in self.contracts:
            assert content is not None
            self.contracts[source] = read_contract(self.workspace.contract(source, content))
        return self.contracts[source]

    def load(self, source: str, night: int, content: dict[str, Any] | None = None) -> LoadReport:
        contract = self.contract(source, night, content)
        now = self.first + timedelta(days=night)
        return load_source(contract, self.workspace.home, run_id=f"night-{night}", now=now, secrets=load_secrets())

    def tables(self, source: str) -> SourceTables:
        return source_tables(self.workspace.home, source)

    def texts(self, source: str) -> dict[str, str]:
        rows = self.tables(source).documents.scan().select("key", "text").collect()
        return dict(rows.iter_rows())

    def refused(self, status: str = "open") -> list[dict[str, Any]]:
        rows = self.tables(SUSPECT).quarantine.scan().collect().to_dicts()
        return [row for row in rows if row["status"] == status]

    def told_in_history(self, source: str) -> dict[str, Any]:
        return self.tables(source).loads.scan().collect().sort("at").to_dicts()[-1]


def matches(told: Told, entry: dict[str, Any]) -> bool:
    reasons = json.loads(entry["reasons"])
    return (
        told.kind == entry["kind"]
        and told.item in ("", entry["item"])
        and told.value in entry["raw"]
        and any(
            (reason["rule"], reason["column"]) == (told.rule, told.column) and told.words in reason["message"]
            for reason in reasons
        )
    )


def assert_told(kind: Kind, entries: list[dict[str, Any]]) -> None:
    """Every entry is one that was expected, and every expected one is there."""
    left = list(entries)
    for told in kind.told:
        found = next((entry for entry in left if matches(told, entry)), None)
        assert found is not None, f"{told} is not among {[(e['kind'], e['item'], e['reasons']) for e in left]}"
        left.remove(found)
    assert not left, f"not expected: {[(entry['kind'], entry['item'], entry['reasons']) for entry in left]}"


def prepare(ground: Ground, workspace: Workspace) -> None:
    if ground.checks:
        folder = workspace.settings.contracts
        folder.mkdir(exist_ok=True)
        (folder / "checks.py").write_text(ground.checks, encoding="utf-8")
