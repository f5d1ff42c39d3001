"""Every change of the split is in the audit table once, whoever made it and wherever a process died."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rag_pipeline.canary.arms import ArmCounts, Arms
from rag_pipeline.canary.audit import settle, start, stop
from rag_pipeline.canary.split import Wanted, change_split, read_split, started, stopped
from rag_pipeline.channels.audit import all_rows, in_order, move_and_record, moves
from rag_pipeline.channels.audit_rows import seal
from rag_pipeline.channels.pointer import read_channel
from rag_pipeline.errors import PipelineError
from rag_pipeline.home import Home
from rag_pipeline.lake import collected
from tests.support.moving_channel import pointing

NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
WANTED = Wanted(channel="production", canary="canary", percent=5, hours=24, by="ana", why="a new chunker")
COUNTED = Arms(canary=ArmCounts(answered={3: 391}, errors=9), stable=ArmCounts(answered={3: 7_600}))


@pytest.fixture
def both(home: Home) -> Home:
    for name in ("production", "canary"):
        move = pointing(f"release of {name}")
        home.release(move.release).mkdir(parents=True)
        home.manifest(move.release).write_text("{}")
        move_and_record(home, name, move, expected=None)
    return home


def told(home: Home) -> list[dict[str, Any]]:
    rows = collected(in_order(all_rows(home))).to_dicts()
    return [row for row in rows if row["action"] in ("split", "unsplit")]


def test_a_start_and_a_stop_are_a_row_each_and_move_no_channel(both: Home) -> None:
    before = moves(both, "production"), read_channel(both, "production")
    start(both, WANTED, NOW)
    stop(both, NOW + timedelta(hours=1), by="ben", why="seen enough", arms=COUNTED)
    first, second = told(both)
    assert (first["action"], first["by"], first["why"], first["release"]) == (
        "split", "ana", "a new chunker", "release of canary",
    )  # fmt: skip
    assert "5 % of production to canary until 2026-12-01 12:00 UTC" in first["reasons"]
    assert (second["action"], second["by"], second["at"]) == ("unsplit", "ben", NOW + timedelta(hours=1))
    assert "canary: 9 of 400 failed" in second["reasons"]
    assert all(row["seal"] == seal(row) and row["sequence"] is None for row in (first, second))
    assert (moves(both, "production"), read_channel(both, "production")) == before


def test_what_a_replica_did_is_told_once_and_before_the_next_start(both: Home) -> None:
    split = start(both, WANTED, NOW)
    change_split(both, stopped(split, NOW, by="replica r1", why="errors", arms=COUNTED, by_replica=True), expected=split)
    assert len(told(both)) == 1
    again = start(both, WANTED, NOW + timedelta(hours=2))
    settle(both)
    assert [(row["action"], row["by"]) for row in told(both)] == [
        ("split", "ana"), ("unsplit", "replica r1"), ("split", "ana"),
    ]  # fmt: skip
    assert again.number == 3 and again.salt != split.salt, "another part of the traffic is asked to try it"


def test_a_start_that_was_killed_before_its_row_is_told_later(both: Home) -> None:
    change_split(both, started(both, WANTED, None, NOW), expected=None)
    assert told(both) == []
    for _ in range(3):
        settle(both)
    assert [row["action"] for row in told(both)] == ["split"]


def test_nothing_is_stopped_that_is_not_on_or_without_a_name(both: Home) -> None:
    with pytest.raises(PipelineError, match="no traffic is split"):
        stop(both, NOW, by="ana", why="x", arms=Arms())
    start(both, WANTED, NOW)
    with pytest.raises(PipelineError, match="say who stops the split and why"):
        stop(both, NOW, by="", why="x", arms=Arms())
    with pytest.raises(PipelineError, match="no traffic is split"):
        stop(both, NOW + timedelta(hours=25), by="ana", why="x", arms=Arms())
    found = read_split(both)
    assert found and found.percent == 5
