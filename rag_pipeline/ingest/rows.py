"""Rows of the tables: what is stored of an accepted row, and of a refused one."""

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from rag_pipeline.contracts.contract import OWN, Contract
from rag_pipeline.files import fingerprint
from rag_pipeline.ingest.connectors import Row
from rag_pipeline.ingest.keys import join_key
from rag_pipeline.ingest.privacy import Shield

ITEM, ROW, UNIQUES = f"{OWN}item", f"{OWN}row", f"{OWN}uniques"
"""Columns beside the contract's own: a row's place, and its values of unique columns as a JSON list."""

Place = tuple[str, int]
"""An item's key and the place of a row in it, from 0."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """Who writes: on every row, for lineage."""

    contract: Contract
    run_id: str
    now: datetime
    """The last time that could be believed: what is too old to be kept is told by it."""
    latest: datetime
    """What is later than this, and more than a day, comes from the future."""
    shield: Shield


def document_id_of(stamp: Stamp, row: dict[str, Any]) -> str:
    """Id of the document an accepted row is, or would be, with its key as it may be stored."""
    kept = stamp.shield.protect({column.name: row[column.name] for column in stamp.contract.keys}).row
    return f"{stamp.contract.source}/{join_key([str(kept[column.name]) for column in stamp.contract.keys])}"


def document_of(stamp: Stamp, row: dict[str, Any]) -> dict[str, Any]:
    contract = stamp.contract
    by_role = {column.role: row[column.name] for column in contract.columns if column.role}
    key = join_key([str(row[column.name]) for column in contract.keys])
    modified_at = by_role.get("modified_at")
    if isinstance(modified_at, date) and not isinstance(modified_at, datetime):
        modified_at = datetime(modified_at.year, modified_at.month, modified_at.day, tzinfo=UTC)
    seen = {
        "text": by_role["text"],
        "title": by_role.get("title") or key,
        "uri": by_role.get("uri"),
        "metadata": json.dumps(
            {c.name: value for c in contract.metadata_columns if (value := row[c.name]) is not None},
            ensure_ascii=False,
            default=str,
            sort_keys=True,
        ),
    }
    content_hash = fingerprint(seen)
    document_id = f"{contract.source}/{key}"
    return seen | {
        "document_id": document_id,
        "key": key,
        "modified_at": modified_at,
        "content_hash": content_hash,
        "row_hash": fingerprint(document_id, content_hash, modified_at, row[ITEM], contract.id, contract.version),
        "item": row[ITEM],
        "row": row[ROW],
        UNIQUES: json.dumps([as_text(row[column.name]) for column in contract.unique_columns]),
        "contract_id": contract.id,
        "contract_version": contract.version,
        "run_id": stamp.run_id,
    }


def refusal_of(stamp: Stamp, place: Place, kind: str, reasons: list[dict[str, str]], raw: Row) -> dict[str, Any]:
    text = json.dumps(raw, ensure_ascii=False, default=str, sort_keys=True)
    return {
        "quarantine_id": fingerprint(stamp.contract.source, kind, place, reasons, text),
        "item": place[0],
        "row": place[1],
        "status": "open",
        "kind": kind,
        "reasons": json.dumps(reasons, ensure_ascii=False),
        "raw": text,
        "contract_id": stamp.contract.id,
        "contract_version": stamp.contract.version,
        "rules_fingerprint": stamp.contract.fingerprint,
        "run_id": stamp.run_id,
        "first_seen_at": stamp.latest,
        "resolved_at": None,
    }


def as_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, date):  # datetime too
        return value.isoformat()
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)
