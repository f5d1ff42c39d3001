"""Contracts whose quality rules, places or custom properties are broken: how, where, and the hint that is given."""

from typing import Any

from tests.conftest import files_contract
from tests.support.contract_pages import custom, promise, server, with_column, with_quality

BROKEN_RULES: dict[str, tuple[dict[str, Any], str, str, str]] = {
    "a metric that is misspelt": (
        with_quality(metric="rowCont", mustBe=1),
        "metric: rowCont",
        "quality[0]",
        "did you mean 'rowCount'?",
    ),
    "a metric that is not measured here": (
        with_quality(metric="freshValues", mustBe=1),
        "metric: freshValues",
        "quality[0]",
        "unknown",
    ),
    "nulls of a title": (
        with_column("heading", role="title", quality=[{"metric": "nullValues", "mustBe": 0}]),
        "- metric: nullValues",
        "schema[0].properties[2].quality[0]",
        "always 0, since a document without a title is given its key as one; write `required: true`",
    ),
    "missing values of a title": (
        with_column("heading", role="title", quality=[{"metric": "missingValues", "mustBe": 0}]),
        "- metric: missingValues",
        "schema[0].properties[2].quality[0]",
        "or remove this rule",
    ),
    "two operators": (
        with_quality(metric="nullValues", mustBe=1, mustBeLessThan=2),
        "- metric: nullValues",
        "quality[0]",
        "give exactly one of mustBe, ",
    ),
    "no operator": (with_quality(metric="nullValues"), "- metric: nullValues", "quality[0]", "give exactly one of mustBe, "),
    "a bound of a quality rule that is no number": (
        with_quality(metric="nullValues", mustBe="few"),
        "mustBe: few",
        "quality[0].mustBe",
        "'few' is not a number",
    ),
    "a range with one end": (
        with_quality(metric="nullValues", mustBeBetween=[1]),
        "mustBeBetween:",
        "quality[0].mustBeBetween",
        "is too short",
    ),
    "a unit that is misspelt": (
        with_quality(metric="nullValues", mustBe=1, unit="percnt"),
        "unit: percnt",
        "quality[0].unit",
        "did you mean 'percent'?",
    ),
    "a severity that is misspelt": (
        with_quality(metric="nullValues", mustBe=1, severity="warn"),
        "severity: warn",
        "quality[0].severity",
        "did you mean 'warning'?",
    ),
    "a metric of a column on the whole table": (
        files_contract(
            "p",
            schema=[{**files_contract("p")["schema"][0], "quality": [{"metric": "nullValues", "mustBe": 0}]}],
        ),
        "- metric: nullValues",
        "schema[0].quality[0]",
        "move this rule below one",
    ),
    "two quality rules of one name": (
        with_column(
            quality=[
                {"name": "n", "metric": "nullValues", "mustBe": 0},
                {"name": "n", "metric": "missingValues", "mustBe": 0},
            ]
        ),
        "- name: n",
        "quality[1]",
        "give each its own name",
    ),
    "a server type that is misspelt": (
        server(type="locl", path="p"),
        "type: locl",
        "servers[0].type",
        "did you mean 'local'?",
    ),
    "a server type without a connector": (
        server(type="kafka", host="b", format="json"),
        "type: kafka",
        "servers[0].type",
        "'kafka' has no connector; use one of local, s3",
    ),
    "a format no reader has": (
        server(type="local", path="p", format="jsnl"),
        "format: jsnl",
        "servers[0].format",
        "did you mean 'jsonl'?",
    ),
    "a local server without a path": (
        server(type="local", format="jsonl"),
        "- server: here",
        "servers[0].path",
        "is missing",
    ),
    "a custom server without a connector": (server(type="custom"), "- server: here", "servers[0]", "names its connector"),
    "a file pattern that is none": (
        server(type="local", path="pages/**.md", format="documents"),
        "path: pages/**.md",
        "servers[0].path",
        "try **/*.md",
    ),
    "a table with wildcards in a folder": (
        server(type="local", path="*/rows.jsonl", format="jsonl"),
        "path: '*/rows.jsonl'",
        "servers[0].path",
        "in the file's name only",
    ),
    "no server": (files_contract("p", servers=[]), "servers: []", "servers", "say where this one feed is"),
    "no owner": (files_contract("p", team={"members": [{"username": "bob"}]}), "team:", "team", "give the team a name"),
    "a percentage above 100": (
        custom("quarantineMaxPercent", 101),
        "- property: quarantineMaxPercent",
        "customProperties[0]",
        "a percentage from 0 to 100",
    ),
    "a percentage below 0": (
        custom("volumeMaxDropPercent", -1),
        "- property: volumeMaxDropPercent",
        "customProperties[0]",
        "a percentage from 0 to 100",
    ),
    "a percentage that is text": (
        custom("quarantineMaxPercent", "ten"),
        "- property: quarantineMaxPercent",
        "customProperties[0]",
        "a percentage from 0 to 100",
    ),
    "a custom property that is misspelt": (
        custom("quarantineMaxPercen", 10),
        "- property: quarantineMaxPercen",
        "customProperties[0]",
        "did you mean 'quarantineMaxPercent'?",
    ),
    "a promise in a unit no clock has": (
        promise(property="latency", unit="parsec"),
        "unit: parsec",
        "slaProperties[0].unit",
        "known: min, h, d",
    ),
    "a promise that is no number": (
        promise(property="latency", value="x"),
        "value: x",
        "slaProperties[0].value",
        "is not a number of h",
    ),
    "freshness of a column that is no date": (
        promise(property="freshness", element="pages.title"),
        "element: pages.title",
        "slaProperties[0].element",
        "known: modified_at",
    ),
    "chunks of no token": (
        custom("chunkTokens", 0),
        "- property: chunkTokens",
        "customProperties[0]",
        "0 is not chunkTokens, a number of tokens, a whole number from 1 to 100,000",
    ),
    "half a token": (
        custom("chunkTokens", 100.5),
        "- property: chunkTokens",
        "customProperties[0]",
        "100.5 is not chunkTokens",
    ),
    "tokens in words": (
        custom("chunkMinTokens", "few"),
        "- property: chunkMinTokens",
        "customProperties[0]",
        "'few' is not",
    ),
    "a number of tokens left empty": (
        custom("chunkTokens", None),
        "- property: chunkTokens",
        "customProperties[0]",
        "None is not chunkTokens",
    ),
    "a minimum that no chunk reaches": (
        files_contract(
            "p",
            customProperties=[{"property": "chunkTokens", "value": 50}, {"property": "chunkMinTokens", "value": 50}],
        ),
        "- property: chunkMinTokens",
        "customProperties[1]",
        "chunkMinTokens 50 is not less than chunkTokens 50",
    ),
    "a minimum of sections where there are none": (
        files_contract(
            "p",
            customProperties=[{"property": "chunkMinTokens", "value": 5}, {"property": "chunkSplitter", "value": "text"}],
        ),
        "- property: chunkMinTokens",
        "customProperties[0]",
        "chunkSplitter text knows none; remove one of the two",
    ),
    "a splitter that is none": (
        custom("chunkSplitter", "markdwn"),
        "- property: chunkSplitter",
        "customProperties[0]",
        "did you mean 'markdown'?",
    ),
    "a size of chunks that is misspelt": (
        custom("chunkToken", 100),
        "- property: chunkToken",
        "customProperties[0]",
        "did you mean 'chunkTokens'?",
    ),
    "a maker that is no list": (
        custom("madeBy", "warehouse/articles"),
        "- property: madeBy",
        "customProperties[0]",
        "'warehouse/articles' is not a list of texts",
    ),
    "a maker that is no key": (
        custom("madeBy", ["warehouse//articles"]),
        "- property: madeBy",
        "customProperties[0]",
        "'warehouse//articles' is not the key of an asset; write its parts with slashes, such as warehouse/articles",
    ),
    "a maker twice": (
        custom("madeBy", ["warehouse/articles", "warehouse/articles"]),
        "- property: madeBy",
        "customProperties[0]",
        "'warehouse/articles' is given twice; keep one",
    ),
    "a maker misspelt": (custom("madeby", ["a/b"]), "- property: madeby", "customProperties[0]", "did you mean 'madeBy'?"),
}
"""What is broken: the contract, what the YAML line that is named holds, its field, the hint."""
