"""Every message about a broken contract says which file, which line, which field and what to write instead."""

import copy
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from rag_pipeline.contracts.contract import QualityRule
from rag_pipeline.contracts.read import read_contract, read_contracts
from rag_pipeline.errors import ContractError
from rag_pipeline.settings import PROJECT
from tests.conftest import Workspace, column, files_contract, table_contract

BUNDLED = sorted((PROJECT / "contracts").glob("*.odcs.yaml"))


def server(**fields: Any) -> dict[str, Any]:
    return files_contract("pages", servers=[{"server": "here", **fields}])


def with_column(name: str = "stars", **fields: Any) -> dict[str, Any]:
    return table_contract("rows.jsonl", "jsonl", column(name, **fields))


def with_quality(**rule: Any) -> dict[str, Any]:
    return with_column(logicalType="integer", quality=[rule])


def promise(**fields: Any) -> dict[str, Any]:
    return files_contract("pages", slaProperties=[{"value": 1, "unit": "h", **fields}])


def custom(name: str, value: Any) -> dict[str, Any]:
    return files_contract("pages", customProperties=[{"property": name, "value": value}])


def prop(name: str, value: Any) -> dict[str, Any]:
    return {"property": name, "value": value}


def csv_table(**fields: Any) -> dict[str, Any]:
    """A contract of a CSV file; `delimiter` is a property of ours, other fields are the standard's, of the server."""
    given = {"server": "here", "type": "local", "format": "csv", "path": "t.csv", **fields}
    own = [prop("delimiter", given.pop("delimiter"))] if "delimiter" in given else []
    return table_contract("t.csv", "csv") | {"servers": [given | {"customProperties": own}]}


def untyped(**fields: Any) -> dict[str, Any]:
    """A contract whose last column says no type."""
    made = with_column("new", **fields)
    del made["schema"][0]["properties"][-1]["logicalType"]
    return made


KEY, TEXT = column("path", role="key"), column("text", role="text")


def without(field: str) -> dict[str, Any]:
    return {name: value for name, value in files_contract("pages").items() if name != field}


# what is broken: (contract, what the YAML line that is named holds, field, hint)
BROKEN: dict[str, tuple[dict[str, Any], str, str, str]] = {
    "a typing error in a field": (files_contract("p", versoin="1"), "versoin: '1'", "versoin", "did you mean 'version'?"),
    "a typing error in a column's field": (
        with_column(logicalTyp="string"),
        "logicalTyp: string",
        "schema[0].properties[2].logicalTyp",
        "did you mean 'logicalType'?",
    ),
    "a field that is missing": (without("id"), "apiVersion: v3.2.0", "id: ", "is missing"),
    "a version that is a number": (
        files_contract("p", version=1.0),
        "version: 1.0",
        "version",
        "1.0 is not text; put",
    ),
    "version 2 of the standard": (
        files_contract("p", apiVersion="v2.2.2"),
        "apiVersion: v2.2.2",
        "apiVersion",
        "v2.2.2 is not supported: v3 renamed most fields; write the contract in v3.2.0",
    ),
    "a version no standard has": (
        files_contract("p", apiVersion="v9"),
        "apiVersion: v9",
        "apiVersion",
        "newer than what is read",
    ),
    "another kind of document": (files_contract("p", kind="Data"), "kind: Data", "kind", "known: DataContract"),
    "a version that is missing": (without("version"), "apiVersion: v3.2.0", "version: ", "is missing"),
    "a column without a type": (
        untyped(physicalType="VARCHAR(20)"),
        "- name: new",
        "properties[2].logicalType",
        "one of string, integer, number, boolean, date, timestamp (physicalType 'VARCHAR(20)' is probably string)",
    ),
    "a column without a type that has options": (
        untyped(logicalTypeOptions={"minLength": 3}),
        "- name: new",
        "properties[2].logicalType",
        "is missing; one of string",
    ),
    "a multiple of nothing": (
        with_column(logicalType="number", logicalTypeOptions={"multipleOf": 0}),
        "multipleOf: 0",
        "multipleOf",
        "0 is less than or equal to the minimum of 0",
    ),
    "a team as a list without an address": (
        files_contract("p", team=[{"username": "ana", "role": "owner"}]),
        "team:",
        "team",
        "a list of members (v3.0) names no owner by e-mail; write team: {name: …, members: […]} as since v3.1",
    ),
    "a table in the words of version 2": (
        files_contract("p", dataset=[{"table": "t"}]),
        "dataset:",
        "dataset",
        "an older form of the standard; tables are described in `schema` since v3",
    ),
    "columns instead of properties": (
        files_contract("p", schema=[{"name": "pages", "columns": []}]),
        "columns: []",
        "schema[0].columns",
        "an older form of the standard; `properties` since v3",
    ),
    "the other standard": (
        {"dataContractSpecification": "1.2.1", "id": "x", "models": {}},
        "dataContractSpecification: 1.2.1",
        "dataContractSpecification",
        "convert it to ODCS v3.2.0",
    ),
    "no version and no kind": (
        {"id": "x", "schema": []},
        "id: x",
        "id",
        "begins with `apiVersion: v3.2.0` and `kind: DataContract`",
    ),
    "promises as a mapping": (
        files_contract("p", slaProperties={"freshness": "1d"}),
        "slaProperties:",
        "slaProperties",
        "is not a list; write each entry on lines of its own that begin with a dash",
    ),
    "a delimiter of two characters": (
        csv_table(delimiter=";;"),
        "- property: delimiter",
        "customProperties[0]",
        "';;' is not one character; write it as ';', or as one of tab",
    ),
    "a delimiter that is the quote": (
        csv_table(delimiter='"'),
        "- property: delimiter",
        "customProperties[0]",
        "delimiter and quoteCharacter are the same character",
    ),
    "a delimiter of what is no CSV": (
        csv_table(format="jsonl", delimiter=";"),
        "- property: delimiter",
        "customProperties[0]",
        "delimiter is for format: csv, and this feed is jsonl",
    ),
    "two tables": (
        files_contract("p", schema=[{"name": "a"}, {"name": "b"}]),
        "schema:",
        "schema",
        "2 tables found; a source's contract describes exactly one",
    ),
    "no table": (files_contract("p", schema=[]), "schema: []", "schema", "0 tables found"),
    "a column described twice": (with_column("id"), "- name: id", "properties[2]", "described twice; keep one"),
    "a column named like the pipeline's own": (
        with_column("__x"),
        "name: __x",
        "properties[2].name",
        "names that begin with '__' are the pipeline's own; rename the column, in the feed too",
    ),
    "a column named like pandera's own": (
        with_column("check_output"),
        "name: check_output",
        "properties[2].name",
        "pandera keeps this name for itself; rename",
    ),
    "a column whose name is a pattern": (
        with_column("^.*$"),
        "name: ^.*$",
        "properties[2].name",
        "polars takes it for a pattern of column names; rename",
    ),
    "a role that is none": (with_column(role="titel"), "- property: role", "properties[2]", "did you mean 'title'?"),
    "an access column": (with_column(role="access"), "- property: role", "properties[2]", "every release has one, public"),
    "two title columns": (
        table_contract("rows.jsonl", "jsonl", column("a", role="title"), column("b", role="title")),
        "properties:",
        "schema[0].properties",
        "at most one column may have the role 'title'",
    ),
    "no key column": (
        files_contract("p", schema=[{"name": "t", "properties": [column("text", role="text")]}]),
        "properties:",
        "schema[0].properties",
        "mark it with primaryKey: true",
    ),
    "no text column": (
        files_contract("p", schema=[{"name": "t", "properties": [column("path", role="key")]}]),
        "properties:",
        "schema[0].properties",
        "role 'text' (customProperties: property: role, value: text)",
    ),
    "a unique column that is dropped": (
        with_column(unique=True, policy="drop"),
        "unique: true",
        "unique",
        "would look alike with piiPolicy drop",
    ),
    "a text that is hashed": (
        files_contract("p", schema=[{"name": "t", "properties": [KEY, column("text", role="text", policy="hash")]}]),
        "- name: text",
        "properties[1]",
        "use scan-and-mask",
    ),
    "a key that is dropped": (
        files_contract("p", schema=[{"name": "t", "properties": [column("path", role="key", policy="drop"), TEXT]}]),
        "- name: path",
        "properties[0]",
        "nothing would be left to retrieve",
    ),
    "a policy for private data that is none": (
        custom("piiPolicy", "mask"),
        "- property: piiPolicy",
        "customProperties[0]",
        "known: allow, scan-and-mask, hash, drop, refuse",
    ),
    "private data of a kind that is none": (
        custom("piiEntities", ["EMAIL"]),
        "- property: piiEntities",
        "customProperties[0]",
        "known: EMAIL_ADDRESS, PHONE_NUMBER",
    ),
    "private data that needs a model": (
        custom("piiEntities", ["PERSON"]),
        "- property: piiEntities",
        "customProperties[0]",
        "PERSON cannot be found here",
    ),
    "private data of a country that is none": (
        custom("piiRegions", ["Germany"]),
        "- property: piiRegions",
        "customProperties[0]",
        "no country code such as DE",
    ),
    "a scan for nothing": (
        files_contract("p", customProperties=[prop("piiPolicy", "refuse"), prop("piiEntities", [])]),
        "- property: piiEntities",
        "customProperties[1]",
        "refuse needs piiEntities to look for",
    ),
    "a changelog that is no list": (
        custom("changelog", "1.1.0: more"),
        "- property: changelog",
        "customProperties[0]",
        "is not a list of texts",
    ),
    "a rule of another engine": (
        with_quality(type="custom", engine="soda", implementation="checks"),
        "engine: soda",
        "quality[0].engine",
        "a function in checks.py (engine: rag-pipeline)",
    ),
    "a rule of sql": (
        with_quality(type="sql", query="select 1", mustBe=1),
        "type: sql",
        "quality[0].type",
        "a function in checks.py",
    ),
    "a rule over columns without its file": (
        with_quality(type="custom", engine="rag-pipeline", implementation="ends_after_it_starts"),
        "implementation: ends_after_it_starts",
        "quality[0].implementation",
        "checks.py: no such file",
    ),
    "invalid values of any kind": (
        with_quality(metric="invalidValues", mustBe=0),
        "- metric: invalidValues",
        "quality[0]",
        "needs arguments: validValues",
    ),
    "an argument no metric has": (
        with_quality(metric="nullValues", mustBe=0, arguments={"validValues": [1]}),
        "validValues:",
        "arguments.validValues",
        "unknown argument of nullValues",
    ),
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
        "no cron line of five fields",
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
        "is not a time longer than nothing",
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
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_contract_is_refused_with_line_field_and_hint(workspace: Workspace, what: str) -> None:
    content, line_holds, field, hint = BROKEN[what]
    file = workspace.contract("handbook", content)
    with pytest.raises(ContractError) as caught:
        read_contract(file)
    message = str(caught.value)
    found = re.match(rf"{re.escape(str(file))}:(\d+): (.+)", message)
    assert found, message
    assert line_holds in file.read_text(encoding="utf-8").splitlines()[int(found[1]) - 1]
    assert field in found[2]
    assert hint in found[2]
    assert len(message.splitlines()) == 1, "one mistake, one message"


def test_two_mistakes_are_told_together(workspace: Workspace) -> None:
    file = workspace.contract("handbook", files_contract("p", versoin="1", kind="Data"))
    with pytest.raises(ContractError) as caught:
        read_contract(file)
    assert "did you mean 'version'?" in str(caught.value)
    assert "unknown value 'Data'" in str(caught.value)


def test_an_operator_that_is_misspelt_is_told_how_it_is_spelt(workspace: Workspace) -> None:
    file = workspace.contract("handbook", with_quality(metric="nullValues", mustBeLesThan=1))
    with pytest.raises(ContractError, match=r":37: .*quality\[0\]\.mustBeLesThan: .*did you mean 'mustBeLessThan'\?"):
        read_contract(file)


def test_a_team_that_is_no_mapping_is_refused(workspace: Workspace) -> None:
    file = workspace.contract("handbook", files_contract("p", team="docs"))
    with pytest.raises(ContractError, match=r":8: team: 'docs' is not a mapping of fields; write it as"):
        read_contract(file)


@pytest.mark.parametrize(
    ("content", "line", "hint"),
    [
        (b"", "", "the file is empty"),
        (b"# only a comment\n", "", "the file is empty"),
        (b"id: caf\xe9\n", "", "not UTF-8 (byte 7); save it as UTF-8"),
        (b"id: [a\nkind: b\n", ":2", "not valid YAML"),
        (b"id: \x01\n", "", "not valid YAML"),
        (b"- a\n- b\n", "", "a contract is a mapping of fields"),
        (b"id: a\nkind: b\nid: c\n", ":3", "field 'id' is given twice; keep one"),
        (b"id: a\nteam:\n  name: a\n  name: b\n", ":4", "field 'name' is given twice; keep one"),
        (b"id: a\n---\nid: b\n", ":2", "not valid YAML"),
        (b"kind: a\nid: !secret a\n", ":2", "not plain YAML"),
        (b"kind: a\n? [a, b]\n: c\n", ":2", "not plain YAML"),
        (b"team: &a [*a]\n", ":1", "an alias in this file holds itself"),
        (b"version: 0x_\n", "", "put it in quotes"),
    ],
)
def test_a_file_that_is_no_plain_yaml_is_refused(tmp_path: Path, content: bytes, line: str, hint: str) -> None:
    file = tmp_path / "handbook.odcs.yaml"
    file.write_bytes(content)
    with pytest.raises(ContractError, match=re.escape(f"{file}{line}: ") + ".*" + re.escape(hint)):
        read_contract(file)


def test_a_contract_that_cannot_be_opened_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "handbook.odcs.yaml"
    folder.mkdir()
    with pytest.raises(ContractError, match=r"handbook\.odcs\.yaml: cannot be read \(Is a directory\)"):
        read_contract(folder)


@pytest.mark.parametrize("name", ["Handbook", "hb", "2handbook", "hand-book", "h" * 64])
def test_a_file_whose_name_is_no_source_name_is_refused(workspace: Workspace, name: str) -> None:
    file = workspace.contract(name, files_contract("pages"))
    with pytest.raises(ContractError, match="3 to 63 lower-case letters, digits and underscores"):
        read_contract(file)


def test_a_folder_that_is_missing_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="no such folder; RAG_CONTRACTS must name a folder"):
        read_contracts(tmp_path / "absent")


def test_a_folder_without_a_contract_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="add a contract"):
        read_contracts(tmp_path)


@pytest.mark.parametrize("name", ["handbook.yaml", "handbook.yml", "handbook.odcs.yml"])
def test_a_file_with_another_ending_is_not_passed_over(workspace: Workspace, name: str) -> None:
    file = workspace.contract("pages", files_contract("pages"))
    file.with_name(name).write_text(file.read_text(encoding="utf-8"), encoding="utf-8")
    with pytest.raises(ContractError, match=rf"{re.escape(name)}: .*<source>\.odcs\.yaml; rename it"):
        read_contracts(file.parent)


def test_contracts_are_read_by_source_name(workspace: Workspace) -> None:
    for source in ("zebra", "aardvark"):
        workspace.contract(source, files_contract("pages"))
    contracts = read_contracts(workspace.settings.contracts)
    assert [contract.source for contract in contracts] == ["aardvark", "zebra"]


@pytest.mark.parametrize("file", BUNDLED, ids=lambda file: file.name)
def test_every_bundled_contract_is_valid(file: Path) -> None:
    contract = read_contract(file)
    assert contract.owners
    assert contract.max_age_hours == 48
    assert contract.quality
    assert contract.description


def test_the_folder_of_bundled_contracts_is_not_empty() -> None:
    assert len(BUNDLED) >= 3
    assert len(read_contracts(PROJECT / "contracts")) == len(BUNDLED)


def test_what_a_contract_says_is_what_is_read(workspace: Workspace) -> None:
    content = table_contract(
        "rows.jsonl",
        "jsonl",
        column("stars", logicalType="integer", logicalTypeOptions={"minimum": 1}, enum=[{"value": 1}, {"value": 2}]),
        team={"name": "Search & Docs", "members": [{"username": "ada@example.com"}, {"username": "bob"}]},
        slaProperties=[{"property": "latency", "value": 2, "unit": "d"}],
        customProperties=[{"property": "volumeMaxDropPercent", "value": 25}, {"property": "cost-centre", "value": 7}],
    )
    contract = read_contract(workspace.contract("reviews", content))
    assert contract.source == "reviews"
    assert contract.owners == ("team:search_docs", "ada@example.com")
    assert contract.max_age_hours == 48
    assert (contract.quarantine_max_percent, contract.volume_max_drop_percent) == (10, 25)
    assert contract.server.path == workspace.root / "contracts" / "rows.jsonl"
    stars = contract.metadata_columns[0]
    assert (stars.name, stars.logical_type, stars.required) == ("stars", "integer", False)
    assert (stars.options, stars.allowed) == ({"minimum": 1}, (1, 2))
    assert contract.column("key").name == "id"
    assert contract.column("key").required
    assert contract.column("title") is None


@pytest.mark.parametrize(("unit", "hours"), [("h", 6), ("d", 144), ("days", 144), ("min", 0.1), ("s", 6 / 3600)])
def test_a_promise_is_kept_in_hours(workspace: Workspace, unit: str, hours: float) -> None:
    contract = read_contract(workspace.contract("pages", promise(property="latency", value=6, unit=unit)))
    assert contract.max_age_hours == pytest.approx(hours)


def test_a_contract_without_a_promise_has_no_age_limit(workspace: Workspace) -> None:
    contract = read_contract(workspace.contract("pages", files_contract("pages", slaProperties=[])))
    assert contract.max_age_hours is None


def test_a_quality_rule_for_people_is_not_measured(workspace: Workspace) -> None:
    rule = {"type": "text", "description": "Prices look plausible."}
    assert read_contract(workspace.contract("pages", with_column(quality=[rule]))).quality == ()


@pytest.mark.parametrize(
    ("operator", "bound", "inside", "outside"),
    [
        ("mustBe", 5.0, [5], [4, 6]),
        ("mustNotBe", 5.0, [4, 6], [5]),
        ("mustBeGreaterThan", 5.0, [5.1], [5]),
        ("mustBeGreaterOrEqualTo", 5.0, [5, 6], [4.9]),
        ("mustBeLessThan", 5.0, [4.9], [5]),
        ("mustBeLessOrEqualTo", 5.0, [5, 4], [5.1]),
        ("mustBeBetween", [5, 7], [5, 6, 7], [4.9, 7.1]),
        ("mustNotBeBetween", [5, 7], [4.9, 7.1], [5, 6, 7]),
    ],
)
def test_every_operator_holds_on_its_side_of_the_bound(
    workspace: Workspace, operator: str, bound: Any, inside: list[float], outside: list[float]
) -> None:
    content = with_quality(metric="nullValues", **{operator: bound})
    (rule,) = read_contract(workspace.contract("pages", content)).quality
    assert isinstance(rule, QualityRule)
    assert [rule.holds(value) for value in inside] == [True] * len(inside)
    assert [rule.holds(value) for value in outside] == [False] * len(outside)


def _loosen(content: dict[str, Any]) -> None:
    content["schema"][0]["properties"][2]["logicalTypeOptions"]["minimum"] = 0


def _retype(content: dict[str, Any]) -> None:
    content["schema"][0]["properties"][2] = column("stars", logicalType="number", logicalTypeOptions={"minimum": 1})


def _reformat(content: dict[str, Any]) -> None:
    content["servers"][0]["format"] = "csv"


@pytest.mark.parametrize("change", [_loosen, _retype, _reformat])
def test_the_fingerprint_changes_with_what_decides_which_rows_are_good(
    workspace: Workspace, change: Callable[[dict[str, Any]], None]
) -> None:
    content = with_column(logicalType="integer", logicalTypeOptions={"minimum": 1})
    before = read_contract(workspace.contract("rows", content)).fingerprint
    changed = copy.deepcopy(content)
    change(changed)
    assert read_contract(workspace.contract("rows", changed)).fingerprint != before


def test_the_fingerprint_does_not_change_with_words(workspace: Workspace) -> None:
    content = with_column(logicalType="integer")
    before = read_contract(workspace.contract("rows", content)).fingerprint
    content["description"] = {"purpose": "Other words."}
    content["team"]["name"] = "others"
    assert read_contract(workspace.contract("rows", content)).fingerprint == before


def test_a_date_in_a_contract_stays_text(workspace: Workspace) -> None:
    content = with_column(logicalType="date", logicalTypeOptions={"minimum": "2024-01-31"})
    file = workspace.contract("rows", content)
    file.write_text(yaml.safe_dump(content).replace("'2024-01-31'", "2024-01-31"), encoding="utf-8")
    assert "minimum: 2024-01-31" in file.read_text(encoding="utf-8")
    assert read_contract(file).metadata_columns[0].options == {"minimum": "2024-01-31"}


@pytest.mark.parametrize("name", ["corpus", "evals", "index"])
def test_a_source_cannot_be_called_like_another_group_of_the_graph(workspace: Workspace, name: str) -> None:
    path = workspace.contract(name, files_contract(workspace.root))
    with pytest.raises(ContractError, match="name of another group"):
        read_contract(path)


def test_wildcards_in_the_path_choose_among_the_files(workspace: Workspace) -> None:
    contract = read_contract(workspace.contract("pages", files_contract("../pages/**/*.md")))
    assert contract.server.path == workspace.root / "contracts" / ".." / "pages"
    assert contract.server.pattern == "**/*.md"
    contract = read_contract(workspace.contract("rows", table_contract("../rows/*.jsonl", "jsonl")))
    assert contract.server.path == workspace.root / "contracts" / ".." / "rows" / "*.jsonl"
    assert contract.server.pattern is None


@pytest.mark.parametrize(("written", "delimiter"), [("tab", "\t"), ("\\t", "\t"), ("\t", "\t"), (";", ";"), ("Pipe", "|")])
def test_a_delimiter_is_a_character_or_its_name(workspace: Workspace, written: str, delimiter: str) -> None:
    told = csv_table(delimiter=written)
    assert read_contract(workspace.contract("table", told)).server.dialect.delimiter == delimiter


def test_another_delimiter_makes_rows_be_judged_again_and_the_usual_one_does_not(workspace: Workspace) -> None:
    plain, comma, semicolon = (
        read_contract(workspace.contract("table", contract)).fingerprint
        for contract in (csv_table(), csv_table(delimiter=","), csv_table(delimiter=";"))
    )
    assert plain == comma != semicolon


def test_a_team_as_a_list_is_read_as_before(workspace: Workspace) -> None:
    old = files_contract("p", team=[{"username": "ana@example.com", "role": "owner"}, {"username": "bob", "role": "reader"}])
    assert read_contract(workspace.contract("handbook", old)).owners == ("ana@example.com",)
