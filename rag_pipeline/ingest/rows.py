"""Rows of the tables: what is stored of an accepted row, and of a refused one."""

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from rag_pipeline.contracts.contract import OWN, Contract
from rag_pipeline.contracts.labels import LABELS, labels_of
from rag_pipeline.feeds.base import Row, as_text, join_key
from rag_pipeline.files import fingerprint
from rag_pipeline.privacy import PrivacyFilter

ITEM, ROW, UNIQUES = f"{OWN}item", f"{OWN}row", f"{OWN}uniques"
"""Columns beside the contract's own: a row's place, and its values of unique columns as a JSON list."""

Place = tuple[str, int]
"""An item's key and the place of a row in it, from 0."""


@dataclass(frozen=True, slots=True)
class LoadContext:
    """What writes: it is on every row, for lineage."""

    contract: Contract
    run_id: str
    now: datetime
    """The last time that could be believed: it decides what is too old to be kept."""
    latest: datetime
    """What is later than this, and more than a day, comes from the future."""
    shield: PrivacyFilter


def document_id_of(context: LoadContext, row: dict[str, Any]) -> str:
    """Id of the document an accepted row is, or would be, with its key as it may be stored."""
    kept = context.shield.protect({column.name: row[column.name] for column in context.contract.keys}).row
    return f"{context.contract.source}/{join_key([str(kept[column.name]) for column in context.contract.keys])}"


def document_of(context: LoadContext, row: dict[str, Any]) -> dict[str, Any]:
    contract = context.contract
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
            {c.name: value for c in contract.metadata_columns if (value := row[c.name]) is not None}
            | ({LABELS: labels_of(by_role["access"])} if "access" in by_role else {}),
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
        "run_id": context.run_id,
    }


def refusal_of(context: LoadContext, place: Place, kind: str, reasons: list[dict[str, str]], raw: Row) -> dict[str, Any]:
    text = json.dumps(raw, ensure_ascii=False, default=str, sort_keys=True)
    return {
        "quarantine_id": fingerprint(context.contract.source, kind, place, reasons, text),
        "item": place[0],
        "row": place[1],
        "status": "open",
        "kind": kind,
        "reasons": json.dumps(reasons, ensure_ascii=False),
        "raw": text,
        "contract_id": context.contract.id,
        "contract_version": context.contract.version,
        "rules_fingerprint": context.contract.fingerprint,
        "run_id": context.run_id,
        "first_seen_at": context.latest,
        "resolved_at": None,
    }
