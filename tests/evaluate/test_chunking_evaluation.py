"""Published figures of chunking, repeated with the packaged model and the project's own span metrics.

Source: Smith and Troynikov, "Evaluating Chunking Strategies for Retrieval", Chroma, 2024, table for all-MiniLM-L6-v2.
"""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.spans import PUBLISHED, Bench
from rag_pipeline.corpus.model import model_of
from rag_pipeline.settings import Settings
from tests.conftest import SHARED
from tests.support.recursive_splitter import RecursiveSplitter

DATA = SHARED / "chunking-evaluation"

with_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"no shared data at {DATA}")


@pytest.fixture(scope="module")
def bench() -> Bench:
    return Bench(DATA, model_of(Settings()))


@with_data
@pytest.mark.parametrize(("size", "overlap"), PUBLISHED)
def test_the_published_cut_and_its_precision_omega_come_out_the_same(bench: Bench, size: int, overlap: int) -> None:
    published, chunks = PUBLISHED[size, overlap], bench.chunks(size, overlap)
    assert int(bench.mean_tokens(chunks)) == published["tokens"]
    assert bench.omega(chunks).mean == pytest.approx(published["omega"], abs=0.1)


@with_data
@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize(("size", "overlap"), [(200, 0), (250, 125)])
def test_published_retrieval_comes_out_within_one_standard_error(bench: Bench, size: int, overlap: int) -> None:
    published, figures = PUBLISHED[size, overlap], bench.retrieval(bench.chunks(size, overlap))
    assert len(bench.questions) == 472
    for name, figure in figures.items():
        assert figure.mean == pytest.approx(published[name], abs=figure.error), name


def cut(text: str, size: int, overlap: int = 0) -> list[str]:
    splitter = RecursiveSplitter(size, overlap, lambda texts: [len(one) for one in texts])
    return [text[start:end] for start, end in splitter.spans(text)]


def test_a_text_is_cut_at_the_first_separator_that_occurs_and_a_separator_begins_its_piece() -> None:
    assert cut("one two\n\nthree four", 12) == ["one two", "three four"]
    assert cut("One two. Three four? Five.", 13) == ["One two", ". Three four", "? Five", "."]
    assert cut("abcdefgh", 3) == ["abc", "def", "gh"]
    assert cut(" \n\n ", 3) == []


def test_short_neighbours_are_joined_and_whole_pieces_repeated_up_to_the_overlap() -> None:
    assert cut("aa bb cc dd ee", 9, 0) == ["aa bb cc", "dd ee"]
    assert cut("aa bb cc dd ee", 9, 3) == ["aa bb cc", "cc dd ee"]
    assert cut("aa bb cc dd ee", 9, 6) == ["aa bb cc", "bb cc dd", "cc dd ee"]


def test_marks_around_every_text_count_for_every_piece_and_between_pieces() -> None:
    splitter = RecursiveSplitter(13, 0, lambda texts: [len(one.split()) + 2 for one in texts])
    text = "a b c d e f g h i j k l"
    assert [text[start:end] for start, end in splitter.spans(text)] == ["a b c", "d e f", "g h i", "j k l"]


@given(st.text("ab .?!\n", max_size=60), st.integers(2, 12), st.data())
def test_chunks_are_in_order_short_enough_and_lose_no_letter(text: str, size: int, data: st.DataObject) -> None:
    overlap = data.draw(st.integers(0, size - 1))
    spans = RecursiveSplitter(size, overlap, lambda texts: [len(one) for one in texts]).spans(text)
    covered = {place for start, end in spans for place in range(start, end)}
    assert {place for place, letter in enumerate(text) if not letter.isspace()} <= covered
    assert all(0 < end - start <= size and text[start:end] == text[start:end].strip() for start, end in spans)
    for (start, end), (next_start, next_end) in pairwise(spans):
        assert start <= next_start and end <= next_end
        assert end - next_start <= overlap
