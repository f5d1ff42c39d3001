"""From a chunk back to where it came from, and forward to the releases that hold it."""

from typing import Any

import polars as pl

from rag_pipeline.channels.pointer import all_channels
from rag_pipeline.corpus.tables import chunks_table, vectors_table
from rag_pipeline.errors import PipelineError, ReleaseError
from rag_pipeline.index.manifest import Manifest, all_manifests
from rag_pipeline.index.release_chunks import contents
from rag_pipeline.ingest.tables import source_tables
from rag_pipeline.lake import collected
from rag_pipeline.settings import Settings

_SHOWN = ("chunk_id", "document_id", "source", "start", "end", "heading", "text_hash", "chunker", "text")


def trace_chunk(settings: Settings, chunk_id: str) -> dict[str, Any]:
    """Chunk, document, source row, contract, run, models, releases; a step that is not known any more is None.

    A chunk that left the sources is told from the newest release that holds it. Raises `PipelineError` when no table
    and no release knows it.
    """
    home = settings.home
    holding = _holding(settings, chunk_id)
    rows = chunks_table(home).scan().filter(pl.col("chunk_id") == chunk_id).select(_SHOWN).pipe(collected).to_dicts()
    if not rows and holding:
        newest = contents(home.release(holding[0].id), holding[0])
        rows = newest.filter(pl.col("chunk_id") == chunk_id).select(_SHOWN).pipe(collected).to_dicts()
    if not rows:
        raise PipelineError(
            f"no chunk {chunk_id!r}, neither in the tables nor in a kept release; `rag query --json` gives ids"
        )
    chunk = rows[0]
    documents = source_tables(home, chunk["source"]).documents.scan()
    found = documents.filter(pl.col("document_id") == chunk["document_id"]).pipe(collected).to_dicts()
    document = found[0] if found else None
    channels = all_channels(home)
    return {
        "chunk": chunk,
        "document": _part(document, "document_id", "title", "uri", "modified_at", "content_hash"),
        "row": _part(document, "item", "key", "row_hash"),
        "contract": _contract(document, chunk["source"], settings, holding),
        "run": _part(document, "run_id"),
        "models": _models(settings, chunk["text_hash"]),
        "releases": [
            {
                "release": manifest.id,
                "built": f"{manifest.created_at:%Y-%m-%d %H:%M:%S}",
                "run_id": manifest.run_id,
                "channels": [name for name, channel in channels.items() if channel.release == manifest.id],
            }
            for manifest in holding
        ],
    }


def _holding(settings: Settings, chunk_id: str) -> list[Manifest]:
    """Kept releases that hold a chunk, newest first."""
    found = []
    for manifest in all_manifests(settings.home.releases):
        try:
            rows = contents(settings.home.release(manifest.id), manifest).filter(pl.col("chunk_id") == chunk_id)
            if rows.select(pl.len()).pipe(collected).item():
                found.append(manifest)
        except ReleaseError:
            continue  # it cannot say what it holds
    return found


def _contract(
    document: dict[str, Any] | None, source: str, settings: Settings, holding: list[Manifest]
) -> dict[str, Any] | None:
    file = str(settings.contracts / f"{source}.odcs.yaml")
    if document:
        return {"id": document["contract_id"], "version": document["contract_version"], "file": file}
    if holding and source in holding[0].sources:
        entry = holding[0].sources[source]
        return {"id": entry.contract_id, "version": entry.contract_version, "file": file}
    return None


def _models(settings: Settings, text_hash: str) -> list[dict[str, str]]:
    """Models that have a vector of this text, with the name a kept release knows them by."""
    names = {one.model.fingerprint: one.model.name for one in all_manifests(settings.home.releases)}
    rows = (
        vectors_table(settings.home).scan().filter(pl.col("text_hash") == text_hash).select("model").unique().pipe(collected)
    )
    return [{"fingerprint": model, "name": names.get(model, "in no kept release")} for model in sorted(rows["model"])]


def _part(row: dict[str, Any] | None, *names: str) -> dict[str, Any] | None:
    return {name: row[name] for name in names} if row else None
