"""`traffic/queries` and `traffic/feedback`: there once there is a log, and their checks say what is wrong."""

import os
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from rag_pipeline.defs.graph import build
from rag_pipeline.defs.traffic import traffic_assets
from rag_pipeline.host.traffic_shown import STEPS
from rag_pipeline.settings import PROJECT, Settings
from rag_pipeline.traffic.segments import waiting
from tests.conftest import Workspace
from tests.support.asked_rows import asked, segment, verdict

NOW = datetime.now(UTC)
SOON, PRIVATE, KNOWN, SERVED = (
    "no_segment_waits_longer_than_an_hour",
    "no_private_value_is_stored",
    "every_query_names_a_known_release",
    "feedback_names_served_queries",
)


def looked(workspace: Workspace) -> tuple[dict[str, Any], dict[tuple[str, str], dg.AssetCheckEvaluation]]:
    workspace.policy({"questions": {"floors": {"nDCG@10": 0.5}}})
    ran = dg.materialize(traffic_assets(workspace.settings), instance=dg.DagsterInstance.ephemeral())
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
