"""Dates that can be read and hardly be meant are told, with examples; no row is refused for them."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from rag_pipeline.contracts.read import read_contract
from rag_pipeline.defs.source_checks import VALUES_CHECK, warnings
from rag_pipeline.ingest.load import load_source
from rag_pipeline.ingest.report import LoadReport
from rag_pipeline.ingest.state import source_state
from tests.conftest import Workspace, column, table_contract

NOW = datetime(2026, 11, 29, tzinfo=UTC)
USUAL = [f"20{year}-0{month}-1{month}" for year in (19, 23, 25) for month in range(1, 8)]


def loaded(
    workspace: Workspace, dates: list[str | None], *, name: str = "due", run: str = "night", **field: Any
) -> LoadReport:
    feed = workspace.root / "rows.jsonl"
    rows = [{"id": f"row-{number:02}", "text": f"text {number}", name: one} for number, one in enumerate(dates)]
    feed.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    found = column(name, **({"logicalType": "date"} | field))
    path = workspace.contract("table", table_contract(feed, "jsonl", found))
    report = load_source(read_contract(path), workspace.home, run_id=run, now=NOW)
    assert (report.outcome, report.refused) == ("accepted", 0)
    return report


@pytest.mark.parametrize(
    "stand_in",
    ["0001-01-01", "0101-05-01", "1900-01-01", "1899-12-30", "1970-01-01", "1753-01-01", "9999-12-31"],
)
def test_a_date_that_stands_for_none_is_told(workspace: Workspace, stand_in: str) -> None:
    (says,) = loaded(workspace, [*USUAL, stand_in, stand_in]).implausible
    year = stand_in[:4]
    assert says == f"due: 2 documents have a placeholder instead of a date: table/row-21 ({year}), table/row-22 ({year})"


@pytest.mark.parametrize("strange", ["1023-04-05", "1925-03-01", "2125-03-01", "2250-01-01"])
def test_a_date_of_another_century_is_told(workspace: Workspace, strange: str) -> None:
    (says,) = loaded(workspace, [*USUAL, strange]).implausible
    assert "1 documents have a year far from the others, of which most are about 2023: " in says
    assert f"table/row-21 ({strange[:4]})" in says


@pytest.mark.parametrize(
    "meant",
    [
        USUAL,
        [*USUAL, None],
        [f"19{year}-01-01" for year in range(66, 75)],
        [f"{year}-06-01" for year in range(1850, 2026, 7)],
        ["1850-01-01", "2020-01-01"],
        [*USUAL, "2031-01-01"],
        [],
    ],
    ids=["usual", "missing", "about 1970", "many centuries", "few", "due later", "none"],
)
def test_dates_that_may_be_meant_are_not(workspace: Workspace, meant: list[str | None]) -> None:
    assert loaded(workspace, [*meant, None]).implausible == ()


def test_a_column_of_nothing_but_stand_ins_is_told(workspace: Workspace) -> None:
    (says,) = loaded(workspace, ["1970-01-01"] * 4).implausible
    assert "4 documents have a placeholder instead of a date" in says
    assert says.endswith(" and 1 more")


def test_a_change_still_to_come_is_told(workspace: Workspace) -> None:
    found = column("changed", role="modified_at", logicalType="timestamp")
    times: list[str | None] = ["2026-11-28T10:00:00Z", "2026-11-29T23:00:00Z", "2027-02-01T10:00:00Z"]
    report = loaded(workspace, times, name="changed", **{key: found[key] for key in ("logicalType", "customProperties")})
    assert report.implausible == ("changed: 1 documents have a day in the future: table/row-02 (2027)",)


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00", "0001-01-01T00:00:00Z"])
def test_the_ends_of_time_are_no_trouble(workspace: Workspace, time: str) -> None:
    feed = workspace.root / "rows.jsonl"
    feed.write_text(json.dumps({"id": "a", "text": "b", "due": time}) + "\n", encoding="utf-8")
    path = workspace.contract("table", table_contract(feed, "jsonl", column("due", logicalType="timestamp")))
    load_source(read_contract(path), workspace.home, run_id="night", now=NOW)


@pytest.mark.parametrize(
    ("options", "date"), [({"minimum": "1000-01-01"}, "1023-04-05"), ({"maximum": "9999-12-31"}, "9999-12-31")]
)
def test_a_contract_that_sets_a_bound_has_decided(workspace: Workspace, options: dict[str, str], date: str) -> None:
    assert loaded(workspace, [*USUAL, date], logicalTypeOptions=options).implausible == ()


def test_it_is_told_on_the_asset_until_it_is_mended(workspace: Workspace) -> None:
    report = loaded(workspace, [*USUAL, "0001-01-01"])
    contract = read_contract(workspace.settings.contracts / "table.odcs.yaml")
    again = load_source(contract, workspace.home, run_id="next", now=NOW)
    assert (again.outcome, again.implausible) == ("unchanged", report.implausible)
    checks = {one.check_name: one for one in warnings(contract, again, source_state(contract, workspace.home, NOW))}
    assert not checks[VALUES_CHECK].passed
    assert "table/row-21 (0001)" in (checks[VALUES_CHECK].description or "")
    assert loaded(workspace, [*USUAL, "2025-01-01"], run="third").implausible == ()


def test_a_column_that_is_kept_as_a_hash_is_left_alone(workspace: Workspace) -> None:
    feed = workspace.root / "rows.jsonl"
    feed.write_text(json.dumps({"id": "a", "text": "b", "born": "1900-01-01"}) + "\n", encoding="utf-8")
    path = workspace.contract("table", table_contract(feed, "jsonl", column("born", logicalType="date", policy="drop")))
    assert load_source(read_contract(path), workspace.home, run_id="night", now=NOW).implausible == ()
