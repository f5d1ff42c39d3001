"""What is said of a column: a type only where every value reads as it, and nothing is lost on the way."""

from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag_pipeline.contracts.casts import cast
from rag_pipeline.contracts.contract import Column
from rag_pipeline.drafting.profile import ColumnProfile, profile_columns, words_of
from rag_pipeline.feeds.base import as_text


def profile(*values: Any, name: str = "column") -> ColumnProfile:
    (found,) = profile_columns([{name: value} for value in values], [name])
    return found


@pytest.mark.parametrize(
    ("values", "logical_type", "options"),
    [
        ((1, -2, 30), "integer", {}),
        (("1", "20", None), "integer", {}),
        ((2**70, 1), "string", {}),
        ((2**63 - 1, -(2**63)), "integer", {}),
        (("00123", "12345"), "string", {}),
        (("007",), "string", {}),
        ((1, 2.5), "number", {}),
        ((5, 5.0), "number", {}),
        (("5", "5.0"), "string", {}),
        (("0.10", "2.5e3"), "number", {}),
        ((1.5, float("nan")), "string", {}),
        (("1", ""), "string", {}),
        ((True, False), "boolean", {}),
        ((False, None), "boolean", {}),
        (("TRUE", "false"), "boolean", {}),
        (("yes", "no"), "boolean", {}),
        (("no", "no"), "string", {}),
        ((0, 1), "integer", {}),
        (("2026-01-31", "1999-12-01"), "date", {}),
        ((date(2026, 1, 31),), "date", {}),
        (("2026-01-31", "2026-02-30"), "string", {}),
        (("2026-01-31T10:00:00Z", "2026-01-31 10:00:00.5+02:00", "2026-01-31"), "timestamp", {}),
        ((datetime(2026, 1, 31, 10, tzinfo=UTC),), "timestamp", {}),
        (("31.01.2026", "1.2.2026"), "date", {"format": "dd.MM.yyyy"}),
        (("31.01.26",), "string", {}),
        (("31/01/2026", "01/02/2026"), "date", {"format": "dd/MM/yyyy"}),
        (("01/31/2026", "01/02/2026"), "date", {"format": "MM/dd/yyyy"}),
        (("01/02/2026", "03/04/2026"), "string", {}),
        (("31-01-2026 10:30",), "timestamp", {"format": "dd-MM-yyyy HH:mm"}),
        (("2026/01/31 10:30:15",), "timestamp", {"format": "yyyy/MM/dd HH:mm:ss"}),
        (("31 Jan 2026", "1 Feb 2026"), "date", {"format": "dd MMM yyyy"}),
        (("January 31, 2026",), "date", {"format": "MMMM dd, yyyy"}),
        (([1], [2]), "string", {}),
        (({"a": 1}, None), "string", {}),
        ((1, "one"), "string", {}),
        ((None, None), "string", {}),
        (("12:30",), "string", {}),
        (("inf", "1"), "string", {}),
        (("1e400",), "string", {}),
    ],
)
def test_the_type_is_one_that_every_value_reads_as(
    values: tuple[Any, ...], logical_type: str, options: dict[str, str]
) -> None:
    found = profile(*values)
    assert (found.logical_type, found.options) == (logical_type, options)


@pytest.mark.parametrize(
    ("name", "values", "logical_type"),
    [
        ("python_version", ("3.9", "3.10"), "string"),
        ("version", (3.9, 3.8), "string"),
        ("startDate", (20260131, 20251231), "date"),
        ("amount", (20260131, 20251231), "integer"),
        ("date", (20260131, 20251331), "integer"),
    ],
)
def test_a_name_tells_what_the_values_leave_open(name: str, values: tuple[Any, ...], logical_type: str) -> None:
    assert profile(*values, name=name).logical_type == logical_type


def test_a_date_whose_day_and_month_cannot_be_told_apart_is_left_to_a_person() -> None:
    doubt = profile("01/02/2026", "03/04/2026").doubt
    assert "{format: dd/MM/yyyy}, or MM/dd/yyyy" in doubt
    assert profile("13/02/2026", "03/04/2026").doubt == ""


_ANYTHING = (
    st.none()
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
    | st.integers()
    | st.floats()
    | st.booleans()
    | st.dates().map(str)
    | st.datetimes().map(str)
    | st.sampled_from(["31.12.2025", "1/2/2026", "20260131", "yes", "no", "0", "01", " 5", "-0", "1e5", "9999-12-31"])
)


@given(st.lists(_ANYTHING, max_size=4), st.sampled_from(["x", "date", "version"]))
def test_every_value_survives_the_cast_a_load_will_do(values: list[Any], name: str) -> None:
    found = profile(*values, name=name)
    column = Column("v", found.logical_type, required=False, role=None, options=found.options, allowed=())
    texts = pl.DataFrame({"v": [as_text(value) for value in values]}, schema={"v": pl.String})
    read = texts.select(cast(column))["v"]
    assert read.is_null().to_list() == texts["v"].is_null().to_list()
    if found.logical_type in ("integer", "boolean"):
        assert read.drop_nulls().n_unique() == found.distinct or found.logical_type == "boolean"
    read.to_list()  # Python's own dates hold it too


def test_what_is_missing_blank_repeated_and_how_long_is_counted() -> None:
    found = profile("a", None, "  ", "a", "ccc", None)
    assert (found.rows, found.nulls, found.blanks, found.missing, found.present) == (6, 2, 1, 3, 3)
    assert (found.distinct, found.repeats) == (3, 1)
    assert (found.shortest, found.longest, found.mean_length) == (1, 3, 7 / 4)
    assert found.counts == {"a": 2, "  ": 1, "ccc": 1}
    (absent,) = profile_columns([{"a": 1}, {}], ["b"])
    assert (absent.rows, absent.nulls) == (2, 2)


def test_the_ends_are_those_of_the_typed_values() -> None:
    assert (profile("9", "10").least, profile("9", "10").greatest) == (9, 10)
    dated = profile("31.12.2025", "01.01.2026")
    assert (dated.least, dated.greatest) == (date(2025, 12, 31), date(2026, 1, 1))
    assert profile("b", "a").least is None


def test_values_are_counted_only_where_they_are_few() -> None:
    assert len(profile(*range(12)).counts) == 12
    assert profile(*range(13)).counts == {}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("lastChanged_at", ("last", "changed", "at")),
        ("E-Mail", ("e", "mail")),
        ("URLPath", ("url", "path")),
        ("straßen_name", ("straßen", "name")),
        ("ISO8601", ("iso", "8601")),
        ("_id", ("id",)),
        ("", ()),
    ],
)
def test_a_name_is_taken_apart_into_words(name: str, words: tuple[str, ...]) -> None:
    assert words_of(name) == words
