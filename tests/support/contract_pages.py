"""Pages of contracts with one thing changed."""

from typing import Any

from tests.conftest import column, files_contract, table_contract


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
