"""What the stored documents of a source lack of what their files show, and which files no connector reads."""

import json
from collections.abc import Mapping

import polars as pl

from rag_pipeline.contracts.contract import Contract
from rag_pipeline.extraction.account import Account
from rag_pipeline.ingest.loads import loads_in_order
from rag_pipeline.ingest.report import Losses
from rag_pipeline.ingest.stored import listing_now
from rag_pipeline.ingest.tables import SourceTables

_FEW_WORDS = 5
"""Fewer words missing from a document warn nobody: a caption, the label of a button."""

_EXAMPLES = 20


def losses_of(contract: Contract, tables: SourceTables, not_read: Mapping[str, int] | None) -> Losses:
    """Sums up what is lost. Call it before the load is remembered."""
    known = listing_now(tables).filter(pl.col("account").is_not_null()).select("item", "account")
    accounts = [(item, Account.from_json(account)) for item, account in known.iter_rows()]
    total = Account()
    for _, account in accounts:
        total = total.plus(account)
    if not_read is not None:
        not_read = {**not_read, **total.came_with}
    lacking = sorted((one for one in accounts if one[1].lost or one[1].silent), key=lambda one: (-one[1].percent, one[0]))
    return Losses(
        total=total,
        accounted=len(accounts),
        lossy=sum(is_lossy(account, contract.text_lost_max_percent) for _, account in lacking),
        examples=tuple(lacking[:_EXAMPLES]),
        not_read=not_read,
        new_suffixes=tuple(sorted((not_read or {}).keys() - _seen_before(tables))),
    )


def is_lossy(account: Account, max_percent: float) -> bool:
    """Whether a document lacks more than is allowed of its words, or of its pages."""
    return account.percent > max_percent and (account.missing >= _FEW_WORDS or account.silent > 0)


def _seen_before(tables: SourceTables) -> set[str]:
    """Suffixes that the last load which could list its feed did not read."""
    loads = loads_in_order(tables)
    if "not_read" not in loads.columns:
        return set()
    told = loads["not_read"].drop_nulls()
    return set(json.loads(told[-1])) if len(told) else set()
