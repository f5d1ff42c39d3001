"""Time is not trusted: loads count in the order they came, the future does not, and no wrong clock deletes anything."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from rag_pipeline.contracts.contract import Contract
from rag_pipeline.contracts.read import read_contract
from rag_pipeline.ingest.clock import A_DAY, LONGEST_PAUSE, believe_clock, clock_now
from rag_pipeline.ingest.load import load_source
from rag_pipeline.ingest.loads import loads_in_order
from rag_pipeline.ingest.retention import EMPTIED
from rag_pipeline.ingest.state import SourceState, source_state
from rag_pipeline.ingest.tables import source_tables
from tests.conftest import Workspace, column, table_contract
from tests.support.dated_news import DAY_ZERO, News, dated
from tests.support.feeds import limits

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
YEAR = timedelta(days=365)
ROW = {"id": "a", "text": "Owls hunt at night.", "at": "2026-03-01T10:00:00Z"}


class Nights:
    """A source with a promise of 48 hours, loaded at whatever time the clock says."""

    def __init__(self, workspace: Workspace, *, element: str | None = None) -> None:
        self.workspace, self.nights = workspace, 0
        self.feed = workspace.root / "rows.jsonl"
        promise = {"property": "freshness", "value": 48, "unit": "h"} | ({"element": element} if element else {})
        at = column("at", role="modified_at", logicalType="timestamp")
        content = table_contract(self.feed, "jsonl", at, slaProperties=[promise], customProperties=limits(100, 100))
        self.contract: Contract = read_contract(workspace.contract("rows", content))
        self.write([ROW])

    def write(self, rows: list[dict[str, Any]]) -> None:
        self.feed.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")

    def load(self, now: datetime, *, held: bool = False) -> SourceState:
        self.nights += 1
        away = self.feed.with_suffix(".away")
        if held:
            self.feed.rename(away)
        report = load_source(self.contract, self.workspace.home, run_id=f"run-{self.nights}", now=now)
        if held:
            away.rename(self.feed)
        assert report.held is held
        return self.state(now)

    def state(self, now: datetime) -> SourceState:
        return source_state(self.contract, self.workspace.home, now)


@pytest.fixture
def nights(workspace: Workspace) -> Nights:
    return Nights(workspace)


def test_one_load_with_the_clock_a_year_ahead_hides_nothing(nights: Nights) -> None:
    """It was within its SLA for a year, at an age of minus 8,760 hours, held and broken as it may be."""
    nights.load(NOW)
    nights.load(NOW + YEAR)
    ahead = nights.state(NOW + timedelta(hours=1))
    assert not ahead.within_sla
    assert "was loaded 8,759.0 h from now: the clock was wrong then or is wrong now" in ahead.late_because
    day = NOW + timedelta(days=1)
    assert nights.load(day, held=True).within_sla, "the load after it tells when it was at the latest"
    assert nights.state(day).age_hours == 0
    for days in (2, 3, 4):
        state = nights.load(NOW + timedelta(days=days), held=True)
    assert (state.outcome, state.within_sla, state.age_hours) == ("held", False, 72)
    assert not nights.state(NOW + YEAR + timedelta(hours=1)).within_sla, "nor is it fresh when that day comes"
    assert nights.load(NOW + timedelta(days=5)).within_sla


def test_a_load_with_the_clock_behind_does_not_stay_the_oldest(nights: Nights) -> None:
    nights.load(NOW)
    behind = nights.load(NOW - YEAR)
    assert behind.within_sla
    state = nights.load(NOW + timedelta(days=1))
    assert (state.outcome, state.age_hours, state.loaded_at) == ("unchanged", 0, NOW + timedelta(days=1))


def test_loads_are_numbered_and_those_of_an_older_version_come_first(nights: Nights) -> None:
    nights.load(NOW)
    nights.load(NOW + timedelta(days=1))
    loads = source_tables(nights.workspace.home, "rows").loads
    old = loads.scan().drop("sequence", "lost").collect().with_columns(run_id=pl.lit("old"))
    old.write_delta(str(loads.path), mode="overwrite", delta_write_options={"schema_mode": "overwrite"})
    assert nights.state(NOW + timedelta(days=1)).age_hours == 0
    nights.load(NOW - YEAR)
    nights.load(NOW + YEAR)
    ordered = loads_in_order(source_tables(nights.workspace.home, "rows"))
    assert ordered["sequence"].to_list() == [None, None, 1, 2]
    assert ordered["run_id"].to_list() == ["old", "old", "run-3", "run-4"]


@pytest.mark.parametrize("element", ["rows.at"])
def test_a_row_of_2062_does_not_make_a_source_young(workspace: Workspace, element: str) -> None:
    nights = Nights(workspace, element=element)
    nights.write([ROW, {"id": "b", "text": "Herons wait.", "at": "2062-01-01T00:00:00Z"}])
    state = nights.load(NOW)
    assert (state.as_of, state.age_hours, state.from_the_future) == (datetime(2026, 3, 1, 10, tzinfo=UTC), 2, 1)
    late = nights.load(NOW + timedelta(days=3))
    assert (late.age_hours, late.within_sla, late.from_the_future) == (74, False, 1)


def test_a_value_from_the_future_does_not_count_when_its_day_comes(workspace: Workspace) -> None:
    nights = Nights(workspace, element="rows.at")
    nights.write([ROW | {"at": "2026-04-01T00:00:00Z"}])
    assert nights.load(NOW).late_because == "has no at to tell its age by, but 1 from the future"
    assert not nights.load(datetime(2026, 4, 1, 12, tzinfo=UTC)).within_sla, "the feed has not changed since"


def test_a_date_of_tomorrow_counts_as_today(workspace: Workspace) -> None:
    nights = Nights(workspace, element="rows.at")
    nights.write([ROW | {"at": (NOW + timedelta(hours=14)).isoformat()}])
    state = nights.load(NOW)
    assert (state.as_of, state.age_hours, state.from_the_future) == (NOW, 0, 0)


def test_a_row_from_the_future_does_not_win_over_the_rows_that_correct_it(nights: Nights) -> None:
    nights.write([ROW | {"text": "Wrong.", "at": "2062-01-01T00:00:00Z"}, ROW | {"text": "Right.", "at": "2026-03-01"}])
    nights.load(NOW)
    documents = source_tables(nights.workspace.home, "rows").documents.scan().collect()
    assert documents["text"].to_list() == ["Right."]


# --------------------------------------------------------------------------------------- what is deleted for its age


def test_a_clock_a_year_ahead_purges_nothing_however_often_it_is_seen(workspace: Workspace) -> None:
    news = News(workspace, rows=[dated("1", "2026-03-01"), dated("2", "2026-03-01", stars="x")])
    news.load(0)
    for day in (365, 366, 367):
        report = news.load(day)
        assert (report.purged, news.keys()) == (0, {"1"})
        assert "days after the last time that was believed (2026-03-01 00:00)" in report.clock_doubt
    news.rows.append(dated("3", "2026-03-02"))
    assert (news.load(368).expired, news.keys()) == (0, {"1", "3"}), "nor is a row taken for too old to be stored"
    assert [entry["raw"] == "{}" for entry in news.quarantine()] == [False]
    report = news.load(2)
    assert (report.clock_doubt, report.purged) == ("", 0), "the clock is right again"
    assert (news.load(12).purged, news.keys()) == (3, set()), "two documents and what was refused"


def test_a_refusal_first_seen_by_a_clock_that_was_ahead_is_not_kept_for_longer(workspace: Workspace) -> None:
    news = News(workspace, rows=[dated("1", "2026-03-05")])
    news.load(0)
    news.rows.append(dated("2", "2026-03-05", stars="private words"))
    assert news.load(365).clock_doubt
    assert [entry["first_seen_at"] for entry in news.quarantine()] == [DAY_ZERO + timedelta(days=365)]
    news.load(1)
    assert [entry["first_seen_at"] for entry in news.quarantine()] == [DAY_ZERO + timedelta(days=1)]
    assert [entry["raw"] for entry in news.quarantine()] != [EMPTIED]
    news.load(12)
    assert [entry["raw"] for entry in news.quarantine()] == [EMPTIED]


def test_a_clock_behind_stores_nothing_again_that_was_too_old(workspace: Workspace) -> None:
    news = News(workspace, rows=[dated("old", "2026-02-20"), dated("new", "2026-03-05")])
    news.load(9)
    assert news.keys() == {"new"}
    news.rows.append(dated("newer", "2026-03-06"))
    report = news.load(-200)
    assert "days before the last time that was believed" in report.clock_doubt
    assert (report.expired, news.keys()) == (1, {"new", "newer"})


def test_a_person_says_that_the_clock_is_right(workspace: Workspace) -> None:
    news = News(workspace, rows=[dated("1", "2026-03-01")])
    news.load(0)
    assert news.load(40).clock_doubt
    believe_clock(workspace.home, DAY_ZERO + timedelta(days=40), by="ana")
    report = news.load(40)
    assert (report.clock_doubt, report.purged, news.keys()) == ("", 1, set())


@pytest.mark.parametrize(
    ("passed", "doubted"),
    [(LONGEST_PAUSE, False), (LONGEST_PAUSE + A_DAY, True), (-A_DAY / 2, False), (-2 * A_DAY, True), (timedelta(0), False)],
)
def test_a_pause_is_believed_and_a_leap_is_not(nights: Nights, passed: timedelta, doubted: bool) -> None:
    nights.load(NOW)
    clock = clock_now(nights.workspace.home, NOW + passed)
    assert bool(clock.doubt) is doubted
    assert clock.believed == (NOW if doubted else NOW + passed)
    assert clock.latest == max(NOW + passed, clock.believed)


def test_without_its_file_the_last_loads_say_what_time_it_was(nights: Nights) -> None:
    nights.load(NOW)
    file = nights.workspace.home.clock
    for spoil in (file.unlink, lambda: file.write_text("{")):
        spoil()
        assert clock_now(nights.workspace.home, NOW + YEAR).believed == NOW
        file.write_text("")
    file.unlink()
    assert not nights.load(NOW + timedelta(days=1)).late_because
    assert clock_now(nights.workspace.home, NOW + timedelta(days=15)).doubt == ""
