"""What a draft would do to the very rows it was drafted from, by the rules a load judges with."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from rag_pipeline.contracts.contract import Contract
from rag_pipeline.contracts.split import REASONS, Splitter
from rag_pipeline.ingest.connectors.base import Row
from rag_pipeline.ingest.keys import join_key
from rag_pipeline.ingest.rows import ROW, as_text

_BATCH = 500


@dataclass(frozen=True, slots=True)
class Judged:
    """`good`: places of the rows that keep the draft; of several with one key, the last. `refused`: reason -> rows."""

    good: tuple[int, ...]
    refused_rows: int
    superseded: int
    refused: dict[str, int]


def judge(contract: Contract, rows: Sequence[Row]) -> Judged:
    """Judge rows, column by column, and count reasons, which hold no values."""
    splitter = Splitter(contract)
    reasons: Counter[str] = Counter()
    refused_rows = 0
    by_key: dict[str, int] = {}
    kept = 0
    for start in range(0, len(rows), _BATCH):
        batch = rows[start : start + _BATCH]
        texts = {c.name: [as_text(row.get(c.found_as)) for row in batch] for c in contract.columns}
        frame = pl.DataFrame(texts, schema=dict.fromkeys(texts, pl.String)).with_columns(
            pl.Series(ROW, range(start, start + len(batch)), pl.Int64)
        )
        split = splitter.split(frame)
        for row in split.refused.iter_rows(named=True):
            refused_rows += 1
            reasons.update(f"{reason['column']} {reason['message']}" for reason in row[REASONS])
        kept += split.good.height
        for row in split.good.iter_rows(named=True):
            by_key[join_key([str(row[column.name]) for column in contract.keys])] = row[ROW]
    return Judged(tuple(sorted(by_key.values())), refused_rows, kept - len(by_key), dict(reasons))
