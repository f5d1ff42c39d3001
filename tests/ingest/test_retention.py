"""What is older than its contract allows is not kept: documents by their own date, refused rows since they were seen."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rag_pipeline.contracts.read import read_contract
from rag_pipeline.ingest.load import load_source
from rag_pipeline.ingest.report import LoadReport
from rag_pipeline.ingest.retention import EMPTIED
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


KINDS = [(None, "timestamp"), ("modified_at", "timestamp"), (None, "date"), ("modified_at", "date")]


@pytest.mark.parametrize(("role", "logical_type"), KINDS)
def test_documents_go_when_they_are_too_old_although_their_feed_did_not_change(
    workspace: Workspace, role: str | None, logical_type: str
) -> None:
    news = News(workspace, role, logical_type)
    news.rows = [dated("old", "2026-02-25"), dated("new", "2026-03-01"), dated("undated", None)]
    assert news.load(1).good == 3
    report = news.load(6)
    assert (report.removed, report.purged, report.items_read) == ((), 0, 0)
    report = news.load(7)
    assert (report.removed, report.purged) == (("news/old",), 1)
    assert news.keys() == {"new", "undated"}
    assert news.load(9).purged == 0


@pytest.mark.parametrize(("role", "logical_type"), KINDS)
def test_rows_that_are_too_old_when_they_come_are_counted_and_kept_nowhere(
    workspace: Workspace, role: str | None, logical_type: str
) -> None:
    news = News(workspace, role, logical_type, [dated("old", "2026-01-01"), dated("new", "2026-03-01")])
    report = news.load(1)
    assert (report.good, report.expired, report.open_refusals) == (1, 1, 0)
    assert news.keys() == {"new"}
    assert news.quarantine() == []


def test_a_row_is_kept_up_to_the_last_moment(workspace: Workspace) -> None:
    news = News(workspace, rows=[dated("edge", "2026-02-20T00:00:00Z"), dated("over", "2026-02-19T23:59:59Z")])
    assert (news.load(1).expired, news.keys()) == (1, {"edge"})


def test_an_open_refusal_loses_its_values_and_stays_open(workspace: Workspace) -> None:
    news = News(workspace, rows=[dated("1", "2026-03-01"), dated("2", "2026-03-01", stars="private words")])
    news.load(0)
    assert news.load(9).purged == 0
    report = news.load(11)
    (entry,) = news.quarantine()
    assert (entry["status"], entry["raw"], report.open_refusals) == ("open", EMPTIED, 1)
    assert "stars" in entry["reasons"]


def test_a_settled_refusal_goes_as_a_whole(workspace: Workspace) -> None:
    news = News(workspace, rows=[dated("1", "2026-03-05"), dated("2", "2026-03-05", stars="private words")], element=False)
    news.load(0)
    news.rows[1]["stars"] = 2
    news.load(1)
    assert [entry["status"] for entry in news.quarantine()] == ["resolved"]
    assert news.load(11).purged == 1
    assert news.quarantine() == []
    assert news.keys() == {"1", "2"}, "without a date of their own, documents are kept"
