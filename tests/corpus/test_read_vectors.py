import os
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag_pipeline.corpus import read_vectors as module
from rag_pipeline.corpus.read_vectors import few_with_vectors, matrix, spooled, vector_batches, with_vectors
from rag_pipeline.corpus.tables import VECTORS, chunks_table, vectors_table
from rag_pipeline.errors import ReleaseError
from rag_pipeline.home import Home
from tests.support.small_releases import store_vectors, unit_vectors


@pytest.mark.parametrize("size", [1, 7, 100])
def test_chunks_come_with_the_vectors_of_their_texts_a_few_at_a_time(home: Home, size: int) -> None:
    vectors = unit_vectors(40)
    ids = store_vectors(home, vectors)
    parts = list(with_vectors(home, chunks_table(home).scan(), "small", size))
    assert max(frame.height for frame, _ in parts) <= size
    found = {chunk: vector for frame, part in parts for chunk, vector in zip(frame["chunk_id"], part, strict=True)}
    assert sorted(found) == ids
    np.testing.assert_array_equal(np.stack([found[chunk] for chunk in ids]), vectors)


def test_a_few_chunks_come_with_their_vectors_in_the_order_they_were_asked_for(home: Home) -> None:
    vectors = unit_vectors(40)
    store_vectors(home, vectors)
    chunks = chunks_table(home).scan().collect().sort("chunk_id")
    order = [31, 2, 39, 0, 17]
    found = few_with_vectors(home, chunks[order], "small")
    assert found["chunk_id"].to_list() == chunks[order]["chunk_id"].to_list()
    np.testing.assert_array_equal(matrix(found), vectors[order])
    assert few_with_vectors(home, chunks.clear(), "small").is_empty()


def test_a_vector_is_found_in_whichever_file_and_commit_it_lies(home: Home) -> None:
    vectors = unit_vectors(9)
    store_vectors(home, vectors)
    table = vectors_table(home)
    stored = table.scan().collect().sort("text_hash")
    table.overwrite(stored[:3])
    for start in (3, 6):
        table.append(stored[start : start + 3])
    chunks = chunks_table(home).scan().collect().sort("chunk_id")
    np.testing.assert_array_equal(matrix(few_with_vectors(home, chunks, "small")), vectors)
    seen = [text_hash for batch in vector_batches(home, "small") for text_hash in batch["text_hash"].to_pylist()]
    assert sorted(seen) == stored["text_hash"].to_list()


def test_a_vector_stored_twice_or_for_another_model_too_makes_no_chunk_come_twice(home: Home) -> None:
    vectors = unit_vectors(6)
    ids = store_vectors(home, vectors)
    table = vectors_table(home)
    stored = table.scan().collect()
    table.append(stored)
    other = stored.with_columns(model=pl.lit("other"), vector=pl.lit([0.5] * 8, pl.List(pl.Float32)))
    table.append(pa.table(other.to_arrow()).cast(VECTORS))
    chunks = chunks_table(home).scan()
    [(whole, found)] = with_vectors(home, chunks.sort("chunk_id"), "small", 100)
    few = few_with_vectors(home, chunks.collect(), "small").sort("chunk_id")
    for frame, matched in ((whole, found), (few, matrix(few))):
        assert frame["chunk_id"].to_list() == ids
        np.testing.assert_array_equal(matched, vectors)


def test_chunks_without_a_vector_are_counted_and_refused(home: Home, tmp_path: Path) -> None:
    store_vectors(home, unit_vectors(6))
    chunks = chunks_table(home).scan()
    vectors_table(home).overwrite(vectors_table(home).scan().collect().head(4))
    with pytest.raises(ReleaseError, match="2 chunks have no vector; materialize corpus/embeddings first"):
        list(with_vectors(home, chunks, "small", 100))
    with pytest.raises(ReleaseError, match="2 chunks have no vector"):
        few_with_vectors(home, chunks.collect(), "small")
    with pytest.raises(ReleaseError, match="6 chunks have no vector"):
        few_with_vectors(Home(tmp_path / "empty"), chunks.collect(), "small")


stored_texts = st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=6), max_size=4)
"""Texts of each commit of the table."""


@given(commits=stored_texts, wanted=st.lists(st.sampled_from("abcdefgh"), max_size=10), rows=st.integers(1, 4))
@settings(max_examples=30, deadline=None)
def test_every_wanted_text_has_its_own_vector_once_whatever_was_stored_how_often_and_in_which_order(
    commits: list[list[str]], wanted: list[str], rows: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = Home(tmp_path_factory.mktemp("spool"))
    numbers = {text: [float(place), 1.0, -float(place)] for place, text in enumerate("abcdefgh")}
    for texts in commits:
        stored = [{"model": "small", "text_hash": text, "vector": numbers[text]} for text in texts]
        vectors_table(home).append(pa.Table.from_pylist(stored, VECTORS))
    there = {text for texts in commits for text in texts}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_READ_ROWS", rows)
        with spooled(home, "small", pl.Series(wanted, dtype=pl.String)) as spool:
            assert spool.hashes.to_list() == sorted(set(wanted))
            assert [not lost for lost in spool.missing] == [text in there for text in spool.hashes]
            known = [text for text in wanted if text in there]
            assert spool.of(pl.Series(known, dtype=pl.String)).tolist() == [numbers[text] for text in known]
            blocks = [
                (spool.hashes[int(place)], list(row)) for found in spool.blocks() for place, row in zip(*found, strict=True)
            ]
    assert sorted(blocks) == sorted((text, numbers[text]) for text in set(known))


def test_vectors_of_two_lengths_are_refused(home: Home) -> None:
    for length in (2, 3):
        row = {"model": "small", "text_hash": f"text{length}", "vector": [1.0] * length}
        vectors_table(home).append(pa.Table.from_pylist([row], VECTORS))
    for width in (None, 2, 3):
        with (
            pytest.raises(ReleaseError, match="the vectors table is damaged"),
            spooled(home, "small", pl.Series(["text2"]), width),
        ):
            pass


def test_vectors_set_aside_that_were_cut_short_are_refused_not_made_up(home: Home) -> None:
    store_vectors(home, unit_vectors(6))
    hashes = chunks_table(home).scan().collect()["text_hash"]
    with spooled(home, "small", hashes) as spool:
        os.ftruncate(spool._file, 5 * 4 * spool.width)
        with pytest.raises(ReleaseError, match="cannot be read back whole; look at its disk"):
            spool.of(hashes)
        with pytest.raises(ReleaseError, match="cannot be read back whole"):
            list(spool.blocks())
