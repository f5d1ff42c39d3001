"""Which texts have no vector: bucket by bucket the same as by looking at all of them at once."""

from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag_pipeline.corpus.control import spread
from rag_pipeline.corpus.missing import find_missing, wrongly_stored
from rag_pipeline.corpus.tables import CHUNKS, VECTORS, chunks_table, vectors_table
from rag_pipeline.files import fingerprint
from rag_pipeline.home import Home
from rag_pipeline.lake import buckets, fingerprint_rows

NUMBERS = st.integers(0, 30)


@pytest.fixture
def small_buckets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buckets, "AT_ONCE", 4)
    monkeypatch.setattr(buckets, "_BATCH", 3)
    monkeypatch.setattr("rag_pipeline.corpus.missing._READ", 5)


def text(number: int) -> str:
    return f"text {number} " * (1 + number % 3)


def store(home: Home, chunks: list[tuple[str, int]], vectors: list[tuple[str, int]]) -> None:
    """`chunks`: (source, number of the text). `vectors`: (model, number of the text)."""
    rows = [
        {
            **dict.fromkeys(CHUNKS.names, ""),
            "chunk_id": fingerprint(place),
            "source": source,
            "text": text(number),
            "text_hash": fingerprint(text(number)),
            "start": 0,
            "end": 1,
            "parts": 1,
        }
        for place, (source, number) in enumerate(chunks)
    ]
    chunks_table(home).overwrite(pa.Table.from_pylist(rows, CHUNKS))
    stored = [{"model": model, "text_hash": fingerprint(text(number)), "vector": [1.0]} for model, number in vectors]
    for row in stored:  # a commit each, as nights make them
        vectors_table(home).append(pa.Table.from_pylist([row], VECTORS))


@pytest.mark.usefixtures("small_buckets")
@settings(max_examples=15)
@given(
    chunks=st.lists(st.tuples(st.sampled_from(["one", "two"]), NUMBERS), max_size=40),
    vectors=st.lists(st.tuples(st.sampled_from(["m", "other"]), NUMBERS), max_size=6),
    at_once=st.integers(1, 9),
)
def test_by_buckets_it_is_what_it_is_at_once(
    chunks: list[tuple[str, int]], vectors: list[tuple[str, int]], at_once: int
) -> None:
    with TemporaryDirectory() as folder:
        home = Home(Path(folder))
        store(home, chunks, vectors)
        found = find_missing(chunks_table(home), vectors_table(home), "m", home.scratch)
        texts = {fingerprint(text(number)): text(number) for _, number in chunks}
        known = {fingerprint(text(number)) for model, number in vectors if model == "m"} & texts.keys()
        assert (found.texts, found.count) == (len(texts), len(texts) - len(known))
        assert found.fingerprint == fingerprint_rows(pl.DataFrame({"h": sorted(texts)}, schema={"h": pl.String}))
        assert set(found.known) <= known
        assert len(found.known) == len(spread(len(known)))
        batches = list(found.batches(at_once))
        assert all(batch.height == at_once for batch in batches[:-1])
        rows = [row for batch in batches for row in batch.select("text_hash", "text").iter_rows()]
        assert sorted(rows) == sorted((key, value) for key, value in texts.items() if key not in known)
        assert found.characters() == sum(len(value) for _, value in rows)
        assert wrongly_stored(vectors_table(home), found, "m", home.scratch) == (found.count, 0)


def test_what_was_embedded_is_read_back(home: Home) -> None:
    store(home, [("one", number) for number in range(5)], [("m", 0)])
    found = find_missing(chunks_table(home), vectors_table(home), "m", home.scratch)
    for number in (1, 2, 2, 3):
        row = {"model": "m", "text_hash": fingerprint(text(number)), "vector": [1.0]}
        vectors_table(home).append(pa.Table.from_pylist([row], VECTORS))
    assert wrongly_stored(vectors_table(home), found, "m", home.scratch) == (1, 1), "4 has none, 2 has two"


def test_nothing_stored_is_nothing_missing(home: Home) -> None:
    found = find_missing(chunks_table(home), vectors_table(home), "m", home.scratch)
    assert (found.texts, found.count, found.known, list(found.batches(3))) == (0, 0, (), [])
    assert not home.scratch.exists()
