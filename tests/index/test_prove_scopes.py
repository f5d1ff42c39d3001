"""The proof of an index that is divided: each scope is held against rows of its own, and no collection is beside them."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from rag_pipeline.corpus.tables import chunks_table
from rag_pipeline.errors import ReleaseError
from rag_pipeline.home import CHROMA_FOLDER, Home
from rag_pipeline.index import chroma
from rag_pipeline.index.fill_scopes import fill_meaning
from rag_pipeline.index.manifest import IndexParameters, Probe, ScopeEntry
from rag_pipeline.index.prove import Expected, expect_scopes, prove_scopes, together
from tests.support.numbered_chunks import NUMBERS, hold
from tests.support.small_releases import SMALL, entry

RUNS = {"public": range(25), "s-few": range(25, 29), "s-last": range(29, 40)}
"""Scope -> its chunks: more than the ten nearest, fewer, and nearly as many."""

SCOPES = {
    name: ScopeEntry(labels=(name,), documents=len(run), chunks=len(run), sources={}, content="")
    for name, run in RUNS.items()
}


@pytest.fixture
def rows(home: Home) -> pl.LazyFrame:
    """Forty chunks in the order of their scopes; the last one says what the first one says."""
    hold(home, range(40))
    stored = chunks_table(home).scan().sort("chunk_id").collect()
    said = (pl.when(pl.col("chunk_id") == "c00039").then(pl.first(name)).otherwise(name) for name in ("text", "text_hash"))
    return stored.with_columns(**dict(zip(("text", "text_hash"), said, strict=True))).lazy()


def expected_of(home: Home, rows: pl.LazyFrame, size: int = 20) -> dict[str, Expected]:
    return expect_scopes(home, rows, SCOPES, entry(SMALL).model_copy(update={"dimensions": 8}), size=size)


def divided(home: Home, staging: Path, rows: pl.LazyFrame) -> Path:
    """An index with a collection for each scope."""
    fill_meaning(home, staging, rows, SCOPES, "small", IndexParameters())
    return staging / CHROMA_FOLDER


def ids(*numbers: int) -> list[str]:
    return [f"c{number:05d}" for number in numbers]


def test_each_scope_is_expected_to_hold_and_to_find_its_own_rows_as_if_there_was_no_other(
    home: Home, rows: pl.LazyFrame
) -> None:
    found = expected_of(home, rows)
    assert list(found) == list(RUNS)
    for name, run in RUNS.items():
        vectors = NUMBERS[[*run]] if name != "s-last" else NUMBERS[[*run[:-1], 0]]
        one = found[name]
        assert one.ids.to_list() == ids(*run)
        assert one.vectors == len(run) and one.gone.is_empty()
        places = [one.ids.to_list().index(chunk) for chunk in one.sample["chunk_id"]]
        sampled = np.array(one.sample["vector"].to_list(), np.float32)
        np.testing.assert_array_equal(sampled, vectors[places])
        exact = [np.sort(vectors @ vector)[-10:].min() for vector in sampled]
        np.testing.assert_allclose(one.tenth, exact, atol=1e-6)
    assert [one.sample.height for one in found.values()] == [20 * 25 // 40, 4, 10], "a share of the sample, ten at least"


def test_a_vector_that_is_missing_is_told_whichever_scope_it_is_of(home: Home, rows: pl.LazyFrame) -> None:
    lost = rows.with_columns(
        text_hash=pl.when(pl.col("chunk_id").is_in(ids(3, 27))).then(pl.lit("x")).otherwise("text_hash")
    )
    with pytest.raises(ReleaseError, match=r"^1 chunks have no vector; materialize corpus/embeddings first$"):
        expected_of(home, lost)


def test_what_is_proved_of_each_scope_is_told_of_it_and_of_all_together(
    home: Home, rows: pl.LazyFrame, tmp_path: Path
) -> None:
    found = prove_scopes(divided(home, tmp_path / "staging", rows), expected_of(home, rows))
    assert [one.ids_stored for one in found.values()] == [25, 4, 11]
    assert [one.records_compared for one in found.values()] == [12, 4, 10]
    every = together(found.values())
    assert every == Probe(
        ids_expected=40,
        ids_stored=40,
        self_retrieval_asked=26,
        self_retrieval_found=26,
        vectors_checked=40,
        records_compared=26,
        recall_at_10=1.0,
    )


HARMS: dict[str, tuple[Any, str]] = {
    "a scope that is lost": (
        lambda opened: opened.delete_collection("s-few"),
        "^the built index does not have the 3 collections that were made$",
    ),
    "a scope too many": (
        lambda opened: opened.create_collection("s-other"),
        "^the built index does not have the 3 collections that were made$",
    ),
    "a record of another scope": (
        lambda opened: opened.get_collection("public").add(ids=ids(26), embeddings=NUMBERS[[26]]),
        "0 ids lost, 1 not expected$",
    ),
    "a record that is lost from the last scope": (
        lambda opened: opened.get_collection("s-last").delete(ids=ids(39)),
        "1 ids lost, 0 not expected$",
    ),
}


@pytest.mark.parametrize("what", HARMS)
def test_a_divided_index_with_one_thing_wrong_is_refused(home: Home, rows: pl.LazyFrame, tmp_path: Path, what: str) -> None:
    harm, says = HARMS[what]
    folder = divided(home, tmp_path / "staging", rows)
    with chroma.client(folder) as opened:
        harm(opened)
    with pytest.raises(ReleaseError, match=says):
        prove_scopes(folder, expected_of(home, rows))


def test_recall_of_all_together_is_that_of_each_record_asked_for() -> None:
    def probe(asked: int, recall: float | None) -> Probe:
        figures = {"ids_expected": 1, "ids_stored": 2, "self_retrieval_found": 3, "lexical_stored": 4, "lexical_asked": 5}
        return Probe(**figures, self_retrieval_asked=asked, recall_at_10=recall)

    both = together([probe(10, 0.5), probe(20, 1.0)])
    assert (both.self_retrieval_asked, both.recall_at_10) == (30, 0.8333)
    assert (both.ids_expected, both.ids_stored, both.self_retrieval_found) == (2, 4, 6)
    assert (both.lexical_stored, both.lexical_asked) == (8, 10)
    assert together([probe(10, None), probe(20, 0.9)]).recall_at_10 == 0.6, "what was not measured found nothing"
