"""A batch is split row by row: no row is lost, every reason is kept, and no value stands in a reason."""

import string
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandera.config import ValidationDepth, config_context

from rag_pipeline.contracts.contract import Column, Contract, LogicalType, Server
from rag_pipeline.contracts.rules import rules_of
from rag_pipeline.contracts.split import REASONS, Split, Splitter
from rag_pipeline.errors import ContractError

UUID = "123e4567-e89b-12d3-a456-426614174000"


def contract_of(*columns: Column) -> Contract:
    return Contract(
        source="rows",
        file=Path("rows.odcs.yaml"),
        id="rows",
        version="1.0.0",
        description="",
        owners=("team:docs",),
        server=Server("table", "jsonl", Path("rows.jsonl")),
        columns=columns,
        quality=(),
        max_age_hours=None,
        age_column=None,
        quarantine_max_percent=100.0,
        volume_max_drop_percent=100.0,
        fingerprint="f",
    )


def a(
    logical_type: LogicalType = "string",
    *,
    name: str = "value",
    required: bool = False,
    allowed: tuple[Any, ...] = (),
    **options: Any,
) -> Column:
    return Column(name, logical_type, required, None, options, allowed)


def split(column: Column, *found: str | None) -> Split:
    return Splitter(contract_of(column)).split(pl.DataFrame({"value": found}, schema={"value": pl.String}))


def reasons(result: Split) -> list[list[str]]:
    return [[f"{reason['column']} {reason['message']}" for reason in row] for row in result.refused[REASONS]]


# (column, what is kept, what is refused, the reason)
KINDS: dict[str, tuple[Column, list[str | None], list[str | None], str]] = {
    "required": (a(required=True), ["x", " x "], [None, "", " \t\n"], "is missing or blank"),
    "required number": (a("integer", required=True), ["0"], [None], "is missing or blank"),
    "optional": (a(), ["x", "", None], [], ""),
    "integer": (
        a("integer"),
        ["0", "-5", " 7 ", str(2**63 - 1), "5.0", " -5.00 ", f"{2**53 + 1}.0", None],
        ["1.5", "5.01", "5.0.0", ".0", "5.", "-.0", "x", "1_000", str(2**63), f"{2**63}.0", ""],
        "is not a valid integer",
    ),
    "number": (
        a("number"),
        ["0", "-1.5", "1e3", " 7 ", None],
        ["x", "1,5", "nan", "inf", "-Infinity", ""],
        "is not a valid number",
    ),
    "boolean": (a("boolean"), ["true", "False", "1", "0", "YES", "no", None], ["x", "2", ""], "is not a valid boolean"),
    "date": (
        a("date"),
        ["2024-02-29", "2024-02-29T23:59:59Z", "2024-02-29 10:00", None],
        ["2023-02-29", "29.02.2024", "2024-02-290", "2024-02-29ish", "soon", ""],
        "is not a valid date",
    ),
    "timestamp": (
        a("timestamp"),
        [
            "2024-02-29",
            "2024-02-29T10:00",
            "2024-02-29 10:00:00",
            "2024-02-29T10:00:00.123456Z",
            "2024-02-29T10:00:00+02:00",
        ],
        ["2024-02-30T10:00:00", "2024-02-29T25:00:00", "10:00", "1709200800", ""],
        "is not a valid timestamp",
    ),
    "enum": (a(allowed=("red", "green")), ["red", "green", None], ["Red", "red ", "blue", ""], "is not one of red, green"),
    "enum of integers": (a("integer", allowed=(1, 2)), ["1", " 2", None], ["3"], "is not one of 1, 2"),
    "enum of integers written as floats": (a("integer", allowed=(1.0, 2)), ["1", "2.0"], ["3.0"], "is not one of 1.0, 2"),
    "enum of numbers": (a("number", allowed=(1, 2.5)), ["1", "1.0", "2.50"], ["3"], "is not one of 1, 2.5"),
    "enum of booleans": (a("boolean", allowed=(True,)), ["true", "yes"], ["false"], "is not one of true"),
    "enum of dates": (
        a("date", allowed=("2024-01-31",)),
        ["2024-01-31", "2024-01-31T10:00:00"],
        ["2024-02-01"],
        "is not one of 2024-01-31",
    ),
    "pattern": (
        a(pattern="[a-z]+"),
        ["abc", None],
        ["abc1", "1abc", "abc\n", "abc\ndef", ""],
        "does not match the pattern [a-z]+",
    ),
    "pattern of alternatives": (a(pattern="a|bc"), ["a", "bc"], ["ac", "abc", "b"], "does not match the pattern a|bc"),
    "minLength": (a(minLength=3), ["abc", "äöü", "abcd", None], ["ab", "äö", ""], "is shorter than 3 characters"),
    "maxLength": (a(maxLength=3), ["abc", "äöü", "", None], ["abcd", "äöüß"], "is longer than 3 characters"),
    "email": (
        a(format="email"),
        ["a@b.org"],
        ["a@b", "a b@c.org", "see a@b.org", "a@b.org "],
        "does not match the format email",
    ),
    "uri": (
        a(format="uri"),
        ["https://a.b/c?d#e", "urn:isbn:1"],
        ["//a.b", "a.b/c", "https://a b", " https://a"],
        "does not match the format uri",
    ),
    "uuid": (
        a(format="uuid"),
        [UUID, UUID.upper()],
        [UUID[:-1], UUID + "0", "{" + UUID + "}"],
        "does not match the format uuid",
    ),
    "minimum": (a("integer", minimum=3), ["3", "4", None], ["2"], "is below 3"),
    "maximum": (a("integer", maximum=3), ["3", "2"], ["4"], "is above 3"),
    "exclusiveMinimum": (a("number", exclusiveMinimum=3), ["3.001"], ["3", "3.0", "2"], "is not above 3"),
    "exclusiveMaximum": (a("number", exclusiveMaximum=3), ["2.999"], ["3", "4"], "is not below 3"),
    "minimum of numbers": (a("number", minimum=0.5), ["0.5", "0.50"], ["0.4999"], "is below 0.5"),
    "maximum of numbers": (a("number", maximum=0.5), ["0.5"], ["0.5001"], "is above 0.5"),
    "multipleOf": (a("integer", multipleOf=5), ["0", "10", "-5"], ["7"], "is not a multiple of 5"),
    "multipleOf of large integers": (
        a("integer", multipleOf=3),
        [str(3**39)],
        [str(3**39 + 1)],
        "is not a multiple of 3",
    ),
    "multipleOf of cents": (
        a("number", multipleOf=0.01),
        ["19.99", "0.29", "1.11", "4.35", "100", "2.5", "-4.35", "0", "123456789.01", "1e3", None],
        ["19.995", "0.001", "-4.351", "123456789.015"],
        "is not a multiple of 0.01",
    ),
    "multipleOf of thirds": (a("number", multipleOf=0.3), ["0.9", "0.3", "1.2"], ["1", "0.1"], "is not a multiple of 0.3"),
    "timezone": (
        a("timestamp", timezone=True),
        ["2024-01-31T10:00:00Z", "2024-01-31 10:00:00+01", "2024-01-31T10:00-0500", "2024-01-31 10:00:00 UTC"],
        ["2024-01-31", "2024-01-31T10:00:00", "20240131T1000"],
        "has no time zone",
    ),
    "minimum with a zone that a database writes": (
        a("timestamp", minimum="2024-01-31 12:00+01"),
        ["2024-01-31T11:00:00Z"],
        ["2024-01-31T10:59:59Z"],
        "is below 2024-01-31 12:00+01",
    ),
    "minimum of dates": (
        a("date", minimum="2024-01-31"),
        ["2024-01-31", "2024-02-01"],
        ["2024-01-30"],
        "is below 2024-01-31",
    ),
    "maximum of dates": (a("date", maximum="2024-01-31"), ["2024-01-31"], ["2024-02-01"], "is above 2024-01-31"),
    "minimum of timestamps": (
        a("timestamp", minimum="2024-01-31T12:00:00Z"),
        ["2024-01-31T12:00:00", "2024-01-31T13:00:00+01:00"],
        ["2024-01-31T11:59:59.999999Z", "2024-01-31T12:00:00+01:00"],
        "is below 2024-01-31T12:00:00Z",
    ),
    "maximum of timestamps": (
        a("timestamp", maximum="2024-01-31"),
        ["2024-01-31", "2024-01-31T00:00:00Z"],
        ["2024-01-31T00:00:00.000001Z"],
        "is above 2024-01-31",
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_rule_refuses_what_breaks_it_and_nothing_else(kind: str) -> None:
    column, kept, refused, message = KINDS[kind]
    result = split(column, *kept, *refused)
    assert result.refused["value"].to_list() == refused
    assert result.good.height == len(kept)
    assert all(f"value {message}" in row for row in reasons(result))


def test_good_values_come_back_typed() -> None:
    typed = {
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
    assert reasons(Splitter(contract_of(*columns)).split(batch)) == [["n is missing or blank"]]


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
SPLITTER = Splitter(WIDE)


@settings(max_examples=60, deadline=None)
@given(ROWS)
def test_every_row_is_good_or_refused_and_a_refused_one_is_kept_to_the_letter(rows: list[dict[str, str | None]]) -> None:
    schema = dict.fromkeys(("id", "stars", "word", "day"), pl.String) | {"_row": pl.Int64}
    batch = pl.DataFrame([{**row, "_row": number} for number, row in enumerate(rows)], schema=schema)
    result = SPLITTER.split(batch)

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
    told = {tuple(reason.values()) for row in SPLITTER.split(batch).refused[REASONS] for reason in row}
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
