"""A contract's fingerprint decides whether everything is read again: it stays what it was before kinds had folders."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from rag_pipeline.contracts.read import read_contract
from rag_pipeline.settings import PROJECT

BUNDLED = {
    "installed_packages": "b7e0b78e9606ccb950247ac7a88f46af",
    "python_language": "1bf01fe3d56c3d4957b5e1686babd9e1",
    "python_library": "5cca8d1bbb7dcb127267b90db247bbfc",
}
"""Of the contracts in contracts/. One that changes which rows are good, or what is kept of them, has another."""


def own(**properties: Any) -> list[dict[str, Any]]:
    return [{"property": name, "value": value} for name, value in properties.items()]


SERVERS: dict[str, tuple[dict[str, Any], str]] = {
    "a folder": ({"type": "local", "format": "documents", "path": "../pages"}, "cbc2e7d3edf8e21ec2e9d149beebc800"),
    "patterns": (
        {"type": "local", "format": "documents", "path": "../pages/**/*.md", "customProperties": own(exclude="drafts/**")},
        "cbc2e7d3edf8e21ec2e9d149beebc800",
    ),
    "documents in a bucket": (
        {"type": "s3", "format": "documents", "location": "s3://docs/a/**/*.md"},
        "cbc2e7d3edf8e21ec2e9d149beebc800",
    ),
    "documents by name": (
        {"type": "custom", "format": "documents", "location": "gs://docs/a", "customProperties": own(connector="files")},
        "cbc2e7d3edf8e21ec2e9d149beebc800",
    ),
    "lines": ({"type": "local", "format": "jsonl", "path": "rows-*.jsonl"}, "b58382010f44e6bf44c66118f2d5a4de"),
    "csv": ({"type": "local", "format": "csv", "path": "rows.csv"}, "90c00937fe0331269bd54aab46b504bd"),
    "csv in German": (
        {"type": "local", "format": "csv", "path": "rows.csv", "customProperties": own(delimiter=";")},
        "d655b834c40473bd359ea34457667ead",
    ),
    "parquet in a bucket": (
        {"type": "azure", "format": "parquet", "location": "az://data/rows.parquet"},
        "ecf99a2f7f9346f4892461b0d8e50ec4",
    ),
    "a table of a database": (
        {
            "type": "postgres",
            "host": "db",
            "port": 5432,
            "database": "shop",
            "schema": "public",
            "customProperties": own(table="articles", cursor="changed_at", timeoutSeconds=60),
        },
        "3601e57b338df782315ce441514295cb",
    ),
    "a query": (
        {"type": "custom", "location": "sqlite:///a.db", "customProperties": own(connector="sql", query="SELECT * FROM a;")},
        "0a315a54c785b2586aa03d6ccd335b46",
    ),
    "a sitemap": (
        {
            "type": "custom",
            "location": "https://example.org/map.xml",
            "customProperties": own(connector="web", requestsPerSecond=2),
        },
        "bc325fe2e680015e66c1cfe68d64fc5c",
    ),
    "pages": (
        {"type": "custom", "customProperties": own(connector="web", pages=["https://example.org/a"])},
        "bc325fe2e680015e66c1cfe68d64fc5c",
    ),
    "one that every Python has": (
        {"type": "custom", "customProperties": own(connector="python_library")},
        "a00470f6cd72bb74335d58778df97d45",
    ),
    "one that nobody has": (
        {"type": "custom", "customProperties": own(connector="nobodys")},
        "1319d49db058b0d05bd938b14af38f8b",
    ),
}


def content(server: dict[str, Any]) -> dict[str, Any]:
    role = {name: own(role=name) for name in ("key", "text")}
    return {
        "apiVersion": "v3.2.0",
        "kind": "DataContract",
        "id": "rows",
        "version": "1.0.0",
        "status": "active",
        "team": {"name": "docs"},
        "servers": [{"server": "here", **server}],
        "schema": [
            {
                "name": "rows",
                "properties": [
                    {"name": "id", "logicalType": "string", "required": True, "customProperties": role["key"]},
                    {"name": "text", "logicalType": "string", "required": True, "customProperties": role["text"]},
                ],
            }
        ],
    }


@pytest.mark.parametrize("name", SERVERS)
def test_the_fingerprint_of_a_contract_of_each_kind_is_what_it_was(tmp_path: Path, name: str) -> None:
    server, was = SERVERS[name]
    file = tmp_path / "rows.odcs.yaml"
    file.write_text(yaml.safe_dump(content(server)), encoding="utf-8")
    assert read_contract(file).fingerprint == was


@pytest.mark.parametrize("source", BUNDLED)
def test_the_fingerprints_of_the_bundled_contracts_are_what_they_were(source: str) -> None:
    assert read_contract(PROJECT / f"contracts/{source}.odcs.yaml").fingerprint == BUNDLED[source]
