"""`index/canary_verdict`: there once traffic was split; it says what replicas did, and writes it down."""

from datetime import UTC, datetime
from typing import Any

import dagster as dg

from rag_pipeline.canary.arms import ArmCounts, Arms, bucket_of
from rag_pipeline.canary.split import Wanted, change_split, started, stopped
from rag_pipeline.channels.audit import all_rows
from rag_pipeline.channels.pointer import write_pointer
from rag_pipeline.defs.graph import build
from rag_pipeline.defs.traffic import traffic_assets
from rag_pipeline.lake import collected
from rag_pipeline.settings import PROJECT, Settings
from tests.conftest import Workspace
from tests.support.moving_channel import pointing

NOW = datetime.now(UTC)
WANTED = Wanted(channel="production", canary="canary", percent=5, hours=24, by="ana", why="a new chunker")
COUNTED = Arms(
    stable=ArmCounts(answered={bucket_of(15.0): 7_600}), canary=ArmCounts(answered={bucket_of(20.0): 391}, errors=9)
)


def looked(workspace: Workspace) -> tuple[dict[str, Any], dg.AssetCheckEvaluation]:
    ran = dg.materialize(traffic_assets(workspace.settings), instance=dg.DagsterInstance.ephemeral())
    [check] = ran.get_asset_check_evaluations()
    shown: dict[str, Any] = dict(ran.asset_materializations_for_node("index__canary_verdict")[0].metadata)
    return shown, check


def test_it_is_there_once_traffic_was_split_and_tells_what_replicas_did(workspace: Workspace) -> None:
    home = workspace.home
    settings = Settings(home=home, contracts=PROJECT / "contracts", evals=PROJECT / "evals")

    def jobs_with_it() -> set[str]:
        repository = build(settings).get_repository_def()
        key = dg.AssetKey(["index", "canary_verdict"])
        return {job.name for job in repository.get_all_jobs() if key in job.asset_layer.selected_asset_keys}

    assert jobs_with_it() == set()
    for name in ("production", "canary"):
        write_pointer(home, name, pointing(f"release of {name}"))
    split = started(home, WANTED, None, NOW)
    change_split(home, split, expected=None)
    assert "watch_production" in jobs_with_it() and "nightly_refresh" not in jobs_with_it()
    shown, check = looked(workspace)
    assert check.passed and shown["percent"].value == 5.0
    change_split(home, stopped(split, NOW, by="replica r1", why="errors: 9", arms=COUNTED, by_replica=True), expected=split)
    shown, check = looked(workspace)
    assert not check.passed and check.severity == dg.AssetCheckSeverity.WARN
    assert "stopped by replica r1 (errors: 9)" in str(check.description) and shown["percent"].value == 0.0
    assert shown["canary errors percent"].value == 2.25 and shown["canary p95_ms"].value > shown["stable p95_ms"].value
    assert collected(all_rows(home).sort("number"))["action"].to_list() == ["split", "unsplit"]
