"""Shadow pairs: questions that two releases answered, which differ in what comes first, and what is shown of them."""

import hashlib
from collections.abc import Collection, Iterable, Sequence

import polars as pl

from rag_pipeline.errors import PipelineError
from rag_pipeline.golden.pool import Pooled
from rag_pipeline.golden.words import fold
from rag_pipeline.home import Home
from rag_pipeline.index.manifest import read_manifest
from rag_pipeline.index.release_chunks import Chunk, contents, look_up
from rag_pipeline.lake import collected
from rag_pipeline.traffic.rows import MARKED, rows
from rag_pipeline.traffic.strata import Line

FIRST = 3
"""A pair differs where so many first chunks do, in which they are or in their order."""


def differs(theirs: Sequence[str], mine: Sequence[str]) -> bool:
    return list(theirs[:FIRST]) != list(mine[:FIRST])


def asked_of_both(home: Home, reads: Sequence[str]) -> pl.DataFrame:
    """Pairs with their text, of answered questions that were not narrowed, by those who may read just this."""
    answered = rows(home, "queries").filter(pl.col("status") == 200, ~pl.col("narrowed")).select(pair_id="query_id")
    told = rows(home, "pairs").filter(pl.col("user_query").is_not_null()).join(answered, on="pair_id", how="semi")
    alike = pl.col("reads").list.join("\n") == "\n".join(reads)
    return collected(told.filter(alike).select(*MARKED["pairs"], "user_query", "mark"))


def found_for(home: Home, reads: Sequence[str]) -> tuple[set[str], dict[str, tuple[tuple[str, str], ...]]]:
    """The pairs that differ, of the two releases that were asked the same last: their ids, and folded question -> what
    either found, (release, chunk id), to be judged together."""
    both = asked_of_both(home, reads)
    if both.is_empty():
        return set(), {}
    release, shadow = both.sort("timestamp").select("release", "shadow_release").row(-1)
    ids: set[str] = set()
    found: dict[str, dict[tuple[str, str], None]] = {}
    for row in both.filter(pl.col("release") == release, pl.col("shadow_release") == shadow).iter_rows(named=True):
        theirs, mine = row["query_response_hit_ids"], row["shadow_hit_ids"]
        if differs(theirs, mine):
            ids.add(row["pair_id"])
            chunks = [*((release, one) for one in theirs), *((shadow, one) for one in mine)]
            found.setdefault(fold(row["user_query"]), {}).update(dict.fromkeys(chunks))
    return ids, {text: tuple(sorted(chunks)) for text, chunks in found.items()}


def pooled_with(home: Home, line: Line, pooled: Sequence[Pooled], hidden: Collection[str]) -> list[Pooled]:
    """What there is to judge for a question, with what both releases of its pairs found, in an order that tells nothing.

    `hidden`: documents that nobody is shown.
    """
    known = {one.document for one in pooled}
    passages: dict[str, dict[str, Chunk]] = {}
    for chunk_id, chunk in chunks_of(home, line.found).items():
        if chunk.document_id not in known and chunk.document_id not in hidden:
            passages.setdefault(chunk.document_id, {})[chunk_id] = chunk
    more = [
        Pooled(line.query_id, document, tuple(sorted(chunks.values(), key=lambda one: (one.start, one.end))))
        for document, chunks in passages.items()
    ]
    mixed = sorted([*pooled, *more], key=lambda one: hashlib.sha256(f"{one.query}\0{one.document}".encode()).digest())
    return mixed if more else list(pooled)


def chunks_of(home: Home, wanted: Iterable[tuple[str, str]]) -> dict[str, Chunk]:
    """Chunk id -> chunk, of (release, chunk id), as far as the releases are kept."""
    found: dict[str, Chunk] = {}
    by_release: dict[str, set[str]] = {}
    for release, chunk_id in wanted:
        by_release.setdefault(release, set()).add(chunk_id)
    for release, ids in by_release.items():
        try:
            manifest = read_manifest(home.release(release))
            found |= look_up(contents(home.release(release), manifest), ids)
        except PipelineError:  # it is gone, and its chunks stay unknown, so its pairs stay open
            continue
    return found
