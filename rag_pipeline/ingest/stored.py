"""What the tables hold of each item, compared with what they held when the listing was made.

So the items to read again are derived from what is stored, whatever happened to it since: a commit that a power cut took,
a row that somebody deleted, a table that is gone or was set back. The contents are compared and not the versions of the
tables: an empty log file counts as a version, and the collection adds versions of its own.
"""

from dataclasses import dataclass

import polars as pl

from rag_pipeline.ingest.tables import LISTING, SourceTables
from rag_pipeline.lake import collected

_DIGITS = 10
"""Hexadecimal digits of each row's hash: forty bits, so that the sum over eight million rows of one item stays below 63."""

_HELD = ("documents", "documents_sum", "refusals", "refusals_sum")


def stored_by_item(tables: SourceTables) -> pl.DataFrame:
    """item, documents, refusals, and a sum of the hashes of each, which is another one when a row is another one."""
    documents = tables.documents.scan().group_by("item").agg(_rows("documents"), _sum("row_hash").alias("documents_sum"))
    still_open = tables.quarantine.scan().filter(pl.col("status") == "open")
    refusals = still_open.group_by("item").agg(_rows("refusals"), _sum("quarantine_id").alias("refusals_sum"))
    both = documents.join(refusals, on="item", how="full", coalesce=True).with_columns(pl.col(*_HELD).fill_null(0))
    return both.select("item", *_HELD).pipe(collected)


@dataclass(frozen=True, slots=True)
class Doubt:
    """Items whose listing cannot be believed, so that they are read again."""

    lost: frozenset[str]
    """The tables hold something else than what was stored of them."""
    untold: frozenset[str]
    """They were listed by an older version of this pipeline, which did not say what was stored."""

    @property
    def items(self) -> frozenset[str]:
        return self.lost | self.untold


def doubtful_items(tables: SourceTables) -> Doubt:
    """Every listed item held against the tables.

    What a held batch refused is stored without its listing: of items that are read again anyway, only documents count.
    """
    found = stored_by_item(tables).rename({name: f"{name}_now" for name in _HELD})
    both = listing_now(tables).join(found, on="item", how="left")
    both = both.with_columns(pl.col(f"{name}_now").fill_null(0) for name in _HELD)
    documents, refusals = (
        pl.any_horizontal(pl.col(name) != pl.col(f"{name}_now") for name in names) for names in (_HELD[:2], _HELD[2:])
    )
    lost = both.filter(documents | (pl.col("settled") & refusals))["item"]
    return Doubt(frozenset(lost), frozenset(both.filter(pl.col("documents").is_null())["item"]))


def listing_now(tables: SourceTables) -> pl.DataFrame:
    """The listing; nulls where an older version of this pipeline did not say what was stored."""
    rows = tables.listing.scan()
    missing = [name for name in LISTING.names if name not in rows.collect_schema().names()]
    kinds = pl.DataFrame(LISTING.empty_table()).schema
    return rows.with_columns(pl.lit(None, kinds[name]).alias(name) for name in missing).select(LISTING.names).pipe(collected)


def items_with_documents(tables: SourceTables) -> set[str]:
    """Items that documents came from, listed or not."""
    return set(tables.documents.scan().select(pl.col("item").unique()).pipe(collected)["item"])


def write_listing(tables: SourceTables, listed: pl.DataFrame) -> None:
    """Write the listing, with what the tables hold now of each item. `listed`: item, version, reader, settled, account."""
    said = listed.select("item", "version", "reader", "settled", "account")
    rows = said.join(stored_by_item(tables), on="item", how="left").with_columns(pl.col(*_HELD).fill_null(0))
    tables.listing.overwrite(rows.select(LISTING.names))


def note_purge(tables: SourceTables, before: Doubt) -> None:
    """Have the listing say what the tables hold after a purge; what was doubtful before it is read again still."""
    if tables.listing.exists:
        settled = pl.col("settled") & ~pl.col("item").is_in(list(before.items))
        write_listing(tables, listing_now(tables).with_columns(settled=settled))


def _rows(name: str) -> pl.Expr:
    return pl.len().cast(pl.Int64).alias(name)


def _sum(hashes: str) -> pl.Expr:
    return pl.col(hashes).str.head(_DIGITS).str.to_integer(base=16, dtype=pl.Int64, strict=False).sum()
