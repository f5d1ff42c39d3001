"""What has to be gone everywhere, not only from what serves: documents past their retention, or erased on request.

Their hashes are noted before the documents are removed, so that a killed process forgets nothing. A release is only built
upon another as long as nothing was noted since (`index/base.py`). Notes are never removed: their number counts.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import polars as pl

from rag_pipeline.home import Home
from rag_pipeline.ingest.tables import ERASED, SourceTables, source_tables
from rag_pipeline.lake import collected
from rag_pipeline.mirrored import seen

Why = Literal["retention", "asked"]


def note_erased(tables: SourceTables, documents: Collection[str], why: Why, *, run_id: str, now: datetime) -> int:
    """Note the stored versions of some documents, and return how many are stored. Call it before they are removed."""
    if not documents:
        return 0
    stored = tables.documents.scan().select("document_id", "content_hash")
    hashes = stored.filter(pl.col("document_id").is_in(list(documents))).select("content_hash").pipe(collected)
    _append(tables, hashes, why, run_id=run_id, now=now)
    return hashes.height


def note_left(tables: SourceTables, why: Why, *, run_id: str, now: datetime) -> None:
    """Note that something had left before that has to be gone altogether."""
    _append(tables, pl.DataFrame({"content_hash": [""]}), why, run_id=run_id, now=now)


def _append(tables: SourceTables, hashes: pl.DataFrame, why: Why, *, run_id: str, now: datetime) -> None:
    if not hashes.is_empty():
        tables.erased.append(
            hashes.with_columns(why=pl.lit(why), run_id=pl.lit(run_id), at=pl.lit(now)).select(ERASED.names)
        )


@dataclass(frozen=True, slots=True)
class Erased:
    """Everything noted so far, of all sources."""

    notes: int = 0
    contents: frozenset[str] = frozenset()
    """Content hashes of versions of documents."""


def erased(home: Home) -> Erased:
    """What has to be gone by now, also of sources that are no more."""
    folder = home.erased
    seen(home.lake)
    sources = sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    hashes = [source_tables(home, source).erased.scan().select("content_hash").pipe(collected) for source in sources]
    return Erased(sum(one.height for one in hashes), frozenset(value for one in hashes for value in one["content_hash"]))
