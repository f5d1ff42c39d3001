"""A release's control texts: a few of its own with exactly the vectors that went into its index, made when it is built."""

import logging
from pathlib import Path

import polars as pl

from rag_pipeline.corpus.control import TEXTS, Control, spread
from rag_pipeline.corpus.read_vectors import few_with_vectors, matrix
from rag_pipeline.errors import ReleaseError
from rag_pipeline.home import CONTROL_FILE, Home
from rag_pipeline.index.manifest import Manifest
from rag_pipeline.index.release_chunks import contents
from rag_pipeline.lake import collected, scan_file
from rag_pipeline.mirrored import brought

log = logging.getLogger("rag_pipeline")


def write_control(home: Home, release: Path, chunks: pl.LazyFrame, model: str) -> None:
    """Choose from the shortest text to the longest, and write them with their stored vectors."""
    _chosen(home, chunks, model).write_parquet(release / CONTROL_FILE, compression="zstd")


def control_of(home: Home, manifest: Manifest) -> Control | None:
    """The control texts of a kept release; of one that was built before there were any, chosen now from its chunks.

    None, with a line in the log, where such a release's chunks or vectors are gone, or the release was collected while it is
    open. Raises `ReleaseError` for control texts that are not those the release was built with.
    """
    release, entry = home.release(manifest.id), manifest.files.get(CONTROL_FILE)
    brought(release, CONTROL_FILE)
    if entry and release.is_dir():
        if not (release / CONTROL_FILE).is_file() or not entry.is_of(release / CONTROL_FILE):
            raise ReleaseError(
                f"the {CONTROL_FILE} of {manifest.id} is not the one it was built with; `rag verify {manifest.id} --repair`"
            )
        rows = scan_file(release / CONTROL_FILE).pipe(collected)
    else:
        try:
            rows = _chosen(home, contents(release, manifest), manifest.model.fingerprint)
        except ReleaseError as error:
            log.warning("nobody can tell whether the model still gives the vectors of %s: %s", manifest.id, error)
            return None
    return Control(f"release {manifest.id}", rows["text"].to_list(), matrix(rows))


def _chosen(home: Home, chunks: pl.LazyFrame, model: str) -> pl.DataFrame:
    by_length = chunks.select("chunk_id", length=pl.col("end") - pl.col("start")).sort("length", "chunk_id").pipe(collected)
    ids = by_length["chunk_id"].gather(spread(by_length.height, TEXTS))
    rows = chunks.filter(pl.col("chunk_id").is_in(ids.implode())).select("chunk_id", "text", "text_hash").pipe(collected)
    return few_with_vectors(home, rows.sort("chunk_id"), model)
