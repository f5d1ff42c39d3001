"""Hours are counted from the rows of the table, by hand here; what is usual is held against the weeks before."""

from datetime import timedelta

from rag_pipeline.home import Home
from rag_pipeline.lake import collected
from rag_pipeline.traffic.hourly import count_hours, hourly_table, last_day, unusual_share
from rag_pipeline.traffic.ingest import ingest
from tests.support.asked_rows import NOW, asked, segment


def test_an_hour_has_its_questions_their_times_and_what_became_of_them(home: Home) -> None:
    rows = [asked(number, total_ms=float(number), client_id=f"{number % 6:016x}") for number in range(1, 101)]
    rows += [asked(200, status=504, problem="deadline"), asked(201, status=503, problem="overloaded")]
    rows += [asked(300, query_response_hit_ids=[], degraded=["words"], total_ms=1000.0)]
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


def test_more_empty_answers_than_usual_are_unusual_and_as_many_are_not() -> None:
    assert unusual_share(10, 1_000, 100, 10_000) > 0.3
    assert unusual_share(30, 1_000, 100, 10_000) < 0.001
    assert unusual_share(3, 1_000, 0, 10_000) < 0.001
    assert unusual_share(0, 0, 100, 10_000) == unusual_share(5, 100, 0, 0) == 1.0
