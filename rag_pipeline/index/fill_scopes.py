"""Filling a release whose rows are divided by who may read them: an index of meaning and one of words for each scope.

Always whole: what left a scope would stay in its graph, and in the statistics of its words.
"""

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from rag_pipeline.corpus.read_vectors import all_there, spooled
from rag_pipeline.home import CHROMA_FOLDER, LEXICAL_FOLDER, Home
from rag_pipeline.index import chroma, lexical
from rag_pipeline.index.fill import add_to
from rag_pipeline.index.manifest import IndexParameters, ModelEntry, Probe, ScopeEntry
from rag_pipeline.index.prove import expect_scopes, prove_scopes
from rag_pipeline.index.prove_lexical import prove_words
from rag_pipeline.index.scopes import parts
from rag_pipeline.index.words import word_folders
from rag_pipeline.lake import collected, in_batches

WHY_WHOLE = "its rows are divided by who may read them"


def fill_meaning(
    home: Home,
    staging: Path,
    chunks: pl.LazyFrame,
    scopes: Mapping[str, ScopeEntry],
    model: str,
    parameters: IndexParameters,
) -> None:
    """A new collection for each scope of a divided `chunks.parquet`."""
    folder = staging / CHROMA_FOLDER
    hashes = chunks.select("text_hash").pipe(collected)["text_hash"]
    with spooled(home, model, hashes) as spool, chroma.client(folder) as opened:
        all_there(spool, hashes)
        for name, rows in parts(chunks, scopes):
            total = scopes[name].chunks
            collection = chroma.created(opened, name, parameters, total)
            frames = in_batches(rows, chroma.batch_rows(total))
            add_to(collection, ((frame, spool.of(frame["text_hash"])) for frame in frames), total)
            if total == 1:
                chroma.touch(collection)
    chroma.compact(folder)
    chroma.clear_unused_slots(folder)


def fill_words(staging: Path, chunks: pl.LazyFrame, scopes: Mapping[str, ScopeEntry], language: str) -> None:
    """A new lexical index for each scope."""
    folders = word_folders(staging / LEXICAL_FOLDER, scopes)
    for name, rows in parts(chunks, scopes):
        lexical.fill_whole(folders[name], rows, language)


def prove_divided(
    home: Home, staging: Path, chunks: pl.LazyFrame, scopes: Mapping[str, ScopeEntry], model: ModelEntry, language: str
) -> Probe:
    """Prove every scope, on the closed files. Raises `ReleaseError`."""
    expected = expect_scopes(home, chunks, scopes, model)
    probes = prove_scopes(staging / CHROMA_FOLDER, expected)
    return prove_words(word_folders(staging / LEXICAL_FOLDER, scopes), language, chunks, expected, probes)
