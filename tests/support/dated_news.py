"""A feed of news with dates, whose contract says how long each is kept."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from rag_pipeline.contracts.read import read_contract
from rag_pipeline.ingest.load import load_source
from rag_pipeline.ingest.report import LoadReport
from rag_pipeline.ingest.tables import source_tables
from tests.conftest import Workspace, column, table_contract
from tests.support.feeds import limits

DAY_ZERO = datetime(2026, 3, 1, tzinfo=UTC)


@dataclass
class News:
    """A table whose rows may be kept for ten days by their date; `role`: of the column that holds it."""

    workspace: Workspace
    role: str | None = None
    logical_type: str = "timestamp"
    rows: list[dict[str, Any]] = field(default_factory=list)
    element: bool = True

    def load(self, day: int) -> LoadReport:
        file = self.workspace.root / "news.jsonl"
        text = "".join(json.dumps(row) + "\n" for row in self.rows)
        if not file.exists() or file.read_text() != text:
            file.write_text(text)
        promise = {"property": "retention", "value": 10, "unit": "d"} | ({"element": "rows.at"} if self.element else {})
        at = column("at", role=self.role, logicalType=self.logical_type)
        stars = column("stars", logicalType="integer")
        content = table_contract(file, "jsonl", at, stars, slaProperties=[promise], customProperties=limits(100, 100))
        contract = read_contract(self.workspace.contract("news", content))
        now = DAY_ZERO + timedelta(days=day)
        report = load_source(contract, self.workspace.home, run_id=f"day-{day}", now=now)
        assert report.rows_in == report.good + report.refused + report.superseded + report.expired
        return report

    def keys(self) -> set[str]:
        return set(source_tables(self.workspace.home, "news").documents.scan().collect()["key"])

    def quarantine(self) -> list[dict[str, Any]]:
        return source_tables(self.workspace.home, "news").quarantine.scan().collect().to_dicts()


def dated(key: str, at: str | None, **more: Any) -> dict[str, Any]:
    return {"id": key, "text": f"News {key}.", "at": at, **more}
