"""The definitions are frozen: a key, owner, check, schedule or sensor changes on purpose or not at all."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from rag_pipeline.defs.graph import build
from rag_pipeline.settings import PROJECT, Settings

SNAPSHOT = Path(__file__).with_name("snapshot.json")


@pytest.fixture(scope="module")
def definitions() -> dg.Definitions:
    return build(Settings(contracts=PROJECT / "contracts", evals=PROJECT / "evals"))


def describe(definitions: dg.Definitions) -> dict[str, Any]:
    graph = definitions.resolve_asset_graph()
    repository = definitions.get_repository_def()
    assets = {}
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        spec = node.to_asset_spec()
        assets[key.to_user_string()] = {
            "deps": sorted(parent.to_user_string() for parent in node.parent_keys),
            "group": node.group_name,
            "owners": list(node.owners),
            "kinds": sorted(spec.kinds),
            "checks": {
                check.name: "blocking" if graph.get(check).blocking else "reports"
                for check in sorted(node.check_keys, key=lambda check: check.name)
            },
            "freshness": str(spec.freshness_policy) if spec.freshness_policy else None,
            "metadata": sorted(spec.metadata),
            "code": [Path(one.file_path).name for one in spec.metadata["dagster/code_references"].code_references],
        }
    return {
        "assets": dict(sorted(assets.items())),
        "jobs": {
            job.name: sorted(key.to_user_string() for key in job.asset_layer.selected_asset_keys)
            for job in repository.get_all_jobs()
            if not job.name.startswith("__")
        },
        "schedules": {
            schedule.name: [schedule.cron_schedule, schedule.execution_timezone, schedule.default_status.value]
            for schedule in repository.schedule_defs
        },
        "sensors": {
            sensor.name: [sensor.minimum_interval_seconds, sensor.default_status.value] for sensor in repository.sensor_defs
        },
        "resources": sorted(repository.get_top_level_resources()),
    }


def test_the_definitions_are_the_ones_in_the_snapshot(definitions: dg.Definitions) -> None:
    found = describe(definitions)
    if os.environ.get("UPDATE_SNAPSHOT"):
        SNAPSHOT.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    assert found == json.loads(SNAPSHOT.read_text(encoding="utf-8")), "run `make snapshot` if the change is meant"


def test_every_asset_says_who_owns_it_what_it_is_and_what_a_re_run_does(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    for key in graph.get_all_asset_keys():
        spec = graph.get(key).to_asset_spec()
        name = key.to_user_string()
        assert spec.owners, f"{name} has no owner"
        assert spec.kinds, f"{name} has no kind"
        assert spec.group_name != "default", f"{name} has no group"
        for word in ("Grain", "Re-run"):
            assert word in (spec.description or ""), f"the description of {name} does not say its {word}"


def test_every_check_says_what_it_holds(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    for key in graph.asset_check_keys:
        assert graph.get(key).description, f"{key.to_user_string()} has no description"


def test_loading_the_definitions_imports_no_heavy_library() -> None:
    heavy = ["torch", "chromadb", "sentence_transformers", "transformers", "kreuzberg", "ir_measures", "apprise"]
    code = f"import sys, rag_pipeline.definitions; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_schedules_run_in_the_configured_time_zone_and_start_by_setting() -> None:
    settings = Settings(schedules="on", timezone="Europe/Berlin", nightly_cron="30 3 * * *")
    found = describe(build(settings))["schedules"]
    assert found["nightly_refresh_schedule"] == ["30 3 * * *", "Europe/Berlin", "RUNNING"]
    assert found["watch_production_schedule"][2] == "RUNNING"


def test_the_alerts_start_where_there_is_somebody_to_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    def status() -> object:
        return describe(build(Settings()))["sensors"]["alerts"]

    assert status() == [60, "STOPPED"]
    monkeypatch.setenv("RAG_ALERTS", "  ")
    assert status() == [60, "STOPPED"]
    monkeypatch.setenv("RAG_ALERTS", "json://127.0.0.1")
    assert status() == [60, "RUNNING"]


def test_with_manual_promotion_the_nightly_job_stops_at_the_verdict() -> None:
    jobs = describe(build(Settings(promotion="manual")))["jobs"]
    assert "index/evaluation" in jobs["nightly_refresh"]
    assert "index/production" not in jobs["nightly_refresh"]
