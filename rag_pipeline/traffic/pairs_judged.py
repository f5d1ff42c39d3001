"""What became of shadow pairs that people judged: those of exactly two contents, lost, won or tied.

A pair that does not differ is a tie. Pairs are looked at in the order of their hashes up to the first one that differs and
is not wholly judged, so that those before it are a uniform sample of all pairs, judged or tied.
"""

import hashlib
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from rag_pipeline.errors import PipelineError
from rag_pipeline.golden import journal
from rag_pipeline.golden.words import fold
from rag_pipeline.home import Home
from rag_pipeline.records import Record
from rag_pipeline.traffic.pairs import asked_of_both, chunks_of, differs
from rag_pipeline.traffic.queue import read_queue
from rag_pipeline.traffic.strata import order

DEPTH = 10
"""Documents of each list that are looked at."""


class PairsEvidence(Record):
    """What became of the pairs of a release and of what production serves, of askers who read what most do.

    `settled`: those of the uniform sample that are tied or wholly judged; `judged`, `lost` and `won` are among them.
    """

    beside: list[str]
    """Ids of the releases that answered."""
    sampled: int
    differing: int
    settled: int
    judged: int
    lost: int
    won: int
    edited: int
    twice: int
    digest: str
    """A hash of the pairs, and of what was said of them."""
    problem: str = ""
    """Why none of them is told, in words."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One question that both releases answered. `theirs`: what production's found, best first, a document once."""

    pair_id: str
    differs: bool
    mine: tuple[str, ...]
    theirs: tuple[str, ...]
    said: Mapping[str, int]
    """Document -> grade, as far as it is judged."""

    @property
    def is_judged(self) -> bool:
        return {*self.mine, *self.theirs} <= self.said.keys()

    @property
    def verdict(self) -> int:
        """-1 where the release is worse: a reader goes further for the first answer, and the list is worth less. 1 where it
        is better in both, else 0."""
        if not self.differs:
            return 0
        (worth, first), (other, earlier) = (_worth(one, self.said) for one in (self.mine, self.theirs))
        if worth < other - 1e-9 and first > earlier:
            return -1
        return int(worth > other + 1e-9 and first < earlier)


def settled(pairs: Iterable[Pair]) -> list[Pair]:
    """The uniform sample whose outcome is known: in the order of hashes, up to the first that is open."""
    found: list[Pair] = []
    for one in sorted(pairs, key=lambda one: order(one.pair_id)):
        if one.differs and not one.is_judged:
            break
        found.append(one)
    return found


def pairs_evidence(
    home: Home,
    both: tuple[Collection[str], Collection[str]],
    queue: Path,
    edited_of: Callable[[pl.DataFrame], int],
    within: pl.Expr,
) -> PairsEvidence:
    """What became of the pairs of two contents: ids of the release's, and of what production serves.

    `queue`: the folder in which people judge; `edited_of` says how many rows no replica wrote; `within`: the time.
    """
    mine, theirs = both
    try:
        drawn = read_queue(queue)
        if not drawn.whole:
            raise PipelineError(f"{queue} is not as it was drawn; `rag traffic queue` draws again")
    except PipelineError as error:
        return _none(sorted(theirs), str(error))
    here = pl.col("release").is_in(sorted(theirs)) & pl.col("shadow_release").is_in(sorted(mine))
    table = asked_of_both(home, drawn.reads).filter(within, here)
    lines = {fold(line.text): line.query_id for line in drawn.lines}
    said = _judged(queue)
    pairs = list(_pairs(home, table, lines, said))
    known = settled(pairs)
    told = [(one.pair_id, one.verdict, sorted(one.said.items())) for one in sorted(pairs, key=lambda one: one.pair_id)]
    return PairsEvidence(
        beside=sorted(table["release"].unique()),
        sampled=len(pairs),
        differing=sum(one.differs for one in pairs),
        settled=len(known),
        judged=sum(one.differs for one in known),
        lost=sum(one.verdict < 0 for one in known),
        won=sum(one.verdict > 0 for one in known),
        edited=edited_of(table),
        twice=table.height - table["pair_id"].n_unique(),
        digest=hashlib.sha256(repr((told, sorted(table["mark"].fill_null("")))).encode()).hexdigest()[:32],
    )


def _pairs(home: Home, table: pl.DataFrame, lines: Mapping[str, str], said: Mapping[tuple[str, str], int]) -> Iterator[Pair]:
    wanted = {
        (row[release], chunk)
        for row in table.iter_rows(named=True)
        for release, hits in (("release", "query_response_hit_ids"), ("shadow_release", "shadow_hit_ids"))
        for chunk in row[hits]
    }
    document = {chunk_id: chunk.document_id for chunk_id, chunk in chunks_of(home, wanted).items()}
    for row in table.iter_rows(named=True):
        lists = [
            tuple(dict.fromkeys(document.get(chunk, chunk) for chunk in row[hits]))[:DEPTH]
            for hits in ("shadow_hit_ids", "query_response_hit_ids")
        ]
        query = lines.get(fold(row["user_query"]), "")
        grades = {one: said[query, one] for one in {*lists[0], *lists[1]} if (query, one) in said}
        is_other = differs(row["query_response_hit_ids"], row["shadow_hit_ids"])
        yield Pair(row["pair_id"], is_other, lists[0], lists[1], grades)


def _judged(queue: Path) -> dict[tuple[str, str], int]:
    """(line, document) -> grade. Every judgment is in the journal; what only stands in the golden set was not said there."""
    said = journal.standing(queue, by_passage=False).values()
    return {(one.query, one.document): one.grade for one in said if one.grade is not None}


def _worth(documents: Sequence[str], said: Mapping[str, int]) -> tuple[float, float]:
    """DCG of a list, and the place of its first relevant document; infinite where it has none. Of two lists for the same
    question the one with the higher DCG has the higher nDCG."""
    grades = [max(0, said.get(one, 0)) for one in documents]
    first = next((float(place) for place, grade in enumerate(grades, start=1) if grade), math.inf)
    return math.fsum(grade / math.log2(place + 1) for place, grade in enumerate(grades, start=1)), first


def _none(beside: list[str], problem: str) -> PairsEvidence:
    counts = dict.fromkeys(("sampled", "differing", "settled", "judged", "lost", "won", "edited", "twice"), 0)
    return PairsEvidence(beside=beside, digest="", problem=problem, **counts)
