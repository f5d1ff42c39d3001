"""What a release holds, row by row: `chunks.parquet` in its directory, written before anything is built from it.

It makes a release self-sufficient: the next one is a difference to it, a damaged one is rebuilt from it, and its
fingerprint can be computed again from what is in it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from rag_pipeline.errors import ReleaseError
from rag_pipeline.home import CHUNKS_FILE
from rag_pipeline.index.manifest import Manifest
from rag_pipeline.lake import collected, fingerprint_rows, scan_file
from rag_pipeline.mirrored import brought, sound

_ID = ("chunk_id", "payload_hash")


def contents(release: Path, manifest: Manifest) -> pl.LazyFrame:
    """The chunks a kept release holds, one row each.

    Raises `ReleaseError` when they are not, to the byte, the ones it was built from: a torn Parquet file can be read as
    other values, and can take the process down that reads it.
    """
    brought(release, CHUNKS_FILE)
    entry = manifest.files.get(CHUNKS_FILE)
    if entry is None or not (release / CHUNKS_FILE).is_file():
        raise ReleaseError(f"{manifest.id} does not have {CHUNKS_FILE}, so it can be neither built upon nor repaired")
    if not sound(release, CHUNKS_FILE, entry.is_of):
        raise ReleaseError(f"its {CHUNKS_FILE} is not the one it was built from ({manifest.id})")
    return scan_file(release / CHUNKS_FILE)


@dataclass(frozen=True, slots=True)
class Chunk:
    """One chunk as it was put into a release. `start`, `end`: characters into its document."""

    document_id: str
    source: str
    title: str
    uri: str | None
    heading: str
    start: int
    end: int
    text: str


def look_up(chunks: pl.LazyFrame, chunk_ids: Iterable[str]) -> dict[str, Chunk]:
    """Chunk id -> chunk, of those among `chunk_ids` that are there, in one pass over the rows."""
    wanted = pl.col("chunk_id").is_in(pl.Series(sorted(set(chunk_ids)), dtype=pl.String).implode())
    rows = chunks.filter(wanted).select("chunk_id", *Chunk.__slots__).pipe(collected)
    return {row[0]: Chunk(*row[1:]) for row in rows.iter_rows()}


def content_fingerprint(chunks: pl.LazyFrame) -> str:
    """Hash of sorted (chunk id, payload hash): what is served, whatever order it was stored in."""
    return fingerprint_rows(chunks.select(_ID).pipe(collected).sort("chunk_id"))


def difference(base: pl.LazyFrame, wanted: pl.LazyFrame) -> tuple[pl.Series, pl.Series]:
    """Chunk ids to remove from `base` and to add to it so that it holds `wanted`; one whose payload changed is in both."""
    before, after = base.select(_ID).pipe(collected), wanted.select(_ID).pipe(collected)
    return before.join(after, on=_ID, how="anti")["chunk_id"], after.join(before, on=_ID, how="anti")["chunk_id"]
