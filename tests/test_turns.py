"""Long work that lets go of the interpreter, and gives what it would give at once."""

import pickle
import sys
import threading
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from rag_pipeline.turns import ReadInTurns, in_turns


@given(st.lists(st.integers()), st.integers(1, 50))
def test_items_come_as_they_are_in_turns_of_any_length(items: list[int], each: int) -> None:
    assert list(in_turns(items, each)) == items


def test_a_pickle_without_frames_is_read_as_it_is_and_others_run_meanwhile() -> None:
    held = {f"{place:032x}": place for place in range(20_000)}
    written = pickle.dumps(held, protocol=3)
    read, others_ran = _beside(lambda: pickle.Unpickler(ReadInTurns(written)).load())
    assert read == held
    assert others_ran > 20


def test_others_run_while_items_are_gone_through() -> None:
    found, others_ran = _beside(lambda: frozenset(in_turns(range(50_000))))
    assert found == frozenset(range(50_000))
    assert others_ran > 20


def _beside(work: Callable[[], object]) -> tuple[object, int]:
    """What some work gives, and how often another thread ran meanwhile, though nobody is made to let go in time."""
    ended, ran = threading.Event(), [0]

    def count() -> None:
        while not ended.wait(0.00001):
            ran[0] += 1

    before = sys.getswitchinterval()
    other = threading.Thread(target=count)
    other.start()
    sys.setswitchinterval(60)
    began = ran[0]
    try:
        found = work()
        times = ran[0] - began
    finally:
        sys.setswitchinterval(before)
        ended.set()
        other.join()
    return found, times
