"""What replicas wrote is added up, held against the policy, and told where something is wrong."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rag_pipeline.gate.traffic_policy import ServingPolicy
from rag_pipeline.home import Home
from rag_pipeline.replicas.levels import counted, figures, troubles
from rag_pipeline.replicas.standing import Serves, Standing, forget, standings, write_standing
from rag_pipeline.replicas.tally import Minute, Tally

NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
WELL = Serves(release="20261130-000000-aaaaaaaa", since=NOW - timedelta(hours=1))


def minutes(answers: int = 0, errors: int = 0, refused: int = 0, ms: float = 12.0, ago_min: int = 0) -> tuple[Minute, ...]:
    tally, at = Tally(), NOW.timestamp() - 60 * ago_min
    for _ in range(answers):
        tally.count(at, 200, "", ms)
    for _ in range(errors):
        tally.count(at, 500, "internal", ms)
    for _ in range(refused):
        tally.count(at, 503, "overloaded", ms)
    return tally.minutes(at)


def standing(**changes: Any) -> Standing:
    fields = {
        "replica": "host-1-20261130-110000",
        "url": "http://127.0.0.1:8080",
        "began_at": NOW - timedelta(hours=1),
        "written_at": NOW,
        "channels": {"production": WELL},
    }
    return Standing.model_validate(fields | changes)


def test_counts_of_several_replicas_add_up_and_what_is_old_is_left_out() -> None:
    counts = counted((*minutes(90, 5), *minutes(0, 0, 5), *minutes(1000, ago_min=61)), NOW)
    assert (counts.requests, counts.answered, counts.errors, counts.refused) == (100, 90, 5, 5)
    assert counts.percent(counts.errors) == 5.0
    assert counts.p95_ms is not None and 10 < counts.p95_ms <= 15
    assert dict(counts.problems) == {"internal": 5, "overloaded": 5}


@pytest.mark.parametrize(
    ("policy", "broken"),
    [
        ({}, ["errors percent"]),
        ({"errors_max_percent": 5.0}, []),
        ({"errors_max_percent": None, "p95_ms": 10}, ["p95_ms"]),
        ({"errors_max_percent": None, "p50_ms": 10, "refused_max_percent": 4}, ["p50_ms", "refused percent"]),
        ({"least": 101}, []),
    ],
)
def test_levels_are_held_against_the_policy_where_there_are_enough_requests(
    policy: dict[str, Any], broken: list[str]
) -> None:
    found = figures(counted(minutes(90, 5, 5), NOW), ServingPolicy(**policy))
    assert [one.name for one in found if not one.holds] == broken


def test_without_requests_nothing_is_wrong_and_no_percentile_is_made_up() -> None:
    found = figures(counted((), NOW), ServingPolicy(p95_ms=1.0))
    assert all(one.holds for one in found) and "p95_ms" not in {one.name for one in found}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({}, None),
        ({"written_at": NOW - timedelta(seconds=29)}, None),
        ({"written_at": NOW - timedelta(seconds=31)}, "has been silent since 2026-11-30 11:59:29 UTC"),
        ({"written_at": NOW - timedelta(minutes=61)}, None),
        ({"written_at": NOW - timedelta(minutes=5), "ended_at": NOW - timedelta(minutes=5)}, None),
        (
            {"channels": {"production": Serves(why_not="the channel names no release")}},
            "production: nothing answers: the channel",
        ),
        ({"channels": {"canary": WELL.model_copy(update={"why_not": "it is damaged"})}}, "canary: it is damaged"),
        ({"channels": {"production": WELL.model_copy(update={"no_encoder": "no model"})}}, "production: no model"),
    ],
)
def test_a_replica_that_is_gone_or_not_whole_is_told(changes: dict[str, Any], says: str | None) -> None:
    found = troubles([standing(**changes)], NOW)
    assert len(found) == (says is not None)
    assert says is None or says in found[0]


def test_files_that_cannot_be_read_hide_no_other_and_old_ones_go(home: Home, caplog: pytest.LogCaptureFixture) -> None:
    old = standing(replica="host-2-20261128-110000", written_at=NOW - timedelta(days=2))
    for one in (standing(), old):
        write_standing(home, one)
    for name, content in (("host-3-20261130-110000", b""), ("host-4-20261130-110000", b'{"replica": 1}')):
        home.replica(name).write_bytes(content)
    note = home.replicas / "notes.json"
    note.write_text("somebody's")
    assert standings(home) == (standing(), old)
    assert "host-3-20261130-110000.json cannot be read" in caplog.text
    forget(home, NOW)
    assert standings(home) == (standing(),)
    assert note.exists(), "it is not ours"
