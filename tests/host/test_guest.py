"""Beside other people's assets: runs, settings and failures of theirs stay theirs, and one of ours writes at a time."""

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import pytest

from rag_pipeline.contracts.read import read_contracts
from rag_pipeline.defs.alerts import Eyes
from rag_pipeline.defs.graph import build
from rag_pipeline.defs.home import prepare_dagster_home
from rag_pipeline.defs.run import load
from rag_pipeline.home_mark import claim_home
from rag_pipeline.host.at_work import at_work
from rag_pipeline.host.dead_runs import dead_runs_sensor
from rag_pipeline.settings import Settings
from tests.conftest import Workspace, files_contract
from tests.support.run_records import STARTED, messages, record, status_of

FAILED = dg.DagsterRunStatus.FAILURE


@dg.asset(key=["warehouse", "articles"])
def articles() -> None:
    """Somebody else's."""


@dg.asset
def broken() -> None:
    """Somebody else's, which fails."""
    raise ValueError("theirs to fix")


@pytest.fixture
def guest(workspace: Workspace) -> Workspace:
    """One source, made by an asset of somebody else's; nothing was loaded yet."""
    contract = files_contract(workspace.pages({"leave.md": "# Leave\n\nThirty days each year.\n"}))
    contract["customProperties"] = [{"property": "madeBy", "value": ["warehouse/articles"]}]
    workspace.contract("handbook", contract)
    workspace.golden("questions", {"how many days": ["handbook/leave.md"]})
    workspace.policy({"questions": {"floors": {"nDCG@10": 0.5}}})
    return workspace


@pytest.fixture
def instance(guest: Workspace) -> Iterator[dg.DagsterInstance]:
    """Their Dagster: a folder without any settings of ours."""
    (guest.root / "dagster").mkdir()
    with dg.DagsterInstance.get() as instance:
        yield instance


def whole(settings: Settings) -> dg.Definitions:
    """Our graph as a guest, in theirs."""
    return dg.Definitions.merge(build(settings, alone=False), dg.Definitions(assets=[articles, broken]))


def materialize(instance: dg.DagsterInstance, settings: Settings, *keys: str) -> dg.ExecuteInProcessResult:
    """What a person's click does: Dagster's own job of chosen assets, on the executor of the project."""
    job = whole(settings).resolve_implicit_global_asset_job_def()
    chosen = [dg.AssetKey.from_user_string(key) for key in keys]
    return job.execute_in_process(instance=instance, asset_selection=chosen, raise_on_error=False)


def test_a_source_is_loaded_when_what_makes_its_feed_was_materialized(guest: Workspace) -> None:
    settings, made = guest.settings.model_copy(update={"key_prefix": "search"}), dg.AssetKey(["warehouse", "articles"])
    ours, definitions = dg.AssetKey(["search", "handbook", "documents"]), whole(settings)
    assert definitions.resolve_asset_graph().get(ours).parent_keys == {made}
    with dg.DagsterInstance.ephemeral() as instance:

        def requested(cursor: Any = None) -> tuple[set[dg.AssetKey], Any]:
            found = dg.evaluate_automation_conditions(definitions, instance, cursor=cursor)
            return {one.key for one in found.results if one.true_subset.size}, found.cursor

        nothing, cursor = requested()
        assert nothing == set(), "it was never loaded, which a refresh does"
        instance.report_runless_asset_event(dg.AssetMaterialization(asset_key=made))
        loads, cursor = requested(cursor)
        assert loads == {ours}
        assert requested(cursor)[0] == set(), "once is enough"


def test_a_source_that_nothing_here_makes_waits_for_nobody(workspace: Workspace) -> None:
    workspace.contract("handbook", files_contract(workspace.pages({"leave.md": "# Leave\n\nThirty days.\n"})))
    graph = build(workspace.settings, alone=False).resolve_asset_graph()
    assert graph.get(dg.AssetKey(["handbook", "documents"])).automation_condition is None


def test_a_step_in_a_run_of_theirs_waits_for_the_one_that_writes(guest: Workspace, instance: dg.DagsterInstance) -> None:
    done: list[dg.ExecuteInProcessResult] = []

    def work() -> None:
        with dg.DagsterInstance.get() as its_own:
            done.append(
                materialize(its_own, guest.settings, "warehouse/articles", "handbook/documents", "handbook/quarantine")
            )

    worker = threading.Thread(target=work)
    with guest.home.exclusive("refresh", wait_s=0):
        worker.start()
        until = time.monotonic() + 60
        while not any("this step waits for it" in messages(instance, run.run_id) for run in instance.get_runs()):
            assert worker.is_alive() and time.monotonic() < until
            time.sleep(0.1)
        assert not guest.home.documents.exists()
    worker.join(timeout=120)
    assert done[0].success
    made = {event.asset_key.to_user_string() for event in done[0].get_asset_materialization_events() if event.asset_key}
    assert made == {"warehouse/articles", "handbook/documents", "handbook/quarantine"}


def test_a_step_of_a_run_that_holds_the_lock_does_not_wait_for_itself(
    guest: Workspace, instance: dg.DagsterInstance
) -> None:
    job = whole(guest.settings).resolve_implicit_global_asset_job_def()
    chosen = [dg.AssetKey(["handbook", name]) for name in ("documents", "quarantine")]
    run_id = "11111111-2222-3333-4444-555555555555"
    claim_home(guest.settings)
    with guest.home.exclusive("refresh", wait_s=0), at_work(guest.home, run_id):
        assert job.execute_in_process(instance=instance, asset_selection=chosen, run_id=run_id).success


def tick(instance: dg.DagsterInstance, settings: Settings) -> str:
    context = dg.build_sensor_context(instance=instance, definitions=dg.Definitions())
    return str(dead_runs_sensor(settings, alone=False).evaluate_tick(context).skip_message)


def test_a_long_run_of_theirs_is_never_taken_for_a_dead_one(guest: Workspace, instance: dg.DagsterInstance) -> None:
    """Their run and ours stand in the same code location, and nothing of theirs holds a lock of ours."""
    theirs = record(instance, guest.settings)
    ours = record(instance, guest.settings, tags={"rag/home": str(guest.home)})
    assert tick(instance, guest.settings) == f"marked failed: {ours}"
    assert (status_of(instance, theirs), status_of(instance, ours)) == (STARTED, FAILED)


def test_a_failure_of_theirs_is_not_told_as_ours(guest: Workspace, instance: dg.DagsterInstance) -> None:
    def told() -> set[str]:
        eyes = Eyes(guest.settings, read_contracts(guest.settings.contracts), build)
        return {cause.key for cause in eyes.look(instance, datetime.now(UTC)).causes}

    before = told()
    assert not materialize(instance, guest.settings, "broken").success
    assert told() == before


def test_a_command_gives_no_settings_to_a_dagster_that_runs_their_jobs(
    guest: Workspace, instance: dg.DagsterInstance
) -> None:
    assert materialize(instance, guest.settings, "warehouse/articles").success
    assert load(guest.settings, "handbook").success
    assert not (guest.root / "dagster" / "dagster.yaml").exists()


def test_a_dagster_that_ran_nothing_but_ours_still_gets_its_settings(guest: Workspace, instance: dg.DagsterInstance) -> None:
    assert (
        build(guest.settings).resolve_job_def("watch_production").execute_in_process(instance=instance, raise_on_error=False)
    )
    prepare_dagster_home(guest.settings)
    assert "max_concurrent_runs: 1" in (guest.root / "dagster" / "dagster.yaml").read_text(encoding="utf-8")


def test_a_command_finds_the_assets_below_the_prefix(guest: Workspace, instance: dg.DagsterInstance) -> None:
    settings = guest.settings.model_copy(update={"key_prefix": "search"})
    ran = load(settings, "handbook")
    assert ran.success
    assert ran.assets["handbook/documents"]["documents"] == 1
    latest = instance.get_latest_materialization_event(dg.AssetKey(["search", "handbook", "documents"]))
    assert latest is not None and latest.run_id == ran.run_id
    run = instance.get_run_by_id(ran.run_id)
    assert run is not None and run.job_name == "search_nightly_refresh"
