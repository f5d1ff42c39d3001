"""Rows of the audit table: what they hold, in which order they stand, and what their seal depends on."""

import json
import shutil
import time
from collections.abc import Iterator
from datetime import timedelta, timezone

import deltalake
import polars as pl
import pytest

from rag_pipeline.channels.audit import note_refusal
from rag_pipeline.channels.audit_rows import (
    Row,
    all_rows,
    audit_table,
    channel_of,
    in_order,
    moved_channels,
    moves,
    record,
    refusal,
    seal,
)
from rag_pipeline.channels.pointer import Anchor, Channel, Hold
from rag_pipeline.errors import LakeError, ReleaseError
from rag_pipeline.home import Home
from tests.support.lost_commits import empty_last_commit
from tests.support.small_releases import NOW

HOLD = Hold(at=NOW, by="ana", why="wrong prices")
ANCHOR = Anchor(release="a", fingerprint="f", evidence="seal", documents="d", at=NOW, by="ana", why="accepted")


def move(release: str, sequence: int = 1, **changes: object) -> Channel:
    fields = {"release": release, "fingerprint": f"of {release}", "previous": None, "sequence": sequence, "at": NOW}
    return Channel.model_validate(fields | {"by": "ana", "why": "because", "run_id": "run"} | changes)


def rows(home: Home) -> list[Row]:
    return audit_table(home).scan().collect().sort("number").to_dicts()


def of_an_older_pipeline(row: Row) -> Row:
    return row | dict.fromkeys(("fingerprint", "withdrawn", "hold", "anchor", "number", "seal"))


def test_an_anchor_and_a_hold_come_back_as_they_were(home: Home) -> None:
    done = move("a", anchor=ANCHOR, hold=HOLD, withdrawn={"f": "ana at noon (bad)", "e": "ben (worse)"})
    record(home, "production", done)
    [row] = rows(home)
    assert channel_of(row, "production") == done
    assert row["withdrawn"] == json.dumps({"e": "ben (worse)", "f": "ana at noon (bad)"}), "in order, whoever wrote it"
    with pytest.raises(ReleaseError, match="its seal does not match"):
        channel_of(row | {"anchor": ANCHOR.model_copy(update={"release": "b"}).model_dump_json()}, "production")


def test_a_refusal_keeps_nothing_of_the_channel_it_did_not_move(home: Home) -> None:
    record(home, "production", move("a", 3, action="refused", hold=HOLD, anchor=ANCHOR, withdrawn={"f": "ana"}))
    [row] = rows(home)
    assert [row[name] for name in ("sequence", "withdrawn", "hold", "anchor")] == [None] * 4
    assert (row["action"], row["release"], row["number"]) == ("refused", "a", 1)


def test_what_could_not_even_be_evaluated_is_written_down_with_its_reason(home: Home) -> None:
    reason = "gate.yaml cannot be read"
    note_refusal(home, "staging", refusal(release="a", by="ana", why="now", run_id="r", now=NOW, reason=reason))
    [row] = rows(home)
    assert {name: row[name] for name in ("at", "channel", "release", "previous", "by", "why", "run_id", "sequence")} == {
        "at": NOW,
        "channel": "staging",
        "release": "a",
        "previous": None,
        "by": "ana",
        "why": "now",
        "run_id": "r",
        "sequence": None,
    }
    assert row["fingerprint"] == ""
    assert (row["action"], row["outcome"], json.loads(row["reasons"])) == ("refused", "could not be evaluated", [reason])
    assert moved_channels(home) == []


def test_channels_that_moved_are_named_once_and_in_order(home: Home) -> None:
    for number, name in enumerate(("staging", "production", "staging"), start=1):
        record(home, name, move("a", number))
    record(home, "refused", move("a", action="refused"))
    assert moved_channels(home) == ["production", "staging"]


def test_a_row_of_an_older_pipeline_is_read_as_far_as_it_goes(home: Home) -> None:
    record(home, "production", move("a", outcome="passed", reasons=("one",)))
    [row] = rows(home)
    was = channel_of(of_an_older_pipeline(row), "production")
    assert (was.release, was.sequence, was.outcome, was.reasons) == ("a", 1, "passed", ("one",))
    assert (was.fingerprint, was.withdrawn, was.hold, was.anchor) == ("", {}, None, None)


def test_rows_without_a_number_come_first_by_their_time_and_then_by_their_sequence(home: Home) -> None:
    for release, hour, sequence in (("c", 2, 1), ("b", 1, 3), ("a", 1, 2), ("d", 0, 4)):
        record(home, "production", move(release, sequence, at=NOW + timedelta(hours=hour)))
    table, old = audit_table(home), pl.col("release") != "d"
    numbered = table.scan().with_columns(number=pl.when(~old).then(pl.col("number"))).collect()
    table.overwrite(numbered)
    assert in_order(all_rows(home)).collect()["release"].to_list() == ["a", "b", "c", "d"]
    assert in_order(all_rows(home), newest_first=True).collect()["release"].to_list() == ["d", "c", "b", "a"]
    assert [row["release"] for row in moves(home, "production")] == ["d", "b", "a", "c"]


def test_of_two_rows_of_one_move_the_one_that_was_written_later_is_newest(home: Home) -> None:
    """By its number, whatever the clock said; a row without a number is older; of two such rows the clock decides."""
    for release, hour in (("b", 2), ("a", 1), ("d", 9), ("c", 3)):
        record(home, "production", move(release, at=NOW + timedelta(hours=hour)))
    table, old = audit_table(home), pl.col("release").is_in(["a", "b"])
    table.overwrite(table.scan().with_columns(number=pl.when(~old).then(pl.col("number"))).collect())
    assert [row["release"] for row in moves(home, "production")] == ["c", "d", "b", "a"]


def test_a_row_of_an_older_pipeline_that_names_no_release_is_told(home: Home) -> None:
    record(home, "production", move("a"))
    [row] = rows(home)
    with pytest.raises(ReleaseError, match=r"^move 1 of production in the audit table was changed after it was written"):
        channel_of(of_an_older_pipeline(row) | {"release": None}, "production")


def test_a_table_without_the_columns_that_came_later_has_them_empty_and_of_their_type(home: Home) -> None:
    record(home, "production", move("a"))
    whole = all_rows(home).collect()
    shutil.rmtree(home.audit)
    deltalake.write_deltalake(str(home.audit), whole.drop("sequence", "number", "anchor", "seal").to_arrow())
    found = all_rows(home).collect()
    assert dict(found.schema) == dict(whole.schema)
    assert found.select("sequence", "number", "anchor", "seal").rows() == [(None, None, None, None)]
    assert found["release"].to_list() == ["a"]


@pytest.fixture
def at_home_again() -> Iterator[None]:
    """Puts the time zone of the process back."""
    yield
    time.tzset()


def test_a_seal_does_not_depend_on_the_time_zone_of_the_machine_or_of_the_value(
    home: Home, at_home_again: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(home, "production", move("a", anchor=ANCHOR))
    [row] = rows(home)
    for zone in ("America/Los_Angeles", "Asia/Tokyo"):
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        assert seal(row) == row["seal"]
    assert seal(row | {"at": NOW.astimezone(timezone(timedelta(hours=5)))}) == row["seal"]


def test_a_commit_that_the_table_lost_is_not_gone_back_from_without_a_person(home: Home) -> None:
    """A move is derived from nothing: what would come back is the move before, which a rollback may have left."""
    for number, release in enumerate(("a", "b"), start=1):
        record(home, "production", move(release, number))
    empty_last_commit(home.audit)
    with pytest.raises(LakeError, match="audit"):
        audit_table(home).heal()


def test_a_row_written_before_there_were_anchors_keeps_the_seal_it_has(home: Home) -> None:
    record(home, "production", move("a"))
    [row] = rows(home)
    before = {name: value for name, value in row.items() if name != "anchor"}
    assert seal(before) == seal(row) == row["seal"]
    assert channel_of(before, "production") == move("a")
