"""Columns with a rule, what keeps it and what breaks it; and a splitter for one column."""

from typing import Any

from rag_pipeline.contracts.contract import Column, LogicalType

UUID = "123e4567-e89b-12d3-a456-426614174000"


def a(
    logical_type: LogicalType = "string",
    *,
    name: str = "value",
    required: bool = False,
    allowed: tuple[Any, ...] = (),
    **options: Any,
) -> Column:
    return Column(name, logical_type, required, None, options, allowed)


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
