"""Text as found -> typed values: formats, zones, integers; what does not fit is null, and no value crashes a load."""

from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag_pipeline.contracts.casts import cast, date_pattern
from rag_pipeline.contracts.contract import LOGICAL_TYPES, Column, LogicalType


def read(logical_type: LogicalType, text: str | None, **options: Any) -> Any:
    column = Column("value", logical_type, required=False, role=None, options=options, allowed=())
    frame = pl.DataFrame({"value": [text]}, schema={"value": pl.String}).select(cast(column))
    assert frame.columns == ["value"]
    return frame["value"].to_list()[0]


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type, misc]


@pytest.mark.parametrize(
    ("pattern", "polars"),
    [
        ("dd.MM.yyyy", "%d.%m.%Y"),
        ("yyyy-MM-dd'T'HH:mm:ssXXX", "%Y-%m-%dT%H:%M:%S%:z"),
        ("dd MMM yy", "%d %b %y"),
        ("yyyyMMdd HHmm", "%Y%m%d %H%M"),
        ("'100%' yyyy", "100%% %Y"),
        ("QQ yyyy", None),
        ("d.M.yyyy", None),
        ("", None),
    ],
)
def test_a_date_pattern_of_the_jdk_is_one_of_polars_or_not_known(pattern: str, polars: str | None) -> None:
    assert date_pattern(pattern) == polars


@pytest.mark.parametrize(
    ("text", "options", "value"),
    [
        ("2026-03-01", {}, date(2026, 3, 1)),
        (" 2026-03-01 ", {}, date(2026, 3, 1)),
        ("2026-03-01T23:00:00+01:00", {}, date(2026, 3, 1)),
        ("0001-01-01", {}, date(1, 1, 1)),
        ("9999-12-31", {}, date(9999, 12, 31)),
        ("0000-12-31", {}, None),
        ("10000-01-01", {}, None),
        ("2025-02-29", {}, None),
        ("01.03.2026", {}, None),
        ("01.03.2026", {"format": "dd.MM.yyyy"}, date(2026, 3, 1)),
        ("2026-03-01", {"format": "dd.MM.yyyy"}, date(2026, 3, 1)),
        ("01.01.0000", {"format": "dd.MM.yyyy"}, None),
        ("45000", {}, None),
        ("20260301", {}, date(2026, 3, 1)),
        ("20261301", {}, None),
        ("2026-W09-7", {}, date(2026, 3, 1)),
        ("2026-060", {}, date(2026, 3, 1)),
        ("2026-03-01t23:00Z", {}, date(2026, 3, 1)),
        ("2026-03-01x23:00", {}, None),
        (None, {}, None),
    ],
)
def test_a_date_is_iso_8601_or_as_its_format_says(text: str | None, options: dict[str, Any], value: date | None) -> None:
    assert read("date", text, **options) == value


BERLIN = {"defaultTimezone": "Europe/Berlin"}
GERMAN = {"format": "dd.MM.yyyy HH:mm"}


@pytest.mark.parametrize(
    ("text", "options", "value"),
    [
        ("2026-03-01T12:00:00Z", {}, utc(2026, 3, 1, 12)),
        ("2026-03-01 12:00:00.5+02:00", {}, utc(2026, 3, 1, 10, 0, 0, 500_000)),
        ("2026-03-01T12:00", {}, utc(2026, 3, 1, 12)),
        ("2026-03-01", {}, utc(2026, 3, 1)),
        ("2026-03-01T12:00:00", BERLIN, utc(2026, 3, 1, 11)),
        ("2026-07-01T12:00:00", BERLIN, utc(2026, 7, 1, 10)),
        ("2026-07-01", BERLIN, utc(2026, 6, 30, 22)),
        ("2026-03-01T12:00:00Z", BERLIN, utc(2026, 3, 1, 12)),
        ("2025-03-30T02:30:00", BERLIN, None),
        ("2025-10-26T02:30:00", BERLIN, utc(2025, 10, 26, 0, 30)),
        ("01.07.2026 12:00", GERMAN, utc(2026, 7, 1, 12)),
        ("01.07.2026 12:00", GERMAN | BERLIN, utc(2026, 7, 1, 10)),
        ("01.07.2026", {"format": "dd.MM.yyyy"}, utc(2026, 7, 1)),
        ("01.07.2026 12:00 +0200", {"format": "dd.MM.yyyy HH:mm XX"}, utc(2026, 7, 1, 10)),
        ("2026-07-01T12:00:00Z", GERMAN, utc(2026, 7, 1, 12)),
        ("2016-12-31T23:59:60Z", {}, utc(2017, 1, 1)),
        ("9999-12-31T23:59:59.999999Z", {}, utc(9999, 12, 31, 23, 59, 59, 999_999)),
        ("0001-01-01T00:00:00Z", {}, utc(1, 1, 1)),
        ("0001-01-01T00:00:00+01:00", {}, None),
        ("9999-12-31T23:59:59-05:00", {}, None),
        ("9999-12-31T23:59:59", {"defaultTimezone": "America/New_York"}, None),
        ("0000-06-01T00:00:00Z", {}, None),
        ("1700000000000", {}, None),
        ("2026-03-01 12:00:00+01", {}, utc(2026, 3, 1, 11)),
        ("2026-03-01 12:00:00.5+00", {}, utc(2026, 3, 1, 12, 0, 0, 500_000)),
        ("2026-03-01 12:00:00+0100", {}, utc(2026, 3, 1, 11)),
        ("2026-03-01T12:00Z", {}, utc(2026, 3, 1, 12)),
        ("2026-03-01T12:00+01:00", {}, utc(2026, 3, 1, 11)),
        ("2026-03-01T12:00:00.123456789+05:30", {}, utc(2026, 3, 1, 6, 30, 0, 123_456)),
        ("2026-03-01T12:00:00,25Z", {}, utc(2026, 3, 1, 12, 0, 0, 250_000)),
        (" 2026-03-01 12:00:00 +01:00 ", {}, utc(2026, 3, 1, 11)),
        ("2026-03-01 12:00:00 UTC", BERLIN, utc(2026, 3, 1, 12)),
        ("2026-03-01t12:00:00z", {}, utc(2026, 3, 1, 12)),
        ("20260301T120000Z", {}, utc(2026, 3, 1, 12)),
        ("20260301T120000", BERLIN, utc(2026, 3, 1, 11)),
        ("2026-W09-7T12:00", {}, utc(2026, 3, 1, 12)),
        ("2026-03-01T12", {}, utc(2026, 3, 1, 12)),
        ("2026-03-01T12:00:00 next week", {}, None),
        ("2026-03", {}, None),
    ],
)
def test_a_timestamp_is_in_utc_whatever_zone_it_is_given_in(
    text: str, options: dict[str, Any], value: datetime | None
) -> None:
    assert read("timestamp", text, **options) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5),
        (" -5 ", -5),
        ("+5", 5),
        ("5.0", 5),
        ("5.000", 5),
        ("5.5", None),
        ("5.", None),
        ("1e5", None),
        ("0x10", None),
        ("1_000", None),
        ("9223372036854775807", 2**63 - 1),
        ("-9223372036854775808", -(2**63)),
        ("9223372036854775808", None),
        ("\u0665", None),
        ("", None),
    ],
)
def test_an_integer_is_whole_and_has_64_bits(text: str, value: int | None) -> None:
    assert read("integer", text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("TRUE", True),
        ("yes", True),
        ("1", True),
        ("t", True),
        (" Y ", True),
        ("on", True),
        ("No", False),
        ("0", False),
        ("f", False),
        ("OFF", False),
        ("ja", None),
        ("", None),
    ],
)
def test_a_truth_is_a_word_that_databases_write(text: str, value: bool | None) -> None:
    assert read("boolean", text) is value


numbers = st.integers(-(10**20), 10**20).map(str)
dates = st.builds("{:04d}-{:02d}-{:02d}".format, st.integers(0, 10_001), st.integers(0, 13), st.integers(0, 32))
times = st.builds("{}T{:02d}:{:02d}:{:02d}{}".format, dates, *[st.integers(0, 61)] * 3, st.sampled_from(["", "Z", "+14:00"]))


@given(
    st.sampled_from(LOGICAL_TYPES), st.one_of(st.text(), numbers, dates, times), st.sampled_from(["UTC", "Europe/Berlin"])
)
def test_no_text_makes_a_value_that_python_cannot_hold(logical_type: LogicalType, text: str, zone: str) -> None:
    options = {"defaultTimezone": zone} if logical_type == "timestamp" else {}
    value = read(logical_type, text, **options)  # does not raise
    if isinstance(value, datetime):
        value.astimezone(UTC).isoformat()


@pytest.mark.parametrize("form", ["dd.MM.yyyy HH:mm XX", "dd.MM.yyyy HH:mm", "dd.MM.yyyy"])
@pytest.mark.parametrize("text", ["31.02.2026 12:00 +0200", "next week", "", "2026/07/01", "12:00"])
def test_a_value_that_does_not_fit_its_format_is_null_and_stops_nothing(form: str, text: str) -> None:
    assert read("timestamp", text, format=form) is None
    assert read("date", text, format=form) is None


def test_the_format_of_the_contract_is_tried_before_iso() -> None:
    """What both can read is read as the contract says: here as a day of another month, and in the zone that it names."""
    swapped = {"format": "yyyy-dd-MM"}
    assert read("date", "2026-03-01", **swapped) == date(2026, 1, 3)
    assert read("timestamp", "2026-03-01", **swapped) == utc(2026, 1, 3)
    assert read("timestamp", "2026-03-01", **swapped | BERLIN) == utc(2026, 1, 2, 23)
