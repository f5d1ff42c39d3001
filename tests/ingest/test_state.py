"""What is known of a source without reading it again: age against its promise, and its quality rules."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rag_pipeline.contracts.contract import Contract
from rag_pipeline.contracts.read import read_contract
from rag_pipeline.ingest.load import load_source
from rag_pipeline.ingest.quality import measure_quality
from rag_pipeline.ingest.state import SourceState, source_state
from tests.conftest import Workspace, column, table_contract

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def store(workspace: Workspace, *extra: dict[str, Any], rows: Iterable[dict[str, Any]], **changes: Any) -> Contract:
    """Load rows through a contract with these further columns."""
    return store_as(workspace, table_contract(workspace.root / "rows.jsonl", "jsonl", *extra, **changes), rows)


def store_as(workspace: Workspace, content: dict[str, Any], rows: Iterable[dict[str, Any]]) -> Contract:
    feed = workspace.root / "rows.jsonl"
    feed.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    contract = read_contract(workspace.contract("rows", content))
    assert not load_source(contract, workspace.home, run_id="r1", now=NOW).held
    return contract


def state_after(contract: Contract, workspace: Workspace, **later: float) -> SourceState:
    return source_state(contract, workspace.home, NOW + timedelta(**later))


def promise(**fields: Any) -> dict[str, Any]:
    return {"slaProperties": [{"property": "freshness", "value": 48, "unit": "h", **fields}]}


ROW = {"id": "a", "text": "Owls hunt at night."}


def test_a_source_that_was_never_loaded_keeps_no_promise(workspace: Workspace) -> None:
    contract = read_contract(workspace.contract("rows", table_contract("rows.jsonl", "jsonl")))
    state = source_state(contract, workspace.home, NOW)
    assert state.outcome == "never loaded"
    assert (state.as_of, state.age_hours, state.loaded_at, state.documents) == (None, None, None, 0)
    assert not state.within_sla


def test_without_a_promise_any_age_will_do(workspace: Workspace) -> None:
    contract = store(workspace, rows=[ROW], slaProperties=[])
    assert state_after(contract, workspace, days=999).within_sla


@pytest.mark.parametrize(("hours", "within"), [(0, True), (47.9, True), (48, True), (48.1, False)])
def test_a_latency_promise_counts_from_the_last_load(workspace: Workspace, hours: float, within: bool) -> None:
    contract = store(workspace, rows=[ROW])
    state = state_after(contract, workspace, hours=hours)
    assert state.age_hours == pytest.approx(hours)
    assert state.within_sla is within


def test_a_load_that_changes_nothing_makes_the_source_young_again(workspace: Workspace) -> None:
    contract = store(workspace, rows=[ROW])
    later = NOW + timedelta(hours=100)
    assert load_source(contract, workspace.home, run_id="r2", now=later).outcome == "unchanged"
    state = source_state(contract, workspace.home, later)
    assert (state.outcome, state.age_hours, state.as_of) == ("unchanged", 0, later)


def test_a_held_load_does_not_make_the_source_younger(workspace: Workspace) -> None:
    contract = store(workspace, rows=[ROW])
    (workspace.root / "rows.jsonl").unlink()
    later = NOW + timedelta(hours=49)
    assert load_source(contract, workspace.home, run_id="r2", now=later).held
    state = source_state(contract, workspace.home, later)
    assert state.outcome == "held"
    assert "no such file" in state.reason
    assert (state.as_of, state.loaded_at, state.age_hours) == (NOW, later, 49)
    assert not state.within_sla
    assert state.documents == 1


def test_the_state_names_the_version_of_the_data_and_of_the_contract(workspace: Workspace) -> None:
    contract = store(
        workspace,
        rows=[ROW, {"id": "b", "text": None}],
        customProperties=[{"property": "quarantineMaxPercent", "value": 50}],
    )
    state = state_after(contract, workspace)
    assert (state.contract_version, state.documents, state.refused) == ("1.0.0", 1, 1)
    again = load_source(contract, workspace.home, run_id="r2", now=NOW + timedelta(hours=1))
    assert state.data_version == again.data_version


def test_a_freshness_promise_counts_from_the_newest_modified_at(workspace: Workspace) -> None:
    modified = column("changed", role="modified_at", logicalType="timestamp")
    rows = [ROW | {"changed": "2026-02-27T12:00:00Z"}, {"id": "b", "text": "Herons.", "changed": "2026-02-20"}]
    contract = store(workspace, modified, rows=rows, **promise(element="rows.changed"))
    state = state_after(contract, workspace)
    assert state.as_of == datetime(2026, 2, 27, 12, tzinfo=UTC)
    assert (state.age_hours, state.within_sla) == (48, True)
    assert not state_after(contract, workspace, minutes=1).within_sla


@pytest.mark.parametrize(
    ("logical_type", "values", "newest"),
    [
        ("date", ["2026-02-27", "2026-02-28", None], datetime(2026, 2, 28, tzinfo=UTC)),
        (
            "timestamp",
            ["2026-02-28T10:00:00Z", "2026-02-28T10:00:00.5Z"],
            datetime(2026, 2, 28, 10, 0, 0, 500_000, tzinfo=UTC),
        ),
        ("timestamp", ["2026-02-28T10:00:00+02:00", "2026-02-28T09:00:00Z"], datetime(2026, 2, 28, 9, tzinfo=UTC)),
    ],
)
def test_a_freshness_promise_can_name_a_column_without_a_role(
    workspace: Workspace, logical_type: str, values: list[str | None], newest: datetime
) -> None:
    rows = [{"id": str(n), "text": "Owls.", "seen": value} for n, value in enumerate(values)]
    contract = store(workspace, column("seen", logicalType=logical_type), rows=rows, **promise(element="seen"))
    assert state_after(contract, workspace).as_of == newest


def test_a_freshness_promise_on_a_column_that_is_always_empty_is_not_kept(workspace: Workspace) -> None:
    contract = store(workspace, column("seen", logicalType="date"), rows=[ROW], **promise(element="seen"))
    state = state_after(contract, workspace)
    assert state.as_of is None
    assert not state.within_sla


FOUR: list[dict[str, Any]] = [
    {"id": "a", "text": "One.", "topic": "owls", "title": "T"},
    {"id": "b", "text": "Two.", "topic": "owls", "title": "T"},
    {"id": "c", "text": "One.", "topic": " "},
    {"id": "d", "text": "Four.", "topic": None, "title": "U"},
]


@pytest.mark.parametrize(
    ("metric", "unit", "value"),
    [
        ("nullValues", "rows", 1),
        ("nullValues", "percent", 25),
        ("missingValues", "rows", 2),
        ("missingValues", "percent", 50),
        ("duplicateValues", "rows", 1),
        ("duplicateValues", "percent", 25),
    ],
)
def test_a_quality_rule_measures_its_column(workspace: Workspace, metric: str, unit: str, value: float) -> None:
    def measured(bound: float) -> tuple[float, bool]:
        rule = {"name": "watched", "metric": metric, "unit": unit, "mustBeLessOrEqualTo": bound}
        contract = store(workspace, column("topic", quality=[rule]), rows=FOUR)
        (result,) = measure_quality(contract, workspace.home)
        assert result.rule.column == "topic"
        return result.value, result.holds

    assert measured(value) == (value, True)
    assert measured(value - 0.5) == (value, False)


def test_a_row_count_is_of_the_documents_stored(workspace: Workspace) -> None:
    rule = {"metric": "rowCount", "mustBeGreaterOrEqualTo": 5, "severity": "warning"}
    content = table_contract(workspace.root / "rows.jsonl", "jsonl")
    content["schema"][0]["quality"] = [rule]
    contract = store_as(workspace, content, FOUR)
    (result,) = measure_quality(contract, workspace.home)
    assert (result.value, result.holds, result.rule.severity) == (4, False, "warning")


def test_a_quality_rule_on_a_column_with_a_role_measures_what_is_stored(workspace: Workspace) -> None:
    content = table_contract(workspace.root / "rows.jsonl", "jsonl")
    content["schema"][0]["properties"][1]["quality"] = [{"metric": "duplicateValues", "mustBe": 0}]
    contract = store_as(workspace, content, FOUR)
    (result,) = measure_quality(contract, workspace.home)
    assert (result.value, result.holds) == (1, False)


def test_duplicate_keys_are_counted_although_only_one_of_them_is_stored(workspace: Workspace) -> None:
    content = table_contract(workspace.root / "rows.jsonl", "jsonl")
    content["schema"][0]["properties"][0]["quality"] = [{"metric": "duplicateValues", "mustBe": 0}]
    contract = store_as(workspace, content, [*FOUR, FOUR[0], FOUR[0]])
    (result,) = measure_quality(contract, workspace.home)
    assert (result.value, result.holds) == (2, False)


def test_quality_of_a_source_that_was_never_loaded_is_that_of_no_rows(workspace: Workspace) -> None:
    content = table_contract(
        "rows.jsonl", "jsonl", column("topic", quality=[{"metric": "nullValues", "unit": "percent", "mustBe": 0}])
    )
    content["schema"][0]["quality"] = [{"metric": "rowCount", "mustBeGreaterThan": 0}]
    results = measure_quality(read_contract(workspace.contract("rows", content)), workspace.home)
    assert [(result.value, result.holds) for result in results] == [(0, False), (0, True)]
