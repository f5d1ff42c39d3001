"""A batch is split row by row: no row is lost, every reason is kept, and no value stands in a reason."""

import functools
import string
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pandera.polars as pandera
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandera.config import ValidationDepth, config_context

from rag_pipeline.connectors.table import TableServer
from rag_pipeline.contracts.contract import Column, Contract, LogicalType
from rag_pipeline.contracts.rules import rules_of
from rag_pipeline.contracts.split import REASONS, Split, Splitter
from rag_pipeline.errors import ContractError
from tests.support.bad_cells import KINDS, a


def contract_of(*columns: Column) -> Contract:
    return Contract(
        source="rows",
        file=Path("rows.odcs.yaml"),
        id="rows",
        version="1.0.0",
        description="",
        owners=("team:docs",),
        server=TableServer(Path("rows.jsonl"), format="jsonl"),
        columns=columns,
        quality=(),
        max_age_hours=None,
        age_column=None,
        quarantine_max_percent=100.0,
        volume_max_drop_percent=100.0,
        fingerprint="f",
    )


def split(column: Column, *found: str | None) -> Split:
    return Splitter(contract_of(column)).split(pl.DataFrame({"value": found}, schema={"value": pl.String}))


def reasons(result: Split) -> list[list[str]]:
    return [[f"{reason['column']} {reason['message']}" for reason in row] for row in result.refused[REASONS]]


@pytest.mark.parametrize("kind", KINDS)
def test_each_rule_refuses_what_breaks_it_and_nothing_else(kind: str) -> None:
    column, kept, refused, message = KINDS[kind]
    result = split(column, *kept, *refused)
    assert result.refused["value"].to_list() == refused
    assert result.good.height == len(kept)
    assert all(f"value {message}" in row for row in reasons(result))


def test_good_values_come_back_typed() -> None:
    typed: dict[LogicalType, tuple[str, object]] = {
        "integer": ("-5", -5),
        "number": ("1e3", 1000.0),
        "boolean": ("No", False),
        "date": ("2024-02-29T10:00:00Z", date(2024, 2, 29)),
        "timestamp": ("2024-02-29T10:00:00+02:00", datetime(2024, 2, 29, 8, tzinfo=UTC)),
        "string": (" to the letter ", " to the letter "),
    }
    for logical_type, (found, value) in typed.items():
        assert split(a(logical_type), found).good["value"].to_list() == [value]
    assert split(a("integer"), "5.0", f"{2**53 + 1}.0").good["value"].to_list() == [5, 2**53 + 1]


@pytest.mark.parametrize("logical_type", ["integer", "number", "boolean", "date", "timestamp"])
def test_one_bad_value_in_a_typed_column_refuses_only_its_row(logical_type: LogicalType) -> None:
    good = {"integer": "1", "number": "1", "boolean": "true", "date": "2024-01-31", "timestamp": "2024-01-31"}[logical_type]
    result = split(a(logical_type), good, good, "broken", good)
    assert result.good.height == 3
    assert result.refused["value"].to_list() == ["broken"]


def test_a_row_that_breaks_two_rules_has_both_reasons() -> None:
    result = split(a(minLength=3, pattern="[a-z]+"), "A", "abc")
    assert reasons(result) == [["value is shorter than 3 characters", "value does not match the pattern [a-z]+"]]


def test_reasons_of_several_columns_stand_in_one_row() -> None:
    columns = (a("integer", name="n", required=True), a("string", name="s", required=True))
    batch = pl.DataFrame({"n": ["x", "1", None], "s": ["", "ok", None]}, schema={"n": pl.String, "s": pl.String})
    result = Splitter(contract_of(*columns)).split(batch)
    assert [sorted(row) for row in reasons(result)] == [
        ["n is not a valid integer", "s is missing or blank"],
        ["n is missing or blank", "s is missing or blank"],
    ]
    assert result.refused.select("n", "s").rows() == [("x", ""), (None, None)]
    assert result.good.select("n", "s").rows() == [(1, "ok")]


def test_a_column_the_batch_lacks_is_taken_as_missing_values() -> None:
    columns = (a("integer", name="n", required=True), a("string", name="s"))
    batch = pl.DataFrame({"n": ["1"]})
    assert Splitter(contract_of(*columns)).split(batch).good.rows() == [(1, None)]
    batch = pl.DataFrame({"s": ["x"]})
    result = Splitter(contract_of(*columns)).split(batch)
    assert reasons(result) == [["n is missing or blank"]]
    assert result.refused.schema["n"] == pl.String, "as found: what is quarantined is text"


def test_other_columns_of_the_batch_are_kept_on_both_sides() -> None:
    batch = pl.DataFrame({"value": ["1", "x"], "_item": ["a.jsonl", "b.jsonl"]})
    result = Splitter(contract_of(a("integer"))).split(batch)
    assert result.good["_item"].to_list() == ["a.jsonl"]
    assert result.refused["_item"].to_list() == ["b.jsonl"]


def test_an_empty_batch_is_split_into_two_empty_ones() -> None:
    result = split(a("integer"))
    assert (result.good.height, result.refused.height) == (0, 0)
    assert result.good.schema["value"] == pl.Int64


def test_one_splitter_serves_batch_after_batch() -> None:
    splitter = Splitter(contract_of(a("integer", minimum=3)))
    for found, good in (["1", "5"], 1), (["x"], 0), (["3", "4"], 2), (["2", "2"], 0):
        assert splitter.split(pl.DataFrame({"value": found})).good.height == good


ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "id": st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
            "stars": st.none() | st.integers(-3, 9).map(str) | st.text("0123456789.-x ", max_size=4),
            "word": st.none() | st.text(string.ascii_letters + " \n", max_size=6),
            "day": st.none() | st.dates().map(str) | st.text("0123456789-T", max_size=11),
        }
    ),
    max_size=30,
)


WIDE = contract_of(
    a("string", name="id", required=True, maxLength=5),
    a("integer", name="stars", minimum=1, maximum=5),
    a("string", name="word", pattern="[a-z]+"),
    a("date", name="day", minimum="2000-01-01"),
)


@functools.cache
def wide() -> Splitter:
    return Splitter(WIDE)


@settings(max_examples=60, deadline=None)
@given(ROWS)
def test_every_row_is_good_or_refused_and_a_refused_one_is_kept_to_the_letter(rows: list[dict[str, str | None]]) -> None:
    schema = dict.fromkeys(("id", "stars", "word", "day"), pl.String) | {"_row": pl.Int64}
    batch = pl.DataFrame([{**row, "_row": number} for number, row in enumerate(rows)], schema=schema)
    result = wide().split(batch)

    assert sorted([*result.good["_row"], *result.refused["_row"]]) == list(range(len(rows)))
    for row in result.refused.iter_rows(named=True):
        assert {name: row[name] for name in ("id", "stars", "word", "day")} == rows[row["_row"]]
        assert row[REASONS]
    for row in result.good.iter_rows(named=True):
        assert row["id"].strip()
        assert len(row["id"]) <= 5
        assert row["stars"] is None or 1 <= row["stars"] <= 5
        assert row["word"] is None or (row["word"].isascii() and row["word"].isalpha() and row["word"].islower())
        assert row["day"] is None or row["day"] >= date(2000, 1, 1)
        found = rows[row["_row"]]
        assert [name for name in ("id", "stars", "word", "day") if (row[name] is None) != (found[name] is None)] == []


@settings(max_examples=30, deadline=None)
@given(ROWS)
def test_a_reason_is_one_of_the_contracts_own_sentences(rows: list[dict[str, str | None]]) -> None:
    batch = pl.DataFrame(rows, schema=dict.fromkeys(("id", "stars", "word", "day"), pl.String))
    known = {(rule.name, rule.column, rule.message) for rule in rules_of(WIDE)}
    told = {tuple(reason.values()) for row in wide().split(batch).refused[REASONS] for reason in row}
    assert told <= known


def test_a_raw_value_never_stands_in_a_reason() -> None:
    marker = "s3cr3t-v4lue"
    columns = [
        column for column, _, _, _ in KINDS.values() if column.logical_type != "string" or column.options or column.allowed
    ]
    refused = 0
    for column in columns:
        for row in reasons(split(column, marker)):
            refused += 1
            assert marker not in str(row)
    assert refused >= 20


@pytest.mark.parametrize("switch", [{"validation_enabled": False}, {"validation_depth": ValidationDepth.SCHEMA_ONLY}])
def test_rows_are_not_split_where_pandera_was_switched_off(switch: dict[str, Any]) -> None:
    with config_context(**switch), pytest.raises(ContractError, match=r"switched off in this process, so rows\.odcs\.yaml"):
        split(a(required=True), "x", None)


def test_reasons_stand_in_the_order_of_the_contract_and_refused_rows_in_the_order_of_the_batch() -> None:
    columns = [a("string", name=f"c{number}", minLength=3, pattern="[a-z]+") for number in range(6)]
    batch = pl.DataFrame({f"c{number}": ["A", "abc", "B", "C"] for number in range(6)} | {"_row": [0, 1, 2, 3]})
    result = Splitter(contract_of(*columns)).split(batch)
    says = ("is shorter than 3 characters", "does not match the pattern [a-z]+")
    assert reasons(result) == [[f"c{number} {one}" for number in range(6) for one in says]] * 3
    assert result.refused["_row"].to_list() == [0, 2, 3]


def test_a_batch_of_which_a_row_would_be_lost_is_not_split(monkeypatch: pytest.MonkeyPatch) -> None:
    splitter = Splitter(contract_of(a("integer")))
    failures = splitter._failures
    monkeypatch.setattr(splitter, "_failures", lambda frame: pl.concat([failures(frame)] * 2))
    with pytest.raises(RuntimeError) as stopped:
        splitter.split(pl.DataFrame({"value": ["1", "x"]}))
    says = "rows: a row was lost between good and refused: 2 rows in, 1 good and 2 refused"
    assert str(stopped.value) == says


def test_a_schema_that_refuses_whole_batches_stops_instead_of_refusing_none(monkeypatch: pytest.MonkeyPatch) -> None:
    splitter = Splitter(contract_of(a("integer")))
    monkeypatch.setattr(splitter, "_schema", pandera.DataFrameSchema({"nowhere": pandera.Column(str)}))
    with pytest.raises(AssertionError) as stopped:
        splitter.split(pl.DataFrame({"value": ["1"]}))
    says = "pandera refused a whole batch, which no rule here can do: ['column_in_dataframe']"
    assert str(stopped.value) == says
