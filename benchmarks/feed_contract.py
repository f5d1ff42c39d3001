"""The contract of a feed that a benchmark makes or reads: columns of text, an owner nobody writes to, a generous SLA."""

from collections.abc import Mapping
from pathlib import Path

import yaml


def write_contract(folder: Path, source: str, path: Path, form: str, roles: Mapping[str, str | None]) -> None:
    """`<folder>/<source>.odcs.yaml` for the file or folder at `path`, of format `form`.

    `roles`: each column, and what it is to the pipeline (`key`, `text`, `title`, `uri`; None for plain metadata).
    """
    contract = {
        "apiVersion": "v3.2.0",
        "kind": "DataContract",
        "id": source,
        "version": "1.0.0",
        "status": "active",
        "description": {"purpose": f"{source}, to measure with."},
        "team": {"name": "benchmarks", "members": [{"username": "bench@example.com"}]},
        "servers": [{"server": "here", "type": "local", "format": form, "path": str(path)}],
        "schema": [{"name": "rows", "properties": [_column(name, role) for name, role in roles.items()]}],
        "slaProperties": [{"property": "latency", "value": 100_000, "unit": "h"}],
    }
    (folder / f"{source}.odcs.yaml").write_text(yaml.safe_dump(contract, sort_keys=False), encoding="utf-8")


def _column(name: str, role: str | None) -> dict[str, object]:
    column = {"name": name, "logicalType": "string", "required": role in ("key", "text"), "primaryKey": role == "key"}
    return column | ({"customProperties": [{"property": "role", "value": role}]} if role else {})
