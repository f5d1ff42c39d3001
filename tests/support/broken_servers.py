"""Contracts whose servers, promises or options are broken: how, where, and the hint that is given."""

from typing import Any

from tests.conftest import files_contract
from tests.support.contract_pages import promise, prop, server, with_column

BROKEN_SERVERS: dict[str, tuple[dict[str, Any], str, str, str]] = {
    "credentials in a contract": (
        server(type="s3", location="s3://key:secret@bucket/docs", format="documents"),
        "location: s3://key:secret@bucket/docs",
        "servers[0].location",
        "set them in the environment",
    ),
    "a bucket that is a pattern": (
        server(type="s3", location="s3://*/docs", format="documents"),
        "location: s3://*/docs",
        "servers[0].location",
        "bucket cannot be a pattern",
    ),
    "a query that changes data": (
        server(type="custom", location="sqlite:///x", customProperties=[prop("connector", "sql"), prop("query", "DROP x")]),
        "- property: query",
        "customProperties[1]",
        "begins with SELECT or WITH",
    ),
    "two queries": (
        server(
            type="custom",
            location="sqlite:///x.db",
            customProperties=[prop("connector", "sql"), prop("query", "SELECT 1; DROP TABLE x")],
        ),
        "- property: query",
        "customProperties[1]",
        "one query only",
    ),
    "a database without a table": (
        server(type="postgres", host="db", port=5432, database="d", schema="public"),
        "- server: here",
        "servers[0]",
        "say what to read",
    ),
    "a web source without pages": (
        server(type="custom", customProperties=[prop("connector", "web")]),
        "- server: here",
        "servers[0]",
        "the URL of a sitemap",
    ),
    "a page that is no web page": (
        server(type="custom", customProperties=[prop("connector", "web"), prop("pages", ["file:///etc/passwd"])]),
        "- property: pages",
        "customProperties[1]",
        "begins with http://, https://",
    ),
    "a property of another connector": (
        server(type="local", path="p", format="documents", customProperties=[prop("query", "SELECT 1")]),
        "- property: query",
        "customProperties[0]",
        "query has no meaning for files",
    ),
    "a limit that is none": (
        server(type="local", path="p", format="documents", customProperties=[prop("timeoutSeconds", 0)]),
        "- property: timeoutSeconds",
        "customProperties[0]",
        "is not a number from 0.1 to 3600",
    ),
    "a pace there is no schedule for": (
        promise(property="frequency", value=5, unit="h"),
        "value: 5",
        "slaProperties[0].value",
        "or give scheduler: cron and a schedule",
    ),
    "a cron line that is none": (
        promise(property="frequency", value=5, unit="h", scheduler="cron", schedule="daily"),
        "schedule: daily",
        "slaProperties[0].schedule",
        "not a cron line of five fields",
    ),
    "a promise made twice": (
        files_contract("p", slaProperties=[{"property": "latency", "value": 1}, {"property": "freshness", "value": 2}]),
        "- property: freshness",
        "slaProperties[1]",
        "is promised twice",
    ),
    "a promise of no time": (
        promise(property="retention", value=0),
        "value: 0",
        "slaProperties[0].value",
        "is not a time above zero",
    ),
    "a type that is not supported": (
        with_column(logicalType="array"),
        "logicalType: array",
        "properties[2].logicalType",
        "write logicalType: string",
    ),
    "a type that is misspelt": (
        with_column(logicalType="strin"),
        "logicalType: strin",
        "logicalType",
        "did you mean 'string'?",
    ),
    "an option that is misspelt": (
        with_column(logicalTypeOptions={"minLenght": 3}),
        "minLenght: 3",
        "logicalTypeOptions.minLenght",
        "did you mean 'minLength'?",
    ),
    "an option of another type": (
        with_column(logicalType="integer", logicalTypeOptions={"minLength": 3}),
        "minLength: 3",
        "logicalTypeOptions.minLength",
        "known: exclusiveMaximum",
    ),
    "a time zone that is none": (
        with_column(logicalType="timestamp", logicalTypeOptions={"defaultTimezone": "Mars/Olympus"}),
        "defaultTimezone: Mars/Olympus",
        "logicalTypeOptions.defaultTimezone",
        "write it as Europe/Berlin",
    ),
    "a date format that is none": (
        with_column(logicalType="date", logicalTypeOptions={"format": "QQQ"}),
        "format: QQQ",
        "logicalTypeOptions.format",
        "write it with yyyy, MM, dd",
    ),
    "a pattern that is no regular expression": (
        with_column(logicalTypeOptions={"pattern": "["}),
        "pattern: '['",
        "logicalTypeOptions.pattern",
        "not a valid regular expression: unclosed character class",
    ),
    "a pattern that the engine cannot run": (
        with_column(logicalTypeOptions={"pattern": "(?=a)b"}),
        "pattern: (?=a)b",
        "logicalTypeOptions.pattern",
        "look-around, including look-ahead and look-behind, is not supported",
    ),
    "a format that is misspelt": (
        with_column(logicalTypeOptions={"format": "emial"}),
        "format: emial",
        "logicalTypeOptions.format",
        "did you mean 'email'?",
    ),
    "a bound that is no date": (
        with_column(logicalType="date", logicalTypeOptions={"minimum": "soon"}),
        "minimum: soon",
        "logicalTypeOptions.minimum",
        "write it as 2026-01-31",
    ),
    "a bound that is a date no calendar has": (
        with_column(logicalType="date", logicalTypeOptions={"maximum": "2024-13-45"}),
        "maximum: '2024-13-45'",
        "logicalTypeOptions.maximum",
        "write it as 2026-01-31",
    ),
}
"""What is broken: the contract, what the YAML line that is named holds, its field, the hint."""
