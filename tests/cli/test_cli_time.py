"""Wrong clocks and values from the future, as the command line tells them; and an export that was cut short."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rag_pipeline.contracts.read import read_contract
from rag_pipeline.ingest.load import load_source
from rag_pipeline.ingest.tables import source_tables
from tests.conftest import Workspace, column, table_contract
from tests.support.command_line import as_json, rag
from tests.support.old_versions import grow_older, needed, on_disk

Patch = pytest.MonkeyPatch
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def rows(workspace: Workspace, monkeypatch: Patch) -> Path:
    """A source whose age is told by a column, behind the command line."""
    for name in ("home", "contracts", "evals"):
        monkeypatch.setenv(f"RAG_{name.upper()}", str(getattr(workspace.settings, name)))
    feed = workspace.root / "rows.jsonl"
    at = column("at", logicalType="timestamp")
    promise = {"property": "freshness", "value": 48, "unit": "h", "element": "rows.at"}
    workspace.contract("rows", table_contract(feed, "jsonl", at, slaProperties=[promise]))
    return feed


def write(feed: Path, count: int, **dates: str) -> None:
    now = datetime.now(UTC).isoformat()
    words = [
        {"id": f"{n}", "text": f"Owls hunt at night, says page {n}.", "at": dates.get(f"r{n}", now)} for n in range(count)
    ]
    feed.write_text("".join(json.dumps(one) + "\n" for one in words), encoding="utf-8")


def load(workspace: Workspace, now: datetime, run: str = "r") -> None:
    contract = read_contract(workspace.root / "contracts" / "rows.odcs.yaml")
    assert not load_source(contract, workspace.home, run_id=run, now=now).held


def test_status_tells_values_from_the_future_and_a_clock_that_leapt(
    workspace: Workspace, rows: Path, monkeypatch: Patch, capsys: Capture
) -> None:
    write(rows, 3, r0="2062-01-01T00:00:00Z", r1="2026-01-01T00:00:00Z", r2="2026-01-02T00:00:00Z")
    load(workspace, datetime(2026, 1, 3, tzinfo=UTC))
    found = as_json(rag(monkeypatch, capsys, "status", "--json")[1])
    (source,) = found["sources"]
    assert (source["within_sla"], source["values_from_the_future"]) == (False, 1)
    assert source["as_of"].startswith("2026-01-02") and source["age_hours"] > 0
    assert source["late_because"].endswith("h old, its contract allows 48 h")
    assert "days after the last time that was believed (2026-01-03 00:00)" in found["clock_doubt"]
    out = " ".join(rag(monkeypatch, capsys, "status")[1].split())
    assert "rows: 1 values that tell its age lie in the future and do not count" in out
    assert "`rag gc --clock-is-right` confirms it" in out


def test_the_collection_removes_no_version_while_the_clock_is_not_believed(
    workspace: Workspace, rows: Path, monkeypatch: Patch, capsys: Capture
) -> None:
    then = datetime.now(UTC) - timedelta(days=365)
    for count in (5, 4):
        write(rows, count)
        load(workspace, then)
    grow_older(workspace.home, 365)
    table = source_tables(workspace.home, "rows").documents
    old = on_disk(table) - needed(table)
    assert old
    code, out, _ = rag(monkeypatch, capsys, "gc", "--json")
    told = as_json(out)
    assert (code, told["table_files"]) == (0, 0)
    assert "365 days after the last time that was believed" in told["clock_doubt"]
    assert on_disk(table) >= old
    told = as_json(rag(monkeypatch, capsys, "gc", "--clock-is-right", "--json")[1])
    assert told["clock_doubt"] == ""
    assert told["table_files"] >= len(old)
    assert not on_disk(table) & old
    marked = json.loads(workspace.home.clock.read_text(encoding="utf-8"))
    assert marked["by"] == workspace.settings.actor


def test_a_clock_is_believed_in_a_home_only(workspace: Workspace, rows: Path, monkeypatch: Patch, capsys: Capture) -> None:
    """Else the folder would hold a file and no mark, and the first refresh would take it for somebody else's."""
    code, _, err = rag(monkeypatch, capsys, "gc", "--clock-is-right")
    assert (code, "there is no pipeline home at" in err) == (1, True)
    assert not workspace.home.root.exists()


@pytest.mark.slow
def test_a_refresh_tells_an_export_that_was_cut_short(
    workspace: Workspace, rows: Path, monkeypatch: Patch, capsys: Capture
) -> None:
    workspace.golden("questions", {"when do owls hunt": ["rows/1"]})
    workspace.policy({"questions": {"floors": {}, "not_worse": None}}, latency={"p95_ms": 60_000})
    write(rows, 40)
    code, out, err = rag(monkeypatch, capsys, "refresh", "--json")
    assert code == 0, out + err
    serves = as_json(out)["production"]
    write(rows, 25)
    code, out, _ = rag(monkeypatch, capsys, "refresh", "--json")
    told = as_json(out)
    assert (code, told["production"]) == (3, serves)
    checks = {one["check"]: one for one in told["failed_checks"]}
    assert checks["volume_is_as_usual"]["severity"] == "WARN"
    assert "15 of 40 documents left with this load (37.5 %)" in checks["volume_is_as_usual"]["description"]
    assert "source rows: it has 25 documents, 37.5 % less than the 40" in checks["candidate_meets_the_policy"]["description"]
    write(rows, 40)
    code, out, _ = rag(monkeypatch, capsys, "refresh", "--json")
    assert (code, as_json(out)["failed_checks"]) == (0, [])
