import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag_pipeline.corpus.encoders.batches import TYPICAL_TOKENS, batches, cores, run_batches


@given(lengths=st.lists(st.integers(0, 2_000), max_size=80), at_least=st.integers(1, 16))
def test_every_text_is_in_one_batch_and_no_batch_holds_more_text_than_it_may(lengths: list[int], at_least: int) -> None:
    cut = list(batches(lengths, at_least))
    assert sorted(place for batch in cut for place in batch) == list(range(len(lengths)))
    for batch in cut:
        longest = max(lengths[place] for place in batch)
        assert len(batch) <= at_least or len(batch) * longest <= at_least * TYPICAL_TOKENS
    ordered = [lengths[place] for batch in cut for place in batch]
    assert ordered == sorted(ordered, reverse=True)


def test_batches_are_full() -> None:
    assert [len(batch) for batch in batches([TYPICAL_TOKENS] * 20, 8)] == [8, 8, 4]
    assert [len(batch) for batch in batches([TYPICAL_TOKENS // 10] * 100, 8)] == [80, 20]


@pytest.mark.parametrize("workers", [1, 3])
def test_each_vector_finds_its_text_whoever_computed_it(workers: int) -> None:
    def run(places: list[int]) -> np.ndarray:
        return np.array([[place, 2 * place] for place in places], dtype=np.float32)

    vectors = run_batches(batches(list(range(50)), 2), run, texts=50, dimensions=2, workers=workers)
    assert vectors.tolist() == [[place, 2 * place] for place in range(50)]


def test_several_workers_work_at_once_and_what_one_raises_is_raised() -> None:
    together = threading.Barrier(2, timeout=10)

    def run(places: list[int]) -> np.ndarray:
        together.wait()
        return np.zeros((len(places), 1), dtype=np.float32)

    run_batches(iter([[0], [1]]), run, texts=2, dimensions=1, workers=2)

    def fails(places: list[int]) -> np.ndarray:
        raise RuntimeError("the machine went away")

    with pytest.raises(RuntimeError, match="the machine went away"):
        run_batches(iter([[0], [1]]), fails, texts=2, dimensions=1, workers=2)


def test_every_worker_is_prepared_a_single_batch_is_cut_and_a_single_text_has_its_own_thread() -> None:
    prepared: list[int] = []

    def prepare() -> None:
        prepared.append(threading.get_ident())

    def run(places: list[int]) -> np.ndarray:
        return np.full((len(places), 1), threading.get_ident() in prepared, dtype=np.float32)

    assert run_batches(iter([[0], [1], [2]]), run, 3, 1, workers=2, prepare=prepare).all()
    assert threading.get_ident() not in prepared
    prepared.clear()
    assert run_batches(iter([[0, 1, 2]]), run, 3, 1, workers=2, prepare=prepare).all()
    assert threading.get_ident() not in prepared
    assert run_batches(iter([[0]]), run, 1, 1, workers=2, prepare=prepare).all(), "a question alone has its own thread too"
    assert not run_batches(iter([[0]]), run, 1, 1, workers=1, prepare=prepare).any(), (
        "where one thread runs, the caller is it"
    )
    assert not run_batches(iter([[0, 1]]), run, 2, 1, workers=2).any()
    assert run_batches(iter([[2, 0, 1]]), lambda places: np.array([[p] for p in places]), 3, 1, 2, prepare).tolist() == [
        [0],
        [1],
        [2],
    ]


def test_nothing_to_embed_is_nothing() -> None:
    assert run_batches(batches([], 8), lambda places: np.empty((0, 4), np.float32), 0, 4, workers=2).shape == (0, 4)
    assert cores() >= 1
