"""What was read and not committed yet: files on disk, counts that add up, and which rows stand for their documents."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from rag_pipeline.contracts.contract import Contract
from rag_pipeline.extraction.account import Account
from rag_pipeline.ingest.clock import A_DAY
from rag_pipeline.ingest.rows import UNIQUES, LoadContext, refusal_of
from rag_pipeline.ingest.tables import DOCUMENTS

BATCH_ROWS = 1_000

FILES = ("documents.parquet", "quarantine.parquet")
"""What a load writes into its scratch folder, and nothing else."""

STAGED = DOCUMENTS.append(pa.field("row", pa.int64())).append(pa.field(UNIQUES, pa.string()))

Rank = tuple[datetime, str, int]
"""(modified_at, item, row): of rows that cannot both be kept, the greatest is."""


@dataclass
class Staged:
    """What was read: two Parquet files below a scratch folder, and the counts that must add up."""

    documents: Path
    quarantine: Path
    rows_in: int = 0
    readable: int = 0
    good: int = 0
    refused: int = 0
    superseded: int = 0
    expired: int = 0
    """Rows older than the contract lets them be kept: neither stored nor quarantined."""

    expired_documents: set[str] = field(default_factory=set)
    """Documents those rows would be."""

    pii_found: Counter[str] = field(default_factory=Counter)
    """Private data found in rows that were accepted, by entity."""

    accounts: dict[str, Account] = field(default_factory=dict)
    """Item -> what its document shows and what of it was not handed on, where its kind has such an account."""

    unreadable_items: set[str] = field(default_factory=set)
    columns: set[str] = field(default_factory=set)
    winners: dict[str, Rank] = field(default_factory=dict)
    """document id -> (modified_at, item, row) of the row that is kept, the last by that order."""

    losers: dict[tuple[str, int], tuple[str, Rank]] = field(default_factory=dict)
    """Place of a row that is not kept although its key is not repeated -> (unique column, rank of the row kept)."""

    lost: set[str] = field(default_factory=set)
    """Documents no row stands for, because of a unique column."""

    uniques: dict[str, dict[str, Rank]] = field(default_factory=dict)
    """Unique column -> value -> rank of the row that is kept."""

    unsettled_items: set[str] = field(default_factory=set)
    """Items with a row that lost to a row of another item: read them again next time."""

    def rows(self) -> Iterator[pl.DataFrame]:
        """The good rows that were not superseded, in batches with the columns of the documents table."""
        for frame in frames(self.documents):
            yield frame.filter(self.kept(frame)).drop("row", UNIQUES)

    def superseded_rows(self) -> Iterator[pl.DataFrame]:
        for frame in frames(self.documents):
            yield frame.filter(~self.kept(frame))

    def kept(self, frame: pl.DataFrame) -> pl.Series:
        places = zip(frame["document_id"], frame["item"], frame["row"], strict=True)
        return pl.Series([self.keeps(*place) for place in places], dtype=pl.Boolean)

    def knows(self, document_id: str) -> bool:
        """Whether a row of this key was read and kept its contract, whether or not it stands for the document."""
        return document_id in self.winners or document_id in self.lost

    def keeps(self, document_id: str, item: str, row: int) -> bool:
        """Whether this is the row that stands for its document."""
        return document_id in self.winners and self.winners[document_id][1:] == (item, row)


def settle(staged: Staged, document: dict[str, Any], latest: datetime) -> None:
    """Settle whether a row stands for its document. A time of change from the future counts as none; it may come true."""
    oldest = datetime.min.replace(tzinfo=UTC)
    modified_at = document["modified_at"] or oldest
    not_yet = modified_at > latest + A_DAY
    rank = (oldest if not_yet else modified_at, document["item"], document["row"])
    other = staged.winners.get(document["document_id"])
    if other is not None and not_yet:
        staged.unsettled_items.add(rank[1])
    if other is not None and other[1] != rank[1]:
        staged.unsettled_items.add(min(other, rank)[1])
    if other is None or rank > other:
        staged.winners[document["document_id"]] = rank


def settle_uniques(staged: Staged, contract: Contract) -> None:
    """Keeps the last of the rows that share a value of a unique column, among those that stand for their documents."""
    for position, column in enumerate(contract.unique_columns):
        ranks = staged.uniques.setdefault(column.name, {})
        documents: dict[str, str] = {}
        for frame in frames(staged.documents):
            for document_id, uniques in frame.filter(staged.kept(frame)).select("document_id", UNIQUES).iter_rows():
                value = json.loads(uniques)[position]
                if value is None:
                    continue
                rank, other = staged.winners[document_id], ranks.get(value)
                if other is not None and other[1] != rank[1]:
                    staged.unsettled_items.add(min(other, rank)[1])
                if other is None or rank > other:
                    loser, ranks[value] = documents.get(value), rank
                    documents[value] = document_id
                else:
                    loser = document_id
                if loser is not None:
                    lost = staged.winners.pop(loser)
                    staged.lost.add(loser)
                    staged.losers[lost[1], lost[2]] = (column.name, ranks[value])


def superseded_row(context: LoadContext, staged: Staged, row: dict[str, Any]) -> dict[str, Any]:
    place = (row["item"], row["row"])
    if place in staged.losers:
        column, (_, item, winner) = staged.losers[place]
        reason = {"rule": "unique", "column": column, "message": f"repeats the value of {item} row {winner}, which is kept"}
    else:
        column = ", ".join(column.name for column in context.contract.keys)
        rank = staged.winners.get(row["document_id"])
        says = f"repeats the key of {rank[1]} row {rank[2]}, which is kept" if rank else "repeats the key of another row"
        reason = {"rule": "unique", "column": column, "message": says}
    raw = {name: row[name] for name in ("key", "text", "title", "uri", "metadata")}
    return refusal_of(context, place, "superseded", [reason], raw)


def frames(path: Path) -> Iterator[pl.DataFrame]:
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=BATCH_ROWS):
            yield pl.DataFrame(batch)
