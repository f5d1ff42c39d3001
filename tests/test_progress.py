"""What is said of long work while it is under way: how far it has come, and how long it still takes."""

import io
import logging

import pytest

from rag_pipeline import progress as module
from rag_pipeline.progress import progress, time_left


@pytest.mark.parametrize(
    ("seconds", "says"),
    [
        (0.2, "about 5 seconds"),
        (12, "about 10 seconds"),
        (54, "about 55 seconds"),
        (56, "about 1 minute"),
        (100, "about 2 minutes"),
        (80 * 60, "about 80 minutes"),
        (5 * 3600, "about 5 hours"),
    ],
)
def test_what_is_left_is_told_roughly(seconds: float, says: str) -> None:
    assert time_left(seconds) == says


class Clock:
    """A clock that a test moves. Nothing else of the module asks for the time."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(module, "time", made)
    monkeypatch.setattr("sys.stderr.isatty", lambda: False, raising=False)
    return made


def test_a_line_says_of_how_many_how_fast_and_how_long_still(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "rag_pipeline"), progress("embedding", 4_000, unit="texts") as advance:
        clock.now = 5.0
        advance(200)
        clock.now = 40.0
        advance(1_000)
        clock.now = 100.0
        advance(2_800)
    assert [record.getMessage() for record in caplog.records] == [
        "embedding: 1,200 of 4,000 texts, 30 texts/s, about 2 minutes left",
        "embedding: 4,000 of 4,000 texts, 40 texts/s",
    ]


def test_where_nobody_knows_how_many_there_are_nothing_is_said_of_what_is_left(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "rag_pipeline"), progress("reading", None, unit="rows") as advance:
        clock.now = 20.0
        advance(100)
    assert [record.getMessage() for record in caplog.records] == ["reading: 100 rows, 5 rows/s"]


def test_where_units_are_not_alike_what_is_left_is_judged_by_the_work(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "rag_pipeline"), progress("embedding", 100, unit="texts", work=1_000) as advance:
        clock.now = 30.0
        advance(90, 500)
    assert [record.getMessage() for record in caplog.records] == [
        "embedding: 90 of 100 texts, 3 texts/s, about 30 seconds left"
    ]


def test_a_bar_on_a_terminal_says_what_is_left_too(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    written = Terminal()
    monkeypatch.setattr("sys.stderr", written)
    with progress("embedding", 100, unit="texts", work=1_000) as advance:
        clock.now = 30.0
        advance(90, 500)
    assert "90/100" in written.getvalue()
    assert "about 30 seconds left" in written.getvalue()
