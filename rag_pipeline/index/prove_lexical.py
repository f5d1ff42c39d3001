"""The proof of a lexical index after its build, on the closed files; what `prove` is for the vectors."""

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from rag_pipeline.errors import ReleaseError
from rag_pipeline.index import lexical
from rag_pipeline.index.manifest import Probe
from rag_pipeline.index.prove import Expected, together
from rag_pipeline.lake import collected

_FIRST = 10
_QUESTIONS = 50
"""Records asked for by their whole text: 10 ms each among 100,000."""

_IDS_AT_ONCE = 5_000
_NOISE = 0.01
"""BM25 is added up in float32, in an order that depends on where a record lies."""


def prove_lexical(folder: Path, language: str, chunks: pl.LazyFrame, expected: Expected, probe: Probe) -> Probe:
    """Prove that a closed lexical index holds the ids expected, each once, and finds the sample; `probe`, told of it.

    A record of the sample must be found by its id together with every term of its text; some, asked for by their text,
    among the first ten, unless ten others score no less. What left the base must be gone. Raises `ReleaseError`.

    Opens `folder` itself: give it a directory that is not sealed yet, or a view.
    """
    sampled = pl.col("chunk_id").is_in(expected.sample["chunk_id"].to_list())
    texts = chunks.filter(sampled).select("chunk_id", "text").pipe(collected)
    with lexical.opened(folder, language) as index:
        parts = (expected.ids.slice(start, _IDS_AT_ONCE) for start in range(0, len(expected.ids), _IDS_AT_ONCE))
        found, live = sum(index.count(part) for part in parts), index.live
        if not found == live == len(expected.ids):
            raise ReleaseError(
                f"the lexical index does not hold what was put in: {live} records, {found} of them of the "
                f"{len(expected.ids)} ids expected"
            )
        gone = expected.gone["chunk_id"]
        if back := index.count(gone.filter(~gone.is_in(expected.ids.implode()))):  # a moved one left and came
            raise ReleaseError(f"{back} deleted records are still in the lexical index")
        if wrong := sum(not index.holds(chunk_id, text) for chunk_id, text in texts.iter_rows()):
            raise ReleaseError(f"{wrong} of {texts.height} records do not have the terms of their text in the lexical index")
        asked = texts.gather_every(max(1, texts.height // _QUESTIONS))
        if missed := sum(not _comes_first(index, chunk_id, text) for chunk_id, text in asked.iter_rows()):
            raise ReleaseError(f"{missed} of {asked.height} records cannot be found by their own text")
    return probe.model_copy(update={"lexical_stored": live, "lexical_asked": texts.height})


def prove_words(
    folders: Mapping[str, Path],
    language: str,
    chunks: pl.LazyFrame,
    expected: Mapping[str, Expected],
    probes: Mapping[str, Probe],
) -> Probe:
    """The same of the index of each scope, held against the rows of its own; `probes` as one, told of it."""
    sampled = pl.concat([one.sample["chunk_id"] for one in expected.values()])
    texts = chunks.filter(pl.col("chunk_id").is_in(sampled.implode())).select("chunk_id", "text").pipe(collected).lazy()
    return together(prove_lexical(folders[name], language, texts, expected[name], probe) for name, probe in probes.items())


def _comes_first(index: lexical.LexicalIndex, chunk_id: str, text: str) -> bool:
    """Among the first ten for its own text, or behind ten that score no less; a text without a term has no question."""
    if not (own := index.score(chunk_id, text)):
        return not index.search(text, 1)
    first = index.search(text, _FIRST)
    return any(one == chunk_id for one, _ in first) or (len(first) == _FIRST and first[-1][1] >= own - _NOISE)
