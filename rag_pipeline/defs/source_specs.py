"""The two assets of a source as its contract describes them: owners, promises, columns, where they lie, what they are of."""

import re
from datetime import timedelta

import dagster as dg

from rag_pipeline.contracts.contract import Column, Contract
from rag_pipeline.defs import keys
from rag_pipeline.home import Home
from rag_pipeline.host.placing import outside
from rag_pipeline.host.standard import COLUMNS, of_table, written_in
from rag_pipeline.host.ui_tables import WHEN_ITS_FEED_WAS_MADE, plain, plain_lines, table
from rag_pipeline.ingest.tables import source_tables

_SHORTEST_WINDOW = timedelta(minutes=1)
"""Dagster's least window of a freshness policy; the check of the data's age knows shorter ones."""


def documents_spec(contract: Contract, home: Home) -> dg.AssetSpec:
    fail = max(timedelta(hours=contract.max_age_hours), _SHORTEST_WINDOW) if contract.max_age_hours else None
    return dg.AssetSpec(
        keys.documents(contract.source),
        deps=_feed(contract),
        automation_condition=WHEN_ITS_FEED_WAS_MADE if contract.made_by else None,
        group_name=contract.source,
        owners=list(contract.owners),
        kinds={"deltalake", "pandera"},
        tags=_tags(contract),
        freshness_policy=dg.FreshnessPolicy.time_window(fail_window=fail) if fail else None,
        description=(
            f"{plain_lines(contract.description)}\n\n- Grain: one document.\n- Origin: {plain(contract.server.says)}, "
            f"contract `{contract.id}` {contract.version} (`{contract.file.name}`).\n- Re-run: reads only items that "
            f"changed; a batch that breaks the contract leaves the last good version in place.\n- {contract.answers}."
        ),
        metadata={
            **of_table(home, source_tables(home, contract.source).documents),
            **written_in(contract.file),
            COLUMNS: column_schema(contract),
            "contract": str(contract.file),
            "contract_version": contract.version,
            "support": table(("channel", "url"), [(s.channel, s.url) for s in contract.support], empty="none named"),
            "access_roles": ", ".join(contract.roles) or "none named",
            "kept_for": f"{contract.retention_hours / 24:g} days" if contract.retention_hours else "no limit promised",
        },
    )


def quarantine_spec(contract: Contract, home: Home) -> dg.AssetSpec:
    return dg.AssetSpec(
        keys.quarantine(contract.source),
        deps=_feed(contract),
        group_name=contract.source,
        owners=list(contract.owners),
        kinds={"deltalake"},
        tags={"classification": "restricted"},  # it holds values as found, private data too
        description=(
            f"Rows of `{contract.source}` that its contract refused, with every reason.\n\n- Grain: one refused row.\n"
            "- Re-run: rows that are found good later are marked resolved; nothing is deleted."
        ),
        metadata={
            **of_table(home, source_tables(home, contract.source).quarantine, _QUARANTINE),
            **written_in(contract.file),
        },
    )


_QUARANTINE = {
    "quarantine_id": "Hash of source, item, place in the item and the values as found.",
    "item": "The file, page or part of the feed that the row came from.",
    "row": "Place in the item, from 0.",
    "status": "`open`, or `resolved` once the row was found good or left the feed.",
    "kind": "`refused` by a rule, `superseded` by a later row of the same key, or `unreadable`.",
    "reasons": "JSON list with rule, column and message of everything that is wrong.",
    "raw": "JSON object of the values as they were found. It may hold private data.",
    "contract_id": "The contract that refused the row.",
    "contract_version": "The version of that contract.",
    "rules_fingerprint": "Fingerprint of the rules. When they change, the row is looked at again.",
    "run_id": "The run that refused the row.",
    "first_seen_at": "When the row was refused first.",
    "resolved_at": "When the row was resolved; empty while it is open.",
}


def _feed(contract: Contract) -> list[dg.AssetDep]:
    """What the feed is made by, in this code location or another."""
    return [outside(dg.AssetKey(key.split("/"))) for key in contract.made_by]


def _tags(contract: Contract) -> dict[str, str]:
    """The contract's version, classification and own tags, as Dagster takes them (letters, digits, `_`, `-`, `.`)."""
    tags = {"contract_version": contract.version} | {_tag(tag): "" for tag in contract.tags}
    return tags | ({"classification": _tag(contract.classification)} if contract.classification else {})


def _tag(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", text)[:63].strip("_.-") or "tag"


def column_schema(contract: Contract) -> dg.TableSchema:
    """The columns of the feed, with all the contract says of them. The table stores each under its role."""
    return dg.TableSchema([_table_column(column) for column in contract.columns])


def _table_column(column: Column) -> dg.TableColumn:
    tags = {_tag(tag): "" for tag in column.tags}
    if column.classification:
        tags["classification"] = _tag(column.classification)
    if column.role:
        tags["role"] = column.role
    if column.privacy.policy != "allow":
        tags["pii_policy"] = column.privacy.policy
    options = [f"{name}: {value}" for name, value in column.options.items()]
    enum = [f"one of {', '.join(str(value) for value in column.allowed)}"] if column.allowed else []
    return dg.TableColumn(
        column.name,
        column.logical_type,
        description=plain_lines(column.description) or None,  # which the UI renders as Markdown, the rest as it is
        constraints=dg.TableColumnConstraints(nullable=not column.required, unique=column.unique, other=[*options, *enum]),
        tags=tags,
    )
