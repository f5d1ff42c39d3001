"""Segments become rows of a table: each exactly once, and texts go once they are past their days."""

import multiprocessing
import os
import random
import signal
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake

import rag_pipeline.traffic.ingest as module
from rag_pipeline.home import Home
from rag_pipeline.lake import collected
from rag_pipeline.traffic.ingest import ingest
from rag_pipeline.traffic.rows import SCHEMAS, rows, table
from rag_pipeline.traffic.segments import damaged, waiting
from tests.support.asked_rows import NOW, asked, pair, segment, stored, verdict
from tests.support.planted_values import texts_of

LATER = NOW + timedelta(hours=1)


def test_every_row_of_every_segment_is_in_the_table_once(home: Home) -> None:
    for number in range(3):
        segment(home, [asked(number * 10 + place) for place in range(10)], number)
    done = ingest(home, "queries", LATER, days=90)
    assert (done.rows, done.known, done.segments) == (30, 0, 3)
    assert [row["query_id"] for row in stored(home)] == [asked(number)["query_id"] for number in range(30)]
    assert waiting(home, "queries") == []
    assert ingest(home, "queries", LATER, days=90).rows == 0


def test_a_segment_that_was_committed_and_not_removed_adds_nothing(home: Home) -> None:
    rows = [asked(number) for number in range(10)]
    segment(home, rows, 1)
    ingest(home, "queries", LATER, days=90)
    segment(home, rows, 1)
    segment(home, [*rows, asked(10)], 2)
    done = ingest(home, "queries", LATER, days=90)
    assert (done.rows, done.known) == (1, 20)
    assert len(stored(home)) == 11


def test_a_damaged_segment_is_set_aside_and_told_and_the_others_go_on(home: Home) -> None:
    for number in range(3):
        segment(home, [asked(number)], number)
    bad = waiting(home, "queries")[1]
    content = bytearray(bad.read_bytes())
    content[len(content) // 2] ^= 1
    bad.write_bytes(content)
    assert ingest(home, "queries", LATER, days=90).damaged == (f"{bad.name}.damaged",)
    assert len(stored(home)) == 2
    assert ingest(home, "queries", LATER, days=90).damaged == (f"{bad.name}.damaged",)
    assert len(damaged(home)) == 1


def test_what_replicas_lost_is_in_the_table_to_the_unit(home: Home) -> None:
    segment(home, [asked(0, lost_before=7), asked(1)], 1)
    segment(home, [asked(2, lost_before=35)], 2)
    assert ingest(home, "queries", LATER, days=90).lost == 42
    assert sum(row["lost_before"] for row in stored(home)) == 42


def test_a_text_past_its_days_is_in_no_file_of_the_table_and_its_counts_stay(home: Home) -> None:
    old = asked(1, timestamp=NOW - timedelta(days=9), user_query="the old secret", client_id="d" * 16)
    segment(home, [old, asked(2, user_query="what is new")])
    ingest(home, "queries", LATER, days=90)
    done = ingest(home, "queries", LATER, days=7)
    assert done.emptied == 1
    first, second = stored(home)
    assert (first["user_query"], first["query_hmac"], first["client_id"], first["total_ms"]) == (None, None, None, 12.5)
    assert second["user_query"] == "what is new"
    everything = "".join(text for path in home.lake.rglob("*") if path.is_file() for text in texts_of(path))
    assert "the old secret" not in everything
    assert "what is new" in everything
    assert ingest(home, "queries", LATER, days=7).emptied == 0


def test_of_verdicts_of_one_principal_on_one_chunk_the_newest_counts(home: Home) -> None:
    first = verdict("q_1", action_name="useful")
    last = first | {"action_name": "not_useful", "timestamp": NOW + timedelta(seconds=5)}
    segment(home, [first, verdict("q_2")], 1, "feedback")
    ingest(home, "feedback", LATER, days=90)
    segment(home, [last], 2, "feedback")
    segment(home, [first], 3, "feedback")
    done = ingest(home, "feedback", LATER, days=90)
    assert (done.rows, done.known) == (1, 1)
    assert [(row["query_id"], row["action_name"]) for row in stored(home, "feedback")] == [
        ("q_1", "not_useful"),
        ("q_2", "useful"),
    ]


def _work(root: str, begins: Any) -> None:
    module.ROWS_A_COMMIT = 40  # many commits, so that a kill falls between any two
    begins.set()
    ingest(Home(Path(root)), "queries", LATER, days=90)


def test_twenty_kills_at_any_moment_lose_nothing_and_double_nothing(home: Home) -> None:
    rows = [asked(number) for number in range(1_200)]
    for number in range(120):
        segment(home, rows[number * 10 : number * 10 + 10], number)
    context, chance, kills = multiprocessing.get_context("forkserver"), random.Random(7), 0
    context.set_forkserver_preload([__name__])
    while kills < 20:
        if not waiting(home, "queries"):
            break
        begins = context.Event()
        worker = context.Process(target=_work, args=(str(home.root), begins))
        worker.start()
        assert worker.pid
        begins.wait()
        left = len(waiting(home, "queries")) - chance.randint(0, 7)
        while worker.is_alive() and len(waiting(home, "queries")) > left:
            time.sleep(0.002)
        time.sleep(chance.uniform(0, 0.02))
        os.kill(worker.pid, signal.SIGKILL)
        worker.join()
        kills += 1
    assert kills == 20, "each found something to do"
    assert table(home, "queries").version() >= 5, "they did some of the work"
    ingest(home, "queries", LATER, days=90)
    assert [row["query_id"] for row in stored(home)] == [row["query_id"] for row in rows]
    assert waiting(home, "queries") == []


def test_a_pair_is_in_its_table_once_and_its_text_goes_after_its_days(home: Home) -> None:
    old = pair(1, timestamp=NOW - timedelta(days=9), user_query="the old secret")
    for number in (1, 2):
        segment(home, [old, pair(2)], number, "pairs")
    done = ingest(home, "pairs", LATER, days=90)
    assert (done.rows, done.known) == (2, 2)
    assert ingest(home, "pairs", LATER, days=7).emptied == 1
    first, second = stored(home, "pairs")
    assert (first["client_id"], first["user_query"], first["query_hmac"]) == (None, None, None)
    assert first["shadow_hit_ids"] == [*first["query_response_hit_ids"], "f" * 32]
    assert second == pair(2)


def test_a_table_and_a_segment_from_before_there_were_arms_are_read_as_stable(home: Home) -> None:
    before = pa.schema([field for field in SCHEMAS["queries"] if field.name != "arm"])
    old = asked(1)
    day = pa.array([f"{old['timestamp']:%Y-%m-%d}"])
    written = pa.Table.from_pylist([old], before).append_column("day", day)
    write_deltalake(str(table(home, "queries").path), written, partition_by=["day"])
    assert collected(rows(home, "queries"))["arm"].to_list() == ["stable"], "nothing was ingested since"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SCHEMAS, "queries", before)  # what an older replica writes
        segment(home, [asked(2)], 2)
    segment(home, [old, asked(3, arm="canary", channel="canary")], 3)
    done = ingest(home, "queries", LATER, days=90)
    assert (done.rows, done.known) == (2, 1)
    found = collected(rows(home, "queries")).sort("query_id")
    assert found["arm"].to_list() == ["stable", "stable", "canary"]
    assert found["user_query"].to_list() == [asked(number)["user_query"] for number in (1, 2, 3)]
