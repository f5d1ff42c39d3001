"""`rag traffic page`: it says where the page lies, and what it counted."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from rag_pipeline.home_mark import claim_home
from rag_pipeline.report.traffic_page import page_of
from rag_pipeline.traffic.ingest import ingest
from tests.conftest import Workspace
from tests.support.asked_rows import asked, segment
from tests.support.command_line import as_json, pipeline, rag

__all__ = ["pipeline"]


def test_the_page_is_written_and_told(
    pipeline: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    claim_home(pipeline.settings)
    now = datetime.now(UTC)
    segment(pipeline.home, [asked(number, timestamp=now) for number in range(3)])
    ingest(pipeline.home, "queries", now, days=90)
    code, out, _ = rag(monkeypatch, capsys, "traffic", "page", "--json")
    assert (code, as_json(out)) == (0, {"path": str(page_of(pipeline.home)), "questions": 3})
    code, out, _ = rag(monkeypatch, capsys, "traffic", "page")
    assert (code, Path(out.strip())) == (0, page_of(pipeline.home))
    assert "how do I copy" not in page_of(pipeline.home).read_text(), "RAG_QUERY_TEXT is off here"
