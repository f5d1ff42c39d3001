"""Scopes: rows of a release that have the same readers. Each is an index of its own, so nothing has to be filtered.

A release whose sources name no access column has one, and says nothing of scopes. Others keep their rows in the order of
their scopes, so that each scope is a run of rows.
"""

import json
from collections.abc import Iterable, Iterator, Mapping

import polars as pl

from rag_pipeline.contracts.labels import EVERYTHING, LABELS, PUBLIC
from rag_pipeline.errors import ReleaseError
from rag_pipeline.files import fingerprint
from rag_pipeline.index.manifest import Manifest, ScopeEntry, SourceRows
from rag_pipeline.lake import collected, fingerprint_rows

MOST_SCOPES = 64
"""Sets of labels in one release: a question is asked in each scope that its reader may read."""

ROWS_IN_A_GROUP = 5_000
"""Rows that a divided `chunks.parquet` holds together: a scope is read without those before it."""

_SCOPE = "__scope"


def divided(chunks: pl.LazyFrame) -> pl.LazyFrame | None:
    """The chunks in the order of their scopes; None where none has a label: then everybody may read all of them.

    Raises `ReleaseError` when there are more sets of labels than a release can hold.
    """
    has_labels = pl.col("metadata").str.contains(f'"{LABELS}"', literal=True).any()  # inside a text the quotes are escaped
    if not chunks.select(has_labels).pipe(collected).item():
        return None
    return _with_scope(chunks).sort(_SCOPE, "chunk_id").drop(_SCOPE)


def scopes_of(chunks: pl.LazyFrame) -> dict[str, ScopeEntry]:
    """Scope -> what it holds, in the order of the rows that `divided` gave."""
    rows = _with_scope(chunks).select(_SCOPE, _labels(), "chunk_id", "payload_hash", "document_id", "source").pipe(collected)
    found: dict[str, ScopeEntry] = {}
    for (name,), part in rows.group_by(_SCOPE, maintain_order=True):
        sources = part.group_by("source").agg(pl.col("document_id").n_unique(), pl.len()).sort("source")
        found[str(name)] = ScopeEntry(
            labels=_read(part["labels"][0]),
            documents=part["document_id"].n_unique(),
            chunks=part.height,
            sources={
                source: SourceRows(documents=documents, chunks=rows) for source, documents, rows in sources.iter_rows()
            },
            content=fingerprint_rows(part.select("chunk_id", "payload_hash").sort("chunk_id")),
        )
    return found


def parts(chunks: pl.LazyFrame, scopes: Mapping[str, ScopeEntry]) -> Iterator[tuple[str, pl.LazyFrame]]:
    """Each scope with its rows of a divided `chunks.parquet`."""
    start = 0
    for name, entry in scopes.items():
        yield name, chunks.slice(start, entry.chunks)
        start += entry.chunks


def readable(manifest: Manifest, reads: Iterable[str]) -> frozenset[str]:
    """The scopes of a release that may be read by whoever was granted these words: `all`, `public`, labels."""
    said = frozenset(reads)
    every: Mapping[str, tuple[str, ...]] = {name: one.labels for name, one in manifest.scopes.items()} or {PUBLIC: ()}
    if EVERYTHING in said:
        return frozenset(every)
    return frozenset(name for name, labels in every.items() if (PUBLIC in said if name == PUBLIC else said & set(labels)))


def held_of(manifest: Manifest, reads: Iterable[str]) -> dict[str, SourceRows]:
    """Source -> what of it those may read who were granted these words; a source of which that is nothing is not named."""
    if not manifest.scopes:
        every = {name: SourceRows(documents=one.documents, chunks=one.chunks) for name, one in manifest.sources.items()}
        return every if readable(manifest, reads) else {}
    found: dict[str, SourceRows] = {}
    for scope in readable(manifest, reads):
        for name, one in manifest.scopes[scope].sources.items():
            before = found.get(name, SourceRows(documents=0, chunks=0))
            found[name] = SourceRows(documents=before.documents + one.documents, chunks=before.chunks + one.chunks)
    return dict(sorted(found.items()))


def _with_scope(chunks: pl.LazyFrame) -> pl.LazyFrame:
    texts = chunks.select(_labels().unique()).pipe(collected)["labels"].to_list()
    if len(texts) > MOST_SCOPES:
        raise ReleaseError(
            f"the rows of this release have {len(texts)} sets of labels, and {MOST_SCOPES} are the most: give them "
            "fewer labels in the column with the role access, or give each tenant a RAG_HOME of its own"
        )
    names = {text: PUBLIC if text is None else f"s-{fingerprint(_read(text), length=16)}" for text in texts}
    return chunks.with_columns(_labels().replace_strict(names, return_dtype=pl.String).alias(_SCOPE))


def _labels() -> pl.Expr:
    return pl.col("metadata").str.json_path_match(f"$.{LABELS}").alias("labels")


def _read(text: str | None) -> tuple[str, ...]:
    return tuple(json.loads(text)) if text else ()
