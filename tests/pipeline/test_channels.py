"""Several channels, each with demands of its own, moved through the real graph."""

import dagster as dg
import pytest
import yaml

from rag_pipeline.channels.audit import audit_table
from rag_pipeline.channels.pointer import read_channel, serving
from rag_pipeline.defs.graph import build
from rag_pipeline.defs.run import promote, refresh
from rag_pipeline.index.manifest import all_manifests
from rag_pipeline.release.request import PromotionRequest
from tests.conftest import Workspace
from tests.pipeline.conftest import FLOORS, PAGES

LOREM = {name: f"# {number}\n\nLorem ipsum {number} dolor sit amet.\n" for number, name in enumerate(PAGES)}


@pytest.fixture
def staged(handbook: Workspace) -> Workspace:
    """`staging` takes whatever can be measured; `production` has a floor."""
    lenient = {"floors": {"nDCG@10": 0.0}, "not_worse": None, "dead_judgments_max_percent": 50}
    channels = {"staging": {"golden_sets": {"questions": lenient}}, "production": {"golden_sets": {"questions": FLOORS}}}
    path = handbook.root / "evals" / "gate.yaml"
    path.write_text(yaml.safe_dump({"channels": channels}, sort_keys=False), encoding="utf-8")
    return handbook


def points_at(workspace: Workspace, name: str) -> str | None:
    channel = read_channel(workspace.home, name)
    return channel.release if channel else None


def test_one_channel_takes_what_another_refuses_in_the_same_run(staged: Workspace) -> None:
    first = refresh(staged.settings)
    assert first.success, first.errors
    good = first.assets["index/candidate"]["release"]
    assert (points_at(staged, "staging"), points_at(staged, "production")) == (good, good)
    staged.pages(LOREM)
    second = refresh(staged.settings)
    worse = second.assets["index/candidate"]["release"]
    assert not second.success
    assert (points_at(staged, "staging"), points_at(staged, "production")) == (worse, good)
    failed = {(one.asset, one.check) for one in second.failed_checks if one.severity == "ERROR"}
    assert ("index/evaluation", "candidate_meets_the_policy") in failed
    assert ("index/production", "the_gate_let_it_pass") in failed
    assert ("index/evaluation", "candidate_meets_the_policy_of_staging") not in failed
    assert ("index/staging", "the_gate_let_it_pass") not in failed


def test_promoting_from_one_channel_to_the_next_moves_a_pointer_and_no_data(staged: Workspace) -> None:
    path = staged.root / "evals" / "gate.yaml"
    policy = yaml.safe_load(path.read_text(encoding="utf-8"))
    policy["channels"]["production"]["promotion"] = "manual"
    path.write_text(yaml.safe_dump(policy, sort_keys=False), encoding="utf-8")
    ran = refresh(staged.settings)
    assert ran.success, ran.errors
    release = points_at(staged, "staging")
    assert release == ran.assets["index/candidate"]["release"]
    assert serving(staged.home) is None, "a manual channel is moved by a person only"
    before = {file: file.stat().st_mtime_ns for file in staged.home.releases.rglob("*") if file.is_file()}
    assert release is not None
    moved = promote(staged.settings, PromotionRequest(release, by="ana", why="staged for a day"))
    assert moved.success, moved.errors
    assert serving(staged.home) == release
    after = {file: file.stat().st_mtime_ns for file in staged.home.releases.rglob("*") if file.is_file()}
    assert {file: time for file, time in after.items() if not file.name.endswith(".lock")} == {
        file: time for file, time in before.items() if not file.name.endswith(".lock")
    }
    assert len(all_manifests(staged.home.releases)) == 1
    told = audit_table(staged.home).scan().sort("channel").select("channel", "by", "why", "sequence").collect().rows()
    assert told == [("production", "ana", "staged for a day", 1), ("staging", "nightly", "refresh", 1)]


def test_every_channel_is_an_asset_that_a_person_can_materialize(staged: Workspace) -> None:
    keys = build(staged.settings).resolve_asset_graph().get_all_asset_keys()
    assert {dg.AssetKey(["index", "staging"]), dg.AssetKey(["index", "production"])} <= keys


def test_a_policy_changed_for_one_channel_makes_evidence_stale_for_that_one_alone(staged: Workspace) -> None:
    from datetime import UTC, datetime

    from rag_pipeline.contracts.read import read_contracts
    from rag_pipeline.release.promote import inputs_now, judge

    release = refresh(staged.settings, promote=False).assets["index/candidate"]["release"]
    path = staged.root / "evals" / "gate.yaml"
    policy = yaml.safe_load(path.read_text(encoding="utf-8"))
    policy["channels"]["staging"]["evidence_max_age_hours"] = 1.0
    path.write_text(yaml.safe_dump(policy, sort_keys=False), encoding="utf-8")
    inputs = inputs_now(staged.settings, read_contracts(staged.settings.contracts), datetime.now(UTC))
    assert judge(inputs, release, "production")[0].passed
    verdict, _ = judge(inputs, release, "staging")
    assert not verdict.passed
    assert "the policy has changed" in str(verdict.reasons[0])
