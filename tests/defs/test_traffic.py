"""`traffic/queries` and `traffic/feedback`: there once there is a log, and their checks say what is wrong."""

import os
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest

from rag_pipeline.defs.graph import build
from rag_pipeline.defs.traffic import traffic_assets
from rag_pipeline.host.traffic_shown import STEPS
from rag_pipeline.host.ui_tables import said
from rag_pipeline.report.traffic_page import page_of
from rag_pipeline.settings import PROJECT, Settings
from rag_pipeline.traffic.changes import DRIFT, drift_table
from rag_pipeline.traffic.segments import waiting
from tests.conftest import Workspace
from tests.support.asked_rows import asked, segment, verdict, written

NOW = datetime.now(UTC)
SOON, PRIVATE, KNOWN, SERVED = (
    "no_segment_waits_longer_than_an_hour",
    "no_private_value_is_stored",
    "every_query_names_a_known_release",
    "feedback_names_served_queries",
)


def looked(workspace: Workspace, **changes: Any) -> tuple[dict[str, Any], dict[tuple[str, str], dg.AssetCheckEvaluation]]:
    workspace.policy({"questions": {"floors": {"nDCG@10": 0.5}}})
    settings = workspace.settings.model_copy(update=changes)
    ran = dg.materialize(traffic_assets(settings), instance=dg.DagsterInstance.ephemeral())
    shown: dict[str, Any] = {name: ran.asset_materializations_for_node(f"traffic__{name}")[0].metadata for name in STEPS}
    return shown, {(one.asset_key.path[-1], one.check_name): one for one in ran.get_asset_check_evaluations()}


def keys(settings: Settings) -> set[str]:
    return {key.to_user_string() for key in build(settings).resolve_asset_graph().get_all_asset_keys()}


def test_a_project_that_never_logged_sees_nothing_of_traffic(workspace: Workspace) -> None:
    never = Settings(home=workspace.home, contracts=PROJECT / "contracts", evals=PROJECT / "evals")
    assert not any(key.startswith("traffic/") for key in keys(never))
    on = never.model_copy(update={"query_text": "masked"})
    assert {f"traffic/{name}" for name in STEPS} <= keys(on)
    repository = build(on).get_repository_def()
    assert "ingest_traffic" in {job.name for job in repository.get_all_jobs()}
    nightly = repository.get_job("nightly_refresh").asset_layer.selected_asset_keys
    assert not any(key.path[0] == "traffic" for key in nightly)
    segment(workspace.home, [asked(1)])
    assert "traffic/queries" in keys(never), "a replica logged"


def test_all_checks_pass_on_what_is_well(workspace: Workspace) -> None:
    segment(workspace.home, [asked(number, release="") for number in range(3)], 1)
    segment(workspace.home, [verdict(asked(1)["query_id"])], 2, "feedback")
    shown, checks = looked(workspace)
    assert (shown["queries"]["rows_added"].value, shown["feedback"]["rows_added"].value) == (3, 1)
    assert all(one.passed for one in checks.values()), checks


@pytest.mark.parametrize(
    ("what", "failing"),
    [
        ("private", ("queries", PRIVATE)),
        ("release", ("queries", KNOWN)),
        ("damaged", ("queries", SOON)),
        ("late", ("queries", SOON)),
        ("comment", ("feedback", PRIVATE)),
        ("stranger", ("feedback", SERVED)),
        ("chunk", ("feedback", SERVED)),
    ],
)
def test_each_check_finds_what_it_is_for(workspace: Workspace, what: str, failing: tuple[str, str]) -> None:
    text = "write to berta.planted@mail-house.org" if what == "private" else "may I fly"
    release = "20991129-075309-69102fa0" if what == "release" else ""
    segment(workspace.home, [asked(1, release=release, user_query=text)], 1)
    said = verdict(
        "q_never" if what == "stranger" else asked(1)["query_id"],
        object_id="f" * 32 if what == "chunk" else "",
        message="call +49 30 901820345" if what == "comment" else None,
    )
    segment(workspace.home, [said], 2, "feedback")
    [path] = waiting(workspace.home, "queries")
    if what == "damaged":
        path.write_bytes(path.read_bytes()[:-1] + b"x")
        segment(workspace.home, [asked(1, release="")], 3)
    if what == "late":
        then = (NOW - timedelta(hours=2)).timestamp()
        os.utime(path, (then, then))
    _, checks = looked(workspace)
    assert {name for name, one in checks.items() if not one.passed} == {failing}
    assert "planted@" not in str(checks) and "901820345" not in str(checks)


BUDGET = """
models: [{name: house, url: "http://127.0.0.1:1/v1", model: m, usd_per_million: {in: 1, out: 1}}]
budget: {usd_per_day: 1, usd_per_query: 1}
"""


@pytest.mark.parametrize(
    ("usd", "file", "passed", "severity", "says"),
    [
        (0.2, BUDGET, True, "ERROR", "the budget of a day is $1"),
        (0.7, BUDGET, False, "ERROR", "start them again"),
        (0.7, "models: []", False, "WARN", "the budget cannot be read"),
        (0.7, "", True, "ERROR", "RAG_SERVE_ANSWERS names no file of models here"),
    ],
)
def test_what_models_cost_on_a_day_is_held_against_the_budget(
    workspace: Workspace, usd: float, file: str, passed: bool, severity: str, says: str
) -> None:
    """What replicas logged, whatever file they were started with."""
    path = workspace.root / "answers.yaml"
    path.write_text(file)
    day = NOW.replace(hour=0, minute=0, second=0, microsecond=0)
    segment(workspace.home, [written(number, usd, timestamp=day, release="") for number in (1, 2)])
    shown, checks = looked(workspace, serve_answers=str(path) if file else "")
    cost = checks["hourly", "cost_within_budget"]
    assert (cost.passed, cost.severity.value) == (passed, severity)
    assert says in said(cost.description or "") and f"{2 * usd:.4f}" in said(cost.description or "")
    assert shown["hourly"]["trends_path"].value == str(page_of(workspace.home))
    assert "budget of a day" in page_of(workspace.home).read_text() or file != BUDGET


@pytest.mark.parametrize(("days_ago", "severity"), [(20, "WARN"), (29, "ERROR")])
def test_golden_sets_that_are_unlike_traffic_for_four_weeks_are_an_error(
    workspace: Workspace, days_ago: int, severity: str
) -> None:
    workspace.golden("questions", {"how many days of vacation": ["handbook/leave.md"]})
    since = (NOW - timedelta(days=days_ago)).date()
    row = dict.fromkeys(DRIFT.names) | {"day": f"{since}", "new": 100, "earlier": 0, "unlike": True}
    drift_table(workspace.home).append(pa.Table.from_pylist([row], schema=DRIFT))
    texts = [f"which wine goes with number {number}" for number in range(4)]
    rows = [
        asked(number, user_query=texts[number % 4], timestamp=NOW - timedelta(hours=2), release="") for number in range(100)
    ]
    segment(workspace.home, rows)
    shown, checks = looked(workspace)
    like = checks["drift", "golden_sets_look_like_traffic"]
    assert (like.passed, like.severity.value) == (False, severity)
    assert "100 % of the last week" in said(like.description or "")
    assert (f"since {since}" in said(like.description or "")) == (severity == "ERROR")
    assert "wine" not in str(shown["drift"]), "Dagster records no question"
