"""Counts of both arms add up over replicas, and one of those alive takes the looks."""

from datetime import UTC, datetime, timedelta

from rag_pipeline.canary.arms import ArmCounts, Arms, Trial, Tried
from rag_pipeline.home import Home
from rag_pipeline.replicas.arms import arms_to_judge
from rag_pipeline.replicas.standing import Standing, write_standing

NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
TRIAL = Trial(number=3, channel="production", stable="r1", canary_channel="canary", canary="r2")
COUNTED = Arms(canary=ArmCounts(answered={50: 30}, errors=1), stable=ArmCounts(answered={50: 600}), unopened=2)


def stands(home: Home, host: str, *, trial: Trial = TRIAL, looked: int = 0, silent_s: float = 0, ended: bool = False) -> str:
    name = f"{host}-7-20261130-115900"
    written = NOW - timedelta(seconds=silent_s)
    told = Standing(
        replica=name,
        url="http://127.0.0.1:1",
        began_at=NOW - timedelta(hours=1),
        written_at=written,
        ended_at=written if ended else None,
        channels={},
        tried=Tried(trial=trial, arms=COUNTED, looked=looked),
    )
    write_standing(home, told)
    return name


def judged(home: Home, name: str) -> Tried | None:
    return arms_to_judge(home, name, Tried(trial=TRIAL, arms=COUNTED, looked=0), NOW)


def test_the_first_of_those_alive_judges_the_sum_of_all(home: Home) -> None:
    first, second = stands(home, "a"), stands(home, "b", looked=50)
    stands(home, "c", trial=TRIAL.model_copy(update={"canary": "r3"}))
    assert judged(home, second) is None
    found = judged(home, first)
    assert found and (found.looked, found.arms.canary.queries, found.arms.canary.errors, found.arms.unopened) == (
        50,
        62,
        2,
        4,
    )


def test_what_a_replica_counted_that_ended_or_was_killed_stays_and_the_next_judges(home: Home) -> None:
    stands(home, "a", ended=True)
    stands(home, "b", silent_s=31, looked=100)
    third = stands(home, "c")
    found = judged(home, third)
    assert found and (found.looked, found.arms.stable.queries) == (100, 1_800)
