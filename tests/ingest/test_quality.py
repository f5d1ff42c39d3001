"""Quality rules are measured on what is stored: every metric with its arguments, in rows and in percent."""

from typing import Any

import pytest

from rag_pipeline.contracts.read import read_contract
from rag_pipeline.ingest.quality import QualityResult
from tests.conftest import Workspace, column, table_contract
from tests.support.feeds import Feed, limits, row

ROWS = [
    row("1", colour="red", size="10", title="One", sold=True, day="2026-01-01"),
    row("2", colour="red", size="20", title="Two", sold=False, day="2026-01-01"),
    row("3", colour=" n/a ", size=None, title="Two"),
    row("4", colour="Blue", size="20"),
    row("5", colour=None, size="", title=" "),
]
"""A blank title is none, and a document without a title is given its key as one."""


def measured(workspace: Workspace, rule: dict[str, Any], on: str | None = None, rows: Any = None) -> QualityResult:
    (result,) = all_measured(workspace, [(rule, on)], rows)
    return result


def all_measured(
    workspace: Workspace, rules: list[tuple[dict[str, Any], str | None]], rows: Any = None
) -> tuple[QualityResult, ...]:
    """Rules of the table, and of a column, measured in one load; in the order of the contract: the table's come first."""
    columns = {
        "id": column("id", role="key", required=True, primaryKey=True),
        "text": column("text", role="text", required=True),
        "title": column("title", role="title"),
        "colour": column("colour"),
        "size": column("size"),
        "isbn": column("isbn", unique=True),
        "sold": column("sold", logicalType="boolean"),
        "day": column("day", logicalType="date"),
    }
    path = workspace.root / "feed" / "a.jsonl"
    content = table_contract(path, "jsonl", customProperties=limits(100, 100))
    for rule, on in rules:
        place = columns[on] if on else content["schema"][0]
        place["quality"] = [*place.get("quality", []), rule]
    content["schema"][0]["properties"] = list(columns.values())
    feed = Feed(workspace, "goods", content)
    feed.rows("a.jsonl", ROWS if rows is None else rows)
    results = feed.load().quality
    assert tuple(one.rule for one in results) == tuple(read_contract(workspace.contract("goods", content)).quality)
    return results


def metric(name: str, **fields: Any) -> dict[str, Any]:
    return {"metric": name, "mustBeLessThan": 100, **fields}


MISSING, VALID = {"missingValues": ["n/a", "", None]}, {"validValues": ["red", "Blue"]}


METRICS: list[tuple[dict[str, Any], str | None, float]] = [
    (metric("rowCount"), None, 5),
    (metric("nullValues"), "colour", 1),
    (metric("nullValues"), "size", 1),
    (metric("nullValues", unit="percent"), "colour", 20),
    (metric("missingValues"), "colour", 1),
    (metric("missingValues"), "size", 2),
    (metric("missingValues", arguments=MISSING), "colour", 2),
    (metric("missingValues", arguments=MISSING, unit="percent"), "colour", 40),
    (metric("invalidValues", arguments=VALID), "colour", 1),
    (metric("invalidValues", arguments={"pattern": "[a-z]+"}), "colour", 2),
    (metric("invalidValues", arguments={"pattern": "[a-z]+", **VALID}), "colour", 2),
    (metric("invalidValues", arguments={"validValues": [10, 20, ""]}), "size", 0),
    (metric("invalidValues", arguments={"validValues": [True]}), "sold", 1),
    (metric("invalidValues", arguments={"validValues": ["2026-01-02"]}), "day", 2),
    (metric("duplicateValues"), "colour", 1),
    (metric("duplicateValues", unit="percent"), "colour", 20),
    (metric("duplicateValues"), "title", 1),
    (metric("duplicateValues", arguments={"properties": ["colour", "day"]}), None, 1),
    (metric("duplicateValues", arguments={"properties": ["colour", "size"]}), None, 0),
]


def test_a_metric_is_measured_on_the_stored_rows(workspace: Workspace) -> None:
    named = [({**rule, "name": f"rule_{number}"}, on) for number, (rule, on, _) in enumerate(METRICS)]
    found = {one.rule.name: one.value for one in all_measured(workspace, named)}
    assert found == {f"rule_{number}": value for number, (_, _, value) in enumerate(METRICS)}


@pytest.mark.parametrize(
    ("on", "rows"), [("id", [row("1"), row("1"), row("2")]), ("isbn", [row(k, isbn="x") for k in "123"])]
)
def test_repeats_of_what_must_be_unique_are_told_by_the_quarantine(workspace: Workspace, on: str, rows: Any) -> None:
    assert measured(workspace, metric("duplicateValues"), on, rows).value == (1 if on == "id" else 2)


OPERATORS: list[tuple[dict[str, Any], bool]] = [
    ({"mustBe": 5}, True),
    ({"mustNotBe": 5}, False),
    ({"mustBeGreaterThan": 5}, False),
    ({"mustBeGreaterOrEqualTo": 5}, True),
    ({"mustBeLessThan": 5}, False),
    ({"mustBeLessOrEqualTo": 5}, True),
    ({"mustBeBetween": [5, 6]}, True),
    ({"mustBeBetween": [6, 7]}, False),
    ({"mustNotBeBetween": [5, 6]}, False),
]


def test_a_bound_is_kept_or_not(workspace: Workspace) -> None:
    rules: list[tuple[dict[str, Any], str | None]] = [
        ({"metric": "rowCount", "name": f"rule_{n}", **operator}, None) for n, (operator, _) in enumerate(OPERATORS)
    ]
    found = {one.rule.name: one.holds for one in all_measured(workspace, rules)}
    assert found == {f"rule_{n}": holds for n, (_, holds) in enumerate(OPERATORS)}


def test_a_result_says_what_was_measured_and_what_was_wanted(workspace: Workspace) -> None:
    rule = {"metric": "nullValues", "mustBeBetween": [0, 10], "unit": "percent", "name": "colours known"}
    says = measured(workspace, rule, "colour").says
    assert says == "colours_known: nullValues of colour is 20 percent; the contract says mustBeBetween 0 and 10"


def test_a_source_that_stores_nothing_has_no_share_of_anything(workspace: Workspace) -> None:
    assert measured(workspace, metric("nullValues", unit="percent"), "colour", [row(None)]).value == 0
