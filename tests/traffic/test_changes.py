"""Questions of the last week against golden sets: what is told of them, what is kept, and that no text is."""

from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from rag_pipeline.lake import Table, collected
from rag_pipeline.traffic.changes import DRIFT, Changes, drift_table, look_for_changes, measured
from rag_pipeline.traffic.ingest import ingest
from tests.conftest import Workspace
from tests.support.asked_rows import NOW, asked, segment
from tests.support.planted_values import texts_of
from tests.support.small_releases import real_model

LIKE = ("how many days of vacation do I have", "how much vacation is there each year", "may I fly", "may I take a plane")
UNLIKE = ("which red wine goes with duck", "which red wine goes with fish", "which red wine do I serve with duck")


def has_asked(workspace: Workspace, texts: Sequence[str], count: int, *, start: int = 0, principals: int = 7) -> None:
    """Some questions in turn, in the hour before `NOW`."""
    rows: list[dict[str, Any]] = [
        asked(
            start + number,
            user_query=texts[number % len(texts)],
            timestamp=NOW - timedelta(minutes=30) + timedelta(seconds=start + number),
            client_id=f"{number % principals:016x}",
        )
        for number in range(count)
    ]
    segment(workspace.home, rows, start + 1)
    ingest(workspace.home, "queries", NOW, days=90)


def look(workspace: Workspace) -> Changes:
    model = real_model()
    return look_for_changes(workspace.settings, model, model.load, NOW)


def golden(workspace: Workspace) -> None:
    workspace.golden("leave", {"how many days of vacation": ["handbook/leave.md"]})
    workspace.golden("travel", {"may I fly": ["handbook/travel.md"]})


def test_topics_nobody_judged_are_told_by_the_ids_of_questions_and_in_no_text(workspace: Workspace) -> None:
    golden(workspace)
    has_asked(workspace, LIKE, 80)
    has_asked(workspace, UNLIKE, 60, start=100)
    has_asked(workspace, ("how do I mend a bicycle tyre",), 18, start=200, principals=2)
    has_asked(workspace, ("who was the first person on the moon",), 2, start=300)
    found = look(workspace)
    together, leave, travel = found.held
    assert (together.name, leave.name, travel.name) == ("", "leave", "travel")
    assert together.far_percent == found.far_percent == 50.0 < leave.far_percent
    assert together.shift is None, "two golden questions tell a classifier nothing"
    assert found.unlike and found.since == date(2026, 11, 30)
    wine, tyre = found.topics[0], found.topics[-1]
    assert (wine.questions, wine.principals) == (60, 7) and (tyre.questions, tyre.principals) == (18, None)
    assert len(found.topics) == 2, "two questions are no topic"
    assert len(wine.examples) == 3 and len(tyre.examples) == 1, "each text once"
    [row] = measured(workspace.home).to_dicts()
    assert row["unlike"] and row["topics"][0]["examples"] == list(wine.examples)
    assert [one["name"] for one in row["golden_sets"]] == ["", "leave", "travel"]
    kept = drift_table(workspace.home).path
    everything = "".join(text for path in kept.rglob("*") if path.is_file() for text in texts_of(Path(path)))
    assert "wine" not in everything and wine.examples[0] in everything
    look(workspace)
    assert measured(workspace.home).height == 1, "a second look replaces the first"


def test_few_questions_tell_nothing_and_end_no_time_of_being_unlike(workspace: Workspace) -> None:
    golden(workspace)
    has_asked(workspace, UNLIKE, 99)
    found = look(workspace)
    assert found.unlike is None and found.since is None and found.far_percent == 100.0


def test_how_long_golden_sets_are_unlike_is_told_from_every_day_that_was_measured(workspace: Workspace) -> None:
    golden(workspace)
    has_asked(workspace, UNLIKE, 100)
    before = [
        {"day": "2026-10-20", "unlike": True},
        {"day": "2026-10-27", "unlike": False},
        {"day": "2026-11-01", "unlike": True},
        {"day": "2026-11-20", "unlike": True},
    ]
    rows = [dict.fromkeys(DRIFT.names) | {"new": 100, "earlier": 0} | row for row in before]
    drift_table(workspace.home).append(pa.Table.from_pylist(rows, schema=DRIFT))
    assert look(workspace).since == date(2026, 11, 1)


def test_a_table_of_before_golden_sets_were_compared_goes_on(workspace: Workspace) -> None:
    golden(workspace)
    now = drift_table(workspace.home)
    schema = pa.schema([field for field in DRIFT if field.name not in ("golden_sets", "topics", "unlike")])
    row = {"day": "2026-11-01", "new": 100, "earlier": 0, "auc": 0.6, "bound": 0.5, "p": 0.1, "far_percent": 90.0}
    Table(now.path, schema).append(pa.Table.from_pylist([row], schema=schema))
    assert measured(workspace.home).to_dicts()[0]["unlike"] is None
    has_asked(workspace, UNLIKE, 100)
    assert look(workspace).since == date(2026, 11, 30), "what was not told then breaks the time"
    assert collected(now.scan()).sort("day")["unlike"].to_list() == [None, True]
