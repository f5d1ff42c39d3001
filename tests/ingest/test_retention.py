"""What is older than its contract allows is not kept: documents by their own date, refused rows since they were seen."""

import pytest

from rag_pipeline.ingest.retention import EMPTIED
from tests.conftest import Workspace
from tests.support.dated_news import News, dated

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
