"""The log of a replica: masked rows in whole segments, nobody waits for it, and what is lost is counted."""

import shutil
import stat
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from rag_pipeline.home import Home
from rag_pipeline.traffic import spool as module
from rag_pipeline.traffic.rows import Kind
from rag_pipeline.traffic.segments import read_segment, waiting, write_segment
from rag_pipeline.traffic.spool import Spool
from tests.support.asked_rows import asked
from tests.support.moving_channel import until


def row_of() -> dict[Kind, Callable[[Any], dict[str, Any]]]:
    return {"queries": asked, "feedback": asked}


def rows_in(home: Home) -> list[dict[str, Any]]:
    return [row for path in waiting(home, "queries") for row in read_segment(path, "queries").to_pylist()]


def test_what_is_put_is_in_segments_that_no_other_account_may_read(home: Home) -> None:
    log = Spool(home, row_of(), every_s=0.01)
    assert all(log.put("queries", number) for number in range(100))
    log.close()
    assert [row["query_id"] for row in rows_in(home)] == [asked(number)["query_id"] for number in range(100)]
    assert (log.kept["queries"], log.lost.total()) == (100, 0)
    [*modes] = {stat.S_IMODE(path.stat().st_mode) for path in waiting(home, "queries")}
    assert modes == [0o600]
    assert stat.S_IMODE(home.traffic.stat().st_mode) == 0o700


def test_what_memory_has_no_room_for_is_counted_on_the_next_row(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 10)
    log = Spool(home, row_of(), every_s=3600)
    assert [log.put("queries", number) for number in range(25)] == [True] * 10 + [False] * 15
    log.close()
    assert [row["lost_before"] for row in rows_in(home)] == [15] + [0] * 9
    assert (log.kept["queries"], log.lost["queries"]) == (10, 15)


def test_a_full_disk_loses_rows_of_the_log_counts_them_and_is_told(
    home: Home, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "MOST", 10)
    monkeypatch.setattr(module, "LEAST_FREE", shutil.disk_usage(home.root).total * 2)
    log = Spool(home, row_of(), every_s=3600)
    for _ in range(3):
        for number in range(8):
            log.put("queries", number)
        log._flush()
    assert rows_in(home) == []
    assert log.lost["queries"] == 14
    monkeypatch.setattr(module, "LEAST_FREE", 0)
    log.put("queries", 99)
    log._flush()
    log.close()
    assert len(rows_in(home)) == 10
    assert rows_in(home)[0]["lost_before"] + log._untold["queries"] == log.lost["queries"] == 15
    assert len([one for one in caplog.records if "answers go on" in one.getMessage()]) == 1


def test_a_row_that_cannot_be_made_is_lost_alone(home: Home) -> None:
    log = Spool(home, row_of(), every_s=3600)
    log.put("queries", "no number")
    log.put("queries", 1)
    log.close()
    assert len(rows_in(home)) == 1
    assert log.lost["queries"] == 1


@pytest.mark.parametrize("odd", [{"query_id": "q_\ud800"}, {"query_id": 7}, {"timestamp": "yesterday"}])
def test_a_row_that_no_segment_can_hold_is_lost_alone_and_ends_neither_the_thread_nor_the_log(
    home: Home, odd: dict[str, Any]
) -> None:
    log = Spool(home, {"queries": lambda what: asked(1) | what, "feedback": asked}, every_s=0.01)
    for what in ({}, odd, {"query_id": "another"}):
        log.put("queries", what)
    until(lambda: log.kept["queries"] == 2, "both others are in segments")
    log.put("queries", {"query_id": "later"})
    log.close()
    assert [row["query_id"] for row in rows_in(home)] == [asked(1)["query_id"], "another", "later"]
    assert (log.kept["queries"], log.lost["queries"]) == (3, 1)


def test_what_is_wrong_with_no_row_is_tried_again_and_ends_neither_the_thread_nor_the_log(
    home: Home, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    log = Spool(home, row_of(), every_s=3600)
    monkeypatch.setattr(module, "write_segment", lambda *_: pa.array([1]).cast(pa.bool_()).cast("date32"))
    log.put("queries", 1)
    log._flush()
    assert (log.kept.total(), log.lost.total()) == (0, 0)
    assert "ArrowNotImplementedError" in caplog.text
    monkeypatch.setattr(module, "write_segment", write_segment)
    log.close()
    assert (log.kept["queries"], len(rows_in(home))) == (1, 1)


def test_where_nobody_puts_segments_into_tables_replicas_write_no_more(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_SEGMENTS", 2)
    monkeypatch.setattr(module, "_LOOK_EVERY", 1)
    log = Spool(home, row_of(), every_s=3600)
    for number in range(6):
        log.put("queries", number)
        log._flush()
    log.close()
    assert len(waiting(home, "queries")) == 3
    assert log.kept["queries"] + log.lost["queries"] == 6
