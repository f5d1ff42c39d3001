"""Hours are counted from the rows of the table, by hand here; what is usual is held against the weeks before."""

from datetime import timedelta

import pyarrow as pa
import pytest

from rag_pipeline.home import Home
from rag_pipeline.lake import Table, collected
from rag_pipeline.traffic.hourly import cost_of_days, count_hours, hourly_table, last_day, unusual_share
from rag_pipeline.traffic.ingest import ingest
from rag_pipeline.traffic.rows import table
from tests.support.asked_rows import NOW, asked, segment, written


def test_an_hour_has_its_questions_their_times_and_what_became_of_them(home: Home) -> None:
    rows = [asked(number, total_ms=float(number), client_id=f"{number % 6:016x}") for number in range(1, 101)]
    rows += [asked(200, status=504, problem="deadline"), asked(201, status=503, problem="overloaded")]
    rows += [asked(300, query_response_hit_ids=[], scores=[], degraded=["words"], total_ms=1000.0)]
    later = asked(4_000, client_id="a" * 16)
    segment(home, [*rows, later])
    ingest(home, "queries", NOW + timedelta(hours=3), days=90)
    assert count_hours(home) == 2
    first, second = collected(hourly_table(home).scan()).sort("hour").to_dicts()
    assert (first["hour"], first["questions"], first["answered"], first["errors"]) == (NOW, 103, 101, 1)
    assert (first["empty"], first["degraded"]) == (1 + sum(number % 3 == 0 for number in range(1, 101)), 1)
    assert (first["p50_ms"], first["principals"], second["principals"]) == (51.0, 7, None), "one principal is few"
    assert count_hours(home) == 2 == collected(hourly_table(home).scan()).height
    day, before = last_day(home, NOW + timedelta(hours=2))
    assert (day.questions, before.questions, day.percent(day.errors)) == (104, 0, 100 / 104)


def test_what_sentences_cost_is_counted_by_hour_arm_and_day(home: Home) -> None:
    rows = [written(number, 0.001 * number) for number in range(1, 5)]
    rows += [written(5, 0.5, arm="canary", sentences=0), written(6, 0.25, status=500, problem="internal")]
    yesterday = written(7, 2.0, timestamp=NOW - timedelta(days=1))
    segment(home, [*rows, asked(8), asked(9, status=429, problem="too-many-requests"), yesterday])
    ingest(home, "queries", NOW + timedelta(hours=3), days=90)
    count_hours(home)
    before, canary, stable = collected(hourly_table(home).scan()).sort("hour", "arm").to_dicts()
    assert (before["usd"], canary["usd"], stable["usd"]) == (2.0, 0.5, pytest.approx(0.26))
    assert (canary["in_sentences"], canary["unsupported"], stable["in_sentences"], stable["unsupported"]) == (1, 1, 4, 0)
    assert (stable["tokens_in"], stable["tokens_out"], stable["refused"], stable["errors"]) == (1500, 250, 1, 1)
    assert cost_of_days(home, NOW, days=3) == {
        "2026-11-30": pytest.approx(0.76),
        "2026-11-29": 2.0,
        "2026-11-28": 0.0,
    }


def test_a_table_of_before_there_were_costs_goes_on(home: Home) -> None:
    """Its files lack the columns; so do segments that a replica of then wrote."""
    new = ("arm", "generator", "prompt", "sentences", "tokens_in", "tokens_out", "usd")
    now = table(home, "queries")
    names = [name for name in now.schema.names if name not in new]
    schema = pa.schema([now.schema.field(name) for name in names])
    old = {name: value for name, value in asked(1, day="2026-11-30").items() if name not in new}
    Table(now.path, schema, partition_by=("day",), derived=False).append(pa.Table.from_pylist([old], schema=schema))
    assert count_hours(home) == 1
    [row] = collected(hourly_table(home).scan()).to_dicts()
    assert (row["arm"], row["questions"], row["usd"], row["in_sentences"]) == ("stable", 1, 0.0, 0)
    segment(home, [written(2, 0.5)])
    ingest(home, "queries", NOW + timedelta(hours=3), days=90)
    count_hours(home)
    [row] = collected(hourly_table(home).scan()).to_dicts()
    assert (row["questions"], row["usd"], row["in_sentences"]) == (2, 0.5, 1)


def test_more_empty_answers_than_usual_are_unusual_and_as_many_are_not() -> None:
    assert unusual_share(10, 1_000, 100, 10_000) > 0.3
    assert unusual_share(30, 1_000, 100, 10_000) < 0.001
    assert unusual_share(3, 1_000, 0, 10_000) < 0.001
    assert unusual_share(0, 0, 100, 10_000) == unusual_share(5, 100, 0, 0) == 1.0
