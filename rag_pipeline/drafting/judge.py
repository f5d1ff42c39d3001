"""What a draft would do to the rows it was drafted from, by the rules of a load."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from rag_pipeline.contracts.contract import Contract
from rag_pipeline.contracts.split import REASONS, Splitter
from rag_pipeline.feeds.base import Row, as_text, join_key
from rag_pipeline.ingest.rows import ROW
from rag_pipeline.privacy import PrivacyFilter

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
    judging = Judging(contract)
    judging.take(rows)
    return judging.judged


class Judging:
    """Judges rows as they come, and keeps none of them. With a shield it refuses what that would refuse too."""

    def __init__(self, contract: Contract, shield: PrivacyFilter | None = None) -> None:
        self._contract, self._shield, self._splitter = contract, shield, Splitter(contract)
        self._reasons: Counter[str] = Counter()
        self._by_key: dict[str, int] = {}
        self.rows = self._refused = self._kept = 0

    @property
    def judged(self) -> Judged:
        repeated = self._kept - len(self._by_key)
        return Judged(tuple(sorted(self._by_key.values())), self._refused, repeated, dict(self._reasons.most_common()))

    def take(self, rows: Sequence[Row]) -> None:
        for start in range(0, len(rows), _BATCH):
            self._batch(rows[start : start + _BATCH])

    def _batch(self, batch: Sequence[Row]) -> None:
        texts = {c.name: [as_text(row.get(c.found_as)) for row in batch] for c in self._contract.columns}
        frame = pl.DataFrame(texts, schema=dict.fromkeys(texts, pl.String)).with_columns(
            pl.Series(ROW, range(self.rows, self.rows + len(batch)), pl.Int64)
        )
        self.rows += len(batch)
        split = self._splitter.split(frame)
        for row in split.refused.iter_rows(named=True):
            self._refuse(row[REASONS])
        for row in split.good.iter_rows(named=True):
            if self._shield and (reasons := self._shield.protect(row).reasons):
                self._refuse(reasons)
            else:
                self._kept += 1
                self._by_key[join_key([str(row[column.name]) for column in self._contract.keys])] = row[ROW]

    def _refuse(self, reasons: Sequence[Mapping[str, str]]) -> None:
        self._refused += 1
        self._reasons.update(f"{reason['column']} {reason['message']}" for reason in reasons)
