"""A freeze is more than a bad night: three inconclusive ones running, or news that is kept back longer than promised."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rag_pipeline.alerts.freeze import Freeze, frozen
from rag_pipeline.alerts.verdicts import Word, last_verdict, note_verdict
from rag_pipeline.channels.pointer import Channel, Hold
from rag_pipeline.files import write_json
from rag_pipeline.home import Home
from tests.support.gate_cases import SOURCE

NOW = datetime(2026, 11, 29, 3, tzinfo=UTC)
SERVES = Channel(
    release="20261128-030000-bbbbbbbb",
    fingerprint="b",
    previous=None,
    sequence=1,
    at=NOW - timedelta(hours=24),
    by="nightly",
    why="refresh",
    run_id="r",
)
CANDIDATE = "20261129-030000-aaaaaaaa"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    write_json(home.candidate, {"release": CANDIDATE, "fingerprint": "f", "at": NOW.isoformat(), "run_id": "r"})
    return home


def night(home: Home, outcome: str, hours: float, release: str = CANDIDATE) -> None:
    note_verdict(home, "production", Word(release, outcome, ["why"]), run_id="r", now=NOW + timedelta(hours=hours))


def found(home: Home, hours: float, channel: Channel = SERVES, max_age: float | None = None) -> Freeze | None:
    states = [replace(SOURCE, max_age_hours=max_age)]
    return frozen(home, "production", channel, states, NOW + timedelta(hours=hours))


def test_three_inconclusive_nights_running_are_a_freeze_and_two_are_not(home: Home) -> None:
    for number in range(2):
        night(home, "inconclusive", 24 * number)
        night(home, "refused", 24 * number)  # the word of the channel's own step
        assert found(home, 24 * number) is None
    night(home, "inconclusive", 48)
    freeze = found(home, 48)
    assert freeze and freeze.since == NOW
    assert "production is frozen: the gate could not tell on 3 nights running (since 2026-11-29 03:00 UTC)" in freeze.says
    assert f"`rag promote {CANDIDATE} --override --by NAME --reason WHY`" in freeze.says


def test_many_refreshes_of_one_night_are_one_night(home: Home) -> None:
    for hour in range(12):
        night(home, "inconclusive", hour)
    assert found(home, 12) is None
    word = last_verdict(home, "production")
    assert word and len(word.inconclusive) == 1


@pytest.mark.parametrize("between", ["passed", "regressed", "held", "could not be evaluated"])
def test_another_verdict_in_between_begins_the_count_anew(home: Home, between: str) -> None:
    for number, outcome in enumerate(("inconclusive", "inconclusive", between, "inconclusive", "inconclusive")):
        night(home, outcome, 24 * number)
    assert found(home, 24 * 4) is None
    night(home, "inconclusive", 24 * 5)
    assert found(home, 24 * 5)


def test_news_that_is_kept_back_longer_than_a_fresh_source_promises_is_a_freeze(home: Home) -> None:
    night(home, "regressed", 0)
    assert found(home, 23, max_age=48) is None
    freeze = found(home, 25, max_age=48)
    assert freeze and freeze.since == SERVES.at
    assert (
        "the gate let nothing pass for 49 h (since 2026-11-28 03:00 UTC), and source handbook, which is fresh" in freeze.says
    )
    late = [replace(SOURCE, max_age_hours=48.0, age_hours=60.0)]
    assert frozen(home, "production", SERVES, late, NOW + timedelta(hours=25)) is None, "that is a stale source"
    night(home, "passed", 26)
    assert found(home, 100, max_age=48) is None


def test_a_hold_is_no_freeze_nor_is_a_verdict_on_what_serves_already(home: Home) -> None:
    for number in range(4):
        night(home, "inconclusive", 24 * number)
    assert found(home, 96)
    held = SERVES.model_copy(update={"hold": Hold(at=NOW, by="ana", why="wrong prices")})
    assert found(home, 96, held) is None
    assert found(home, 96, SERVES.model_copy(update={"release": CANDIDATE})) is None


def test_what_an_older_pipeline_wrote_down_counts_no_night(home: Home) -> None:
    write_json(
        home.verdict("production"),
        {"release": CANDIDATE, "outcome": "inconclusive", "reasons": [], "at": NOW.isoformat(), "run_id": "r"},
    )
    assert found(home, 1) is None
    night(home, "inconclusive", 24)
    word = last_verdict(home, "production")
    assert word and len(word.inconclusive) == 1
