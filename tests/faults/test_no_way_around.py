"""No way around the gate: every door Dagster has, tried with a candidate that must not pass and with one that may."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from rag_pipeline.channels.pointer import serving
from rag_pipeline.contracts.read import read_contracts
from rag_pipeline.defs import run
from rag_pipeline.defs.channel import channel_asset
from rag_pipeline.defs.graph import build
from rag_pipeline.defs.home import prepare_dagster_home
from rag_pipeline.defs.keys import CANDIDATE, EVALUATION, PRODUCTION
from rag_pipeline.host.names import LET_PASS, MEETS_POLICY
from rag_pipeline.host.ui_tables import check
from rag_pipeline.release.request import PromotionRequest
from rag_pipeline.settings import load_settings
from tests.conftest import Workspace
from tests.support import gate_bypass
from tests.support.bucket_home import PLACES, Place
from tests.support.gate_bypass import QUIET, Door, audit, candidate, channel_bytes, closed, demand, launch, opened, told, ui

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module", autouse=True)
def _tell(request: pytest.FixtureRequest) -> Iterator[None]:
    yield from gate_bypass.tell_how_many(request)


def own_job(workspace: Workspace, selection: dg.AssetSelection) -> dg.JobDefinition:
    """A job of one's own beside the project's."""
    mine = dg.Definitions(jobs=[dg.define_asset_job("mine", selection)])
    return dg.Definitions.merge(build(workspace.settings), mine).resolve_job_def("mine")


def sensor(workspace: Workspace) -> None:
    @dg.sensor(asset_selection=[dg.AssetKey(PRODUCTION)])
    def wants_production() -> Iterator[dg.RunRequest]:
        yield dg.RunRequest(asset_selection=[dg.AssetKey(PRODUCTION)])

    definitions = dg.Definitions.merge(build(workspace.settings), dg.Definitions(sensors=[wants_production]))
    with dg.DagsterInstance.get() as instance, dg.build_sensor_context(instance, definitions=definitions) as context:
        [request] = wants_production.evaluate_tick(context).run_requests or []
    keys = [list(key.path) for key in request.asset_selection or []]
    launch(definitions.resolve_implicit_global_asset_job_def(), *keys, tags=request.tags)


def asks_for_production(workspace: Workspace, definitions: dg.Definitions) -> bool:
    """Whether the automation sensor would start `index/production` after an evaluation."""
    key = dg.AssetKey(PRODUCTION)
    chosen = dg.AssetSelection.assets(key)
    with dg.DagsterInstance.get() as instance:
        before = dg.evaluate_automation_conditions(definitions, instance, asset_selection=chosen)
        ui(workspace, EVALUATION)
        after = dg.evaluate_automation_conditions(definitions, instance, asset_selection=chosen, cursor=before.cursor)
        return after.get_num_requested(key) > 0


def plain_eager(workspace: Workspace) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rag_pipeline.defs.channel.WHEN_ALL_IS_WELL", dg.AutomationCondition.eager())
        assert asks_for_production(workspace, build(workspace.settings)), "plain eager() does not look at checks"
    ui(workspace, PRODUCTION)


def nightly_refresh() -> dg.JobDefinition:
    """As a process of its own would find the job."""
    return build(load_settings()).resolve_job_def("nightly_refresh")


def again(workspace: Workspace, *steps: str) -> None:
    """Re-execute a refresh that failed at a broken golden set, which is whole again: from failure, or steps of it."""
    queries = workspace.root / "evals" / "questions" / "queries.jsonl"
    whole = queries.read_bytes()
    queries.write_text("{", encoding="utf-8")
    failed = run.refresh(workspace.settings)
    assert not failed.success
    assert "index/production" not in failed.assets
    queries.write_bytes(whole)
    with dg.DagsterInstance.get() as instance:
        options = dg.ReexecutionOptions.from_failure(failed.run_id, instance)
        if steps:
            options = dg.ReexecutionOptions(failed.run_id, steps)
        job = dg.reconstructable(nightly_refresh)
        with dg.execute_job(job, instance, run_config=QUIET, reexecution_options=options) as result:
            assert result.dagster_run.parent_run_id == failed.run_id


def script(workspace: Workspace) -> None:
    contracts = read_contracts(workspace.settings.contracts)
    asset = channel_asset("production", contracts, workspace.settings, automatic=True)
    with dg.DagsterInstance.get() as instance:
        dg.materialize([asset], instance=instance, run_config=QUIET, raise_on_error=False)


def dagster_command(workspace: Workspace) -> None:
    words = ["asset", "materialize", "--select", 'key:"index/production"', "-m", "rag_pipeline.definitions"]
    subprocess.run(
        [sys.executable, "-m", "dagster", *words], cwd=ROOT, env=workspace.environment, capture_output=True, timeout=300
    )


def wiped(workspace: Workspace) -> None:
    shutil.rmtree(os.environ["DAGSTER_HOME"])
    prepare_dagster_home(workspace.settings)
    ui(workspace, PRODUCTION)


def reported(workspace: Workspace) -> None:
    """What the UI and the REST API let a person report, as if it had happened."""
    with dg.DagsterInstance.get() as instance:
        for key, name in ((EVALUATION, MEETS_POLICY), (PRODUCTION, LET_PASS)):
            asset = dg.AssetKey(key)
            instance.report_runless_asset_event(dg.AssetMaterialization(asset))
            instance.report_runless_asset_event(dg.AssetCheckEvaluation(asset_key=asset, check_name=name, passed=True))
    ui(workspace, PRODUCTION)


def with_checks(**changed: Any) -> Door:
    """A refresh whose evaluation reports its check otherwise, so that it does not block what follows in that run."""

    def degraded(asset: list[str], name: str, passed: bool, **fields: Any) -> dg.AssetCheckResult:
        return check(asset, name, **({"passed": passed} | fields | changed))

    def door(workspace: Workspace) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("rag_pipeline.defs.reports.check", degraded)
            run.refresh(workspace.settings)

    return door


def two_channels(workspace: Workspace) -> None:
    demand(workspace, channels=["staging"])
    run.refresh(workspace.settings)


def evaluation_of_another(workspace: Workspace) -> None:
    """The blocking check is then about a release that is good."""
    config = {"index__evaluation": {"config": {"release": serving(workspace.home)}}}
    job = build(workspace.settings).resolve_implicit_global_asset_job_def()
    launch(job, EVALUATION, PRODUCTION, config=config)
    assert told().checks[MEETS_POLICY] is True


AFTERWARDS: dict[str, Door] = {
    "Materialize on index/production in the UI": lambda at: ui(at, PRODUCTION),
    "the release named in the launchpad": lambda at: ui(at, PRODUCTION, release=candidate(at).release),
    "candidate and production selected, the evaluation not": lambda at: ui(at, CANDIDATE, PRODUCTION),
    "a job of one's own": lambda at: launch(own_job(at, dg.AssetSelection.assets(dg.AssetKey(PRODUCTION)))),
    "the nightly job, reduced to index/production": lambda at: launch(nightly_refresh(), PRODUCTION),
    "a script that materializes the asset": script,
    "a sensor that asks for it": sensor,
    "DAGSTER_HOME removed": wiped,
    "checks and materializations reported by hand": reported,
}
"""Doors to index/production that measure nothing."""

LONGER: dict[str, Door] = {
    "dagster asset materialize in a process of its own": dagster_command,
    "the step of a failed refresh, re-executed": lambda at: again(at, "index__production"),
}
"""More of them, each with a process or a run of its own before it."""

EVALUATED: dict[str, Door] = {
    "the check of the evaluation only warns": with_checks(severity=dg.AssetCheckSeverity.WARN),
    "the check of the evaluation says that it passed": with_checks(passed=True),
    "two channels, so that no check may block": two_channels,
    "the evaluation pointed at the release that serves": evaluation_of_another,
    "an automation condition that does not look at checks": plain_eager,
    "rag promote": lambda at: run.promote(at.settings, PromotionRequest(candidate(at).release, by="ada", why="now")),
}
"""Doors that measure first, past the check that would block."""

STOPPED: dict[str, Door] = {
    "rag refresh": lambda at: run.refresh(at.settings),
    "Materialize all in the UI": lambda at: ui(at),
    "evaluation and production selected": lambda at: ui(at, EVALUATION, PRODUCTION),
    "a refresh re-executed from failure": again,
}
"""Doors that the blocking check of the evaluation closes before the gate is asked."""

DOORS = AFTERWARDS | LONGER | EVALUATED | STOPPED

OPENED = {
    "Materialize on index/production in the UI",
    "a script that materializes the asset",
    "DAGSTER_HOME removed",
    "the check of the evaluation only warns",
    "the evaluation pointed at the release that serves",
    "rag promote",
    "rag refresh",
}
"""Doors that are seen open, too, by the fast tests; that all the others open, the slow tests show. All are tried closed."""


WHERE = [PLACES[0], pytest.param(PLACES[1], marks=pytest.mark.slow)]


def seen_open(doors: Iterable[str]) -> list[Any]:
    return [pytest.param(door, marks=[] if door in OPENED else [pytest.mark.slow]) for door in doors]


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("door", DOORS)
def test_a_candidate_that_failed_its_evaluation_comes_through_no_door(
    refused: Workspace, place: Place, door: str, where: str
) -> None:
    at, floor = place(where, refused), "below its floor of 0.8 (gate.yaml:"
    said = closed(at, f"{door}, {where}", DOORS[door], floor, at_the_gate=door not in STOPPED)
    assert "probably worse than production: questions: nDCG@10 -0." in said.says
    if door in STOPPED:
        assert said.checks[MEETS_POLICY] is False


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("door", seen_open(AFTERWARDS))
def test_without_evidence_the_door_is_closed_and_with_it_the_same_door_opens(
    ready: Workspace, place: Place, door: str, where: str
) -> None:
    at, reason = place(where, ready), "there is no evidence on this release that counts"
    with gate_bypass.without_evidence(at):
        closed(at, f"{door}, without evidence, {where}", AFTERWARDS[door], reason)
    opened(at, AFTERWARDS[door])


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("door", seen_open(LONGER | EVALUATED | STOPPED))
def test_the_same_door_opens_to_a_candidate_that_meets_the_policy(
    ready: Workspace, place: Place, door: str, where: str
) -> None:
    opened(place(where, ready), DOORS[door])


def test_the_projects_own_automation_condition_does_not_even_ask_after_a_failed_check(refused: Workspace) -> None:
    before = channel_bytes(refused)
    assert not asks_for_production(refused, build(refused.settings))
    assert channel_bytes(refused) == before


def test_the_projects_own_automation_condition_asks_after_a_check_that_passed(ready: Workspace) -> None:
    assert asks_for_production(ready, build(ready.settings))


WITHOUT_CHECKS: dict[str, Door] = {
    "a job of index/production without checks": lambda at: launch(
        own_job(at, dg.AssetSelection.assets(dg.AssetKey(PRODUCTION)).without_checks())
    ),
    "a job of everything without checks": lambda at: launch(own_job(at, dg.AssetSelection.all().without_checks())),
    "a run in which no check is selected": lambda at: launch(
        build(at.settings)
        .resolve_implicit_global_asset_job_def()
        .get_subset(asset_selection={dg.AssetKey(EVALUATION), dg.AssetKey(PRODUCTION)}, asset_check_selection=frozenset())
    ),
}


@pytest.mark.parametrize("way", WITHOUT_CHECKS)
def test_checks_cannot_be_left_out_because_the_assets_themselves_report_them(refused: Workspace, way: str) -> None:
    before = channel_bytes(refused)
    with pytest.raises(dg.DagsterError) as caught:
        WITHOUT_CHECKS[way](refused)
    assert "does not support subsetting" in str(caught.value.__cause__ or caught.value)
    assert channel_bytes(refused) == before
    gate_bypass.TRIED.append(way)


def test_a_failed_candidate_waits_for_no_person_either(refused: Workspace) -> None:
    demand(refused, promotion="manual")
    closed(refused, "manual promotion of a failed candidate", lambda at: ui(at, PRODUCTION), "below its floor of 0.8")


def test_with_manual_promotion_the_refresh_stops_at_the_verdict_and_a_person_promotes_in_the_ui(ready: Workspace) -> None:
    demand(ready, promotion="manual")
    before = channel_bytes(ready)
    ran = run.refresh(ready.settings)
    assert ran.success, ran.errors
    assert ran.assets["index/evaluation"]["verdict"] == "passed"
    assert "index/production" not in ran.assets
    assert channel_bytes(ready) == before
    opened(ready, lambda at: ui(at, PRODUCTION))
    assert audit(ready)[-1]["by"] == "somebody in the Dagster UI"
