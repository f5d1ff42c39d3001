"""What is held against the tables after each run: nothing private in a text, and every row names what there was."""

from collections.abc import Collection

import polars as pl

from rag_pipeline.channels.audit import all_rows
from rag_pipeline.errors import PipelineError
from rag_pipeline.home import Home
from rag_pipeline.index.manifest import read_manifest
from rag_pipeline.lake import collected
from rag_pipeline.traffic.rows import Kind, table
from rag_pipeline.traffic.words import Words

LOOKED_AT = 2_000
"""Texts that are looked through, the newest first."""

_TEXT: dict[Kind, str] = {"queries": "user_query", "feedback": "message", "pairs": "user_query"}
_OF: dict[Kind, str] = {"queries": "query_id", "feedback": "query_id", "pairs": "pair_id"}


def private_found(home: Home, kind: Kind, words: Words) -> tuple[int, list[str]]:
    """How many of the newest texts were looked through, and the ids of those that hold something private."""
    text = _TEXT[kind]
    rows = table(home, kind).scan().filter(pl.col(text).is_not_null()).select(_OF[kind], "timestamp", text)
    newest = collected(rows.top_k(LOOKED_AT, by="timestamp"))
    return newest.height, [query for query, _, said in newest.iter_rows() if words.held(said)]


def unknown_releases(home: Home, releases: Collection[str]) -> list[str]:
    """Releases that are neither kept nor in the history of any channel."""
    history = set(collected(all_rows(home).select("release"))["release"]) if home.audit.is_dir() else set()
    return sorted(one for one in releases if one not in history and not _is_kept(home, one))


def strange_feedback(home: Home) -> tuple[int, int]:
    """How many verdicts there are, and how many of them name no question in the table, or a chunk that it was not shown."""
    said = table(home, "feedback").scan().select("query_id", "object_id")
    asked = table(home, "queries").scan().select("query_id", shown="query_response_hit_ids")
    joined = said.join(asked, on="query_id", how="left").select(
        known=pl.col("shown").is_not_null()
        & ((pl.col("object_id") == "") | pl.col("shown").list.contains(pl.col("object_id")))
    )
    found = collected(joined)["known"]
    return found.len(), int((~found).sum())


def _is_kept(home: Home, release: str) -> bool:
    try:
        return bool(read_manifest(home.release(release)))
    except PipelineError:
        return False
