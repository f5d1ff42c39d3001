from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag_pipeline.corpus.tables import VECTORS, chunks_table, vectors_table
from rag_pipeline.errors import ReleaseError
from rag_pipeline.index.contents import (
    FILE,
    content_fingerprint,
    contents,
    difference,
    few_with_vectors,
    matrix,
    vector_batches,
    with_vectors,
)
from tests.corpus.small import build, store_vectors, unit_vectors

CONTENTS = st.dictionaries(st.text("abcdef", min_size=1, max_size=2), st.sampled_from(["p", "q", "r"]), max_size=20)
"""chunk id -> payload hash"""


def rows(content: dict[str, str]) -> pl.LazyFrame:
    return pl.LazyFrame(
        {"chunk_id": list(content), "payload_hash": list(content.values())},
        schema={"chunk_id": pl.String, "payload_hash": pl.String},
    )


@given(CONTENTS, CONTENTS)
def test_the_difference_applied_to_the_base_gives_what_is_wanted_and_touches_nothing_else(
    base: dict[str, str], wanted: dict[str, str]
) -> None:
    removed, added = difference(rows(base), rows(wanted))
    assert len(set(removed)) == len(removed) and len(set(added)) == len(added)
    left = {chunk: payload for chunk, payload in base.items() if chunk not in removed}
    assert not left.keys() & set(added), "an id that stays cannot be added: Chroma would keep the old record"
    assert left | {chunk: wanted[chunk] for chunk in added} == wanted
    same = base.items() & wanted.items()
    assert len(removed) + len(added) == len(base) + len(wanted) - 2 * len(same), "what is the same on both sides stays"


@given(CONTENTS)
def test_nothing_differs_from_itself(content: dict[str, str]) -> None:
    assert difference(rows(content), rows(dict(reversed(content.items())))) == ([], [])


def test_a_chunk_whose_payload_changed_is_both_removed_and_added() -> None:
    removed, added = difference(rows({"a": "p", "b": "p", "c": "p"}), rows({"b": "q", "c": "p", "d": "p"}))
    assert (sorted(removed), sorted(added)) == (["a", "b"], ["b", "d"])


@given(CONTENTS, CONTENTS)
def test_the_fingerprint_of_contents_knows_ids_and_payloads_but_no_order(one: dict[str, str], two: dict[str, str]) -> None:
    assert content_fingerprint(rows(one)) == content_fingerprint(rows(dict(reversed(one.items()))))
    assert (content_fingerprint(rows(one)) == content_fingerprint(rows(two))) == (one == two)


def test_a_release_keeps_the_very_rows_it_was_built_from(tmp_path: Path) -> None:
    store_vectors(tmp_path, unit_vectors(30))
    stored = chunks_table(tmp_path).scan().collect().sort("chunk_id")
    manifest = build(tmp_path).manifest
    store_vectors(tmp_path, unit_vectors(5))
    assert contents(tmp_path / "releases" / manifest.id, manifest).collect().sort("chunk_id").equals(stored)
    assert FILE in manifest.files


def test_a_release_without_its_chunks_says_what_cannot_be_done_with_it(tmp_path: Path) -> None:
    store_vectors(tmp_path, unit_vectors(3))
    manifest = build(tmp_path).manifest
    release = tmp_path / "releases" / manifest.id
    with pytest.raises(ReleaseError, match=r"does not have chunks\.parquet, so it can be neither built upon nor repair"):
        contents(release, manifest.model_copy(update={"files": {}}))
    (release / FILE).unlink()
    with pytest.raises(ReleaseError, match=r"does not have chunks\.parquet"):
        contents(release, manifest)
    (release / FILE).write_bytes(b"PAR1")
    with pytest.raises(ReleaseError, match=r"its chunks\.parquet is not the one it was built from"):
        contents(release, manifest)


@pytest.mark.parametrize("size", [1, 7, 100])
def test_chunks_come_with_the_vectors_of_their_texts_a_few_at_a_time(tmp_path: Path, size: int) -> None:
    vectors = unit_vectors(40)
    ids = store_vectors(tmp_path, vectors)
    frames = list(with_vectors(tmp_path, chunks_table(tmp_path).scan(), "small", size))
    assert max(frame.height for frame in frames) <= size
    together = pl.concat(frames).sort("chunk_id")
    assert together["chunk_id"].to_list() == ids
    np.testing.assert_array_equal(matrix(together), vectors)


def test_a_few_chunks_come_with_their_vectors_in_the_order_they_were_asked_for(tmp_path: Path) -> None:
    vectors = unit_vectors(40)
    store_vectors(tmp_path, vectors)
    chunks = chunks_table(tmp_path).scan().collect().sort("chunk_id")
    order = [31, 2, 39, 0, 17]
    found = few_with_vectors(tmp_path, chunks[order], "small")
    assert found["chunk_id"].to_list() == chunks[order]["chunk_id"].to_list()
    np.testing.assert_array_equal(matrix(found), vectors[order])
    assert few_with_vectors(tmp_path, chunks.clear(), "small").is_empty()


def test_a_vector_is_found_in_whichever_file_and_commit_it_lies(tmp_path: Path) -> None:
    vectors = unit_vectors(9)
    store_vectors(tmp_path, vectors)
    table = vectors_table(tmp_path)
    stored = table.scan().collect().sort("text_hash")
    table.overwrite(stored[:3])
    for start in (3, 6):
        table.append(stored[start : start + 3])
    chunks = chunks_table(tmp_path).scan().collect().sort("chunk_id")
    np.testing.assert_array_equal(matrix(few_with_vectors(tmp_path, chunks, "small")), vectors)
    seen = [text_hash for batch in vector_batches(tmp_path, "small") for text_hash in batch["text_hash"].to_pylist()]
    assert sorted(seen) == stored["text_hash"].to_list()


def test_a_vector_stored_twice_or_for_another_model_too_makes_no_chunk_come_twice(tmp_path: Path) -> None:
    vectors = unit_vectors(6)
    ids = store_vectors(tmp_path, vectors)
    table = vectors_table(tmp_path)
    stored = table.scan().collect()
    table.append(stored)
    other = stored.with_columns(model=pl.lit("other"), vector=pl.lit([0.5] * 8, pl.List(pl.Float32)))
    table.append(pa.table(other.to_arrow()).cast(VECTORS))
    chunks = chunks_table(tmp_path).scan()
    whole = pl.concat(with_vectors(tmp_path, chunks, "small", 100)).sort("chunk_id")
    few = few_with_vectors(tmp_path, chunks.collect(), "small").sort("chunk_id")
    for found in (whole, few):
        assert found["chunk_id"].to_list() == ids
        np.testing.assert_array_equal(matrix(found), vectors)


def test_chunks_without_a_vector_are_counted_and_refused(tmp_path: Path) -> None:
    store_vectors(tmp_path, unit_vectors(6))
    chunks = chunks_table(tmp_path).scan()
    vectors_table(tmp_path).overwrite(vectors_table(tmp_path).scan().collect().head(4))
    with pytest.raises(ReleaseError, match="2 chunks have no vector; materialize corpus/embeddings first"):
        list(with_vectors(tmp_path, chunks, "small", 100))
    with pytest.raises(ReleaseError, match="2 chunks have no vector"):
        few_with_vectors(tmp_path, chunks.collect(), "small")
    with pytest.raises(ReleaseError, match="6 chunks have no vector"):
        few_with_vectors(tmp_path / "empty", chunks.collect(), "small")
