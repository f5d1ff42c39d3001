"""Whether the tables are what was written, and what happens to one that is not.

A derived table loses what is damaged, and the next refresh derives it again. Of the others, and of the log of any table,
the last version that can be read stays.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa

from rag_pipeline.corpus.sound import unsound_vectors
from rag_pipeline.corpus.tables import VECTORS
from rag_pipeline.home import Home
from rag_pipeline.ingest.heal import read_again
from rag_pipeline.ingest.tables import source_tables
from rag_pipeline.lake import Damage, Table, all_tables, drop, examine, readable_rows

_OF_VECTORS = ("vectors", "query_vectors")
AUDIT = "audit"


@dataclass(frozen=True, slots=True)
class TableFound:
    """One table. `name`: its path below the lake. `lost`: what a repair gave up, in words."""

    name: str
    problems: tuple[Damage, ...]
    lost: tuple[str, ...] = ()

    @property
    def intact(self) -> bool:
        return not self.problems

    @property
    def told(self) -> dict[str, object]:
        """The same as plain values."""
        return {"intact": self.intact, "problems": [str(one) for one in self.problems], "lost": list(self.lost)}


def lost_commits(home: Home) -> dict[str, str]:
    """Tables that lost a commit, by a power cut for example, and what it was; looked up in their logs alone."""
    found = {home.table_name(table.path): table.lost() for table in all_tables(home.lake)}
    return {name: str(lost) for name, lost in found.items() if lost}


def verify_tables(home: Home) -> dict[str, TableFound]:
    """Every table below `RAG_HOME/lake` by its name, read whole."""
    found = {}
    for table in all_tables(home.lake):
        name = home.table_name(table.path)
        found[name] = TableFound(name, tuple(examine(table, _bad_vectors if name in _OF_VECTORS else None)))
    return found


def repair_tables(home: Home, found: Mapping[str, TableFound]) -> dict[str, TableFound]:
    """Have the damaged ones of these tables be readable again; each that was, with what is lost by it.

    What is derived comes again with the next refresh. Looked at again under the table's lock first.
    """
    repaired = {}
    for name, one in found.items():
        if one.intact:
            continue
        kind, _, source = name.partition("/")
        with home.exclusive_table(home.lake / name, wait_s=600):
            table = Table(home.lake / name, pa.schema([]))
            lost = list(_repaired(table, name)) or [f"{one.problems[0]}; it lost its rows when the source was fixed"]
            if kind in ("documents", "quarantine", "listings"):
                _read_again(home, source)
            repaired[name] = replace(one, lost=tuple(lost))
    return repaired


def _repaired(table: Table, name: str) -> Iterator[str]:
    """Damage by damage: taking out one may show the next, as a log that cannot be read hides every file."""
    for _ in range(_MOST):
        damaged = examine(table, _bad_vectors if name in _OF_VECTORS else None)
        if not damaged:
            return
        for damage in damaged:
            says = drop(table, damage) if name not in _OF_VECTORS else _drop_vectors(table, damage)
            yield f"{says}; {_NEXT.get(name.split('/')[0], 'the next refresh derives it again')}"


_MOST = 100
"""Rounds; each takes something out, so more are needed only if something breaks during the repair."""

_NEXT = {
    "documents": "the next refresh reads every item of the source again",
    "quarantine": "the next refresh reads every item of the source again; refusals that were settled are not known any more",
    "listings": "the next refresh reads every item of the source again",
    "loads": "earlier loads are not known any more",
    "evidence": "the next refresh evaluates again",
    "withdrawals": "documents that were withdrawn last are not known any more; say them again with `rag withdraw`",
    "erased": "erasures that were noted last are not known any more; say them again with `rag erase`",
    "evaluations": "the report's trends begin later",
    "vectors": "the next refresh embeds those texts again",
    "query_vectors": "the next evaluation embeds those questions again",
    AUDIT: "its record of moves and refusals is lost; `rag status` says where the channels point",
}


def _drop_vectors(table: Table, damage: Damage) -> str:
    """Take a damaged file out of a table of vectors, and put back those of its rows that are what was written."""
    if damage.file is None or not damage.file.is_file():
        return drop(table, damage)
    [model] = [values["model"] for file, values, _ in table.data_files() if file == damage.file]
    sound = [batch.filter(pa.array(~unsound_vectors(batch))) for batch in _rows_of_vectors(damage.file)]
    says = drop(table, damage)
    kept = sum(batch.num_rows for batch in sound)
    if kept:
        rows = pa.Table.from_batches(sound).append_column(VECTORS.field("model"), pa.array([model] * kept))
        replace(table, schema=VECTORS, partition_by=("model",)).append(rows)
    return says if not kept else f"{says}, but {kept:,} that are what was written"


def _rows_of_vectors(file: Path) -> Iterator[pa.RecordBatch]:
    """Rows with a checksum; of others in a file whose bytes changed nobody can say whether they did."""
    for batch in readable_rows(file):
        if "crc32" in batch.schema.names:
            yield batch.filter(batch["crc32"].is_valid())


def _bad_vectors(batch: pa.RecordBatch) -> int:
    return int(unsound_vectors(batch).sum())


def _read_again(home: Home, source: str) -> None:
    """Have a source be read anew; its listing, which says what need not be, may be what is damaged."""
    tables = source_tables(home, source)
    while damaged := examine(tables.listing):
        drop(tables.listing, damaged[0])
    read_again(tables)
