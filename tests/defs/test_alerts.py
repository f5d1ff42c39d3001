"""What the sensor `alerts` sees in Dagster, and when it calls production not refreshed."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from rag_pipeline.alerts.cause import Findings
from rag_pipeline.channels.audit import audit_held, audit_table, record
from rag_pipeline.channels.pointer import Channel, write_pointer
from rag_pipeline.contracts.read import read_contracts
from rag_pipeline.defs.alerts import Eyes, refreshes_due
from rag_pipeline.defs.graph import build
from rag_pipeline.defs.home import prepare_dagster_home
from rag_pipeline.defs.keys import EVALUATION, PRODUCTION, PRODUCTION_EVALUATION
from rag_pipeline.defs.traffic import traffic_assets
from rag_pipeline.files import write_json
from tests.conftest import Workspace, files_contract
from tests.support.asked_rows import asked, segment
from tests.support.held_nights import said, start

NOW = datetime(2026, 11, 29, 11, tzinfo=UTC)
RELEASE = "20261129-030000-aaaaaaaa"
INTACT = "failed check: index/candidate releases_in_use_are_intact"


@pytest.fixture
def office(workspace: Workspace) -> Workspace:
    workspace.contract("handbook", files_contract(workspace.pages({"one.md": "# One\n\nThe first page of all.\n"})))
    workspace.golden("questions", {"what is first": ["handbook/one.md"]})
    workspace.policy({"questions": {"floors": {"nDCG@10": 0.5}}})
    prepare_dagster_home(workspace.settings)
    return workspace


def look(office: Workspace) -> Findings:
    with dg.DagsterInstance.get() as instance:
        return Eyes(office.settings, read_contracts(office.settings.contracts), build).look(instance, NOW)


def report(
    asset: list[str], name: str, *, passed: bool, severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR
) -> None:
    made = dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey(asset), check_name=name, passed=passed, severity=severity, description="3 files differ"
    )
    with dg.DagsterInstance.get() as instance:
        instance.report_runless_asset_event(made)


def test_a_failed_check_is_a_cause_by_its_severity_until_it_passes(office: Workspace) -> None:
    before = look(office)
    assert INTACT in before.possible and INTACT not in before.well, "it was never made"
    report(["index", "candidate"], "releases_in_use_are_intact", passed=False)
    [cause] = [one for one in look(office).causes if one.key == INTACT]
    assert cause.title == "index/candidate: the check releases_in_use_are_intact failed"
    assert (cause.reasons, cause.owner) == (("3 files differ",), "team:retrieval")
    report(["index", "candidate"], "releases_in_use_are_intact", passed=False, severity=dg.AssetCheckSeverity.WARN)
    assert INTACT in look(office).well
    report(["index", "candidate"], "releases_in_use_are_intact", passed=True)
    assert INTACT in look(office).well


def test_what_a_check_of_traffic_finds_is_a_cause_until_it_is_gone(office: Workspace) -> None:
    """Something private in a question, found by the real check; the text goes with its days."""
    settings = office.settings.model_copy(update={"query_text": "masked"})
    then = datetime.now(UTC) - timedelta(days=3)
    segment(office.home, [asked(1, timestamp=then, release="", user_query="write to berta.planted@mail-house.org")])
    private = "failed check: traffic/queries no_private_value_is_stored"

    def made(days: int) -> Findings:
        assets = traffic_assets(settings.model_copy(update={"query_days": days}))
        with dg.DagsterInstance.get() as instance:
            assert dg.materialize(assets, instance=instance, selection="key:traffic/queries").success
        return look(office)

    [cause] = [one for one in made(90).causes if one.key == private]
    assert "1 of 1 texts hold something private" in cause.reasons[0] and "planted" not in str(cause)
    assert private in made(1).well


@pytest.mark.parametrize(
    ("asset", "name"),
    [
        (["handbook", "documents"], "batch_keeps_its_contract"),
        (["handbook", "documents"], "data_is_within_its_sla"),
        (["index", "evaluation"], "candidate_meets_the_policy"),
        (["index", "production"], "the_gate_let_it_pass"),
        (["index", "production_evaluation"], "production_meets_the_policy"),
    ],
)
def test_a_check_that_shows_a_verdict_or_a_sources_state_is_no_cause_beside_it(
    office: Workspace, asset: list[str], name: str
) -> None:
    before = {cause.key for cause in look(office).causes}
    report(asset, name, passed=False)
    assert {cause.key for cause in look(office).causes} == before == {"stale source: handbook"}, "it was never loaded"


@pytest.mark.parametrize(
    ("cron", "now", "due"),
    [
        ("0 2 * * *", "2026-11-29 11:00", "2026-11-28 02:00"),
        ("0 2 * * *", "2026-11-29 03:00", "2026-11-27 02:00"),  # last night's may still be at work
        ("0 2 * * *", "2026-11-29 04:01", "2026-11-28 02:00"),
        ("0 2 * * 0", "2026-11-29 11:00", "2026-11-22 02:00"),  # weekly: nothing is late for days
        ("0 */6 * * *", "2026-11-29 11:00", "2026-11-29 00:00"),
    ],
)
def test_production_is_late_when_two_refreshes_were_due_at_whatever_pace(
    office: Workspace, cron: str, now: str, due: str
) -> None:
    settings = office.settings.model_copy(update={"nightly_cron": cron})
    at, expected = (datetime.fromisoformat(f"{text}:00+00:00") for text in (now, due))
    found = refreshes_due(settings, at)
    assert found == expected
    assert at - found < timedelta(days=15)


def point_at(office: Workspace, release: str, number: int) -> Channel:
    said = {"by": "ana", "why": "w", "run_id": "r", "action": "overridden", "outcome": "inconclusive", "previous": None}
    move = Channel(release=release, fingerprint="f", sequence=number, at=NOW, **said)
    with audit_held(office.home):
        record(office.home, "production", move)
        write_pointer(office.home, "production", move)
    return move


def the_file(office: Workspace) -> None:
    move = point_at(office, RELEASE, 1)
    write_pointer(office.home, "production", move.model_copy(update={"release": "20261128-030000-bbbbbbbb"}))


def the_table(office: Workspace) -> None:
    point_at(office, RELEASE, 1)
    point_at(office, RELEASE, 2)
    (audit_table(office.home).path / "_delta_log" / f"{1:020d}.json").write_bytes(b"")


@pytest.mark.parametrize("harm", [the_file, the_table])
def test_a_damaged_channel_is_told_once_whatever_fails_for_it(office: Workspace, harm: Callable[[Workspace], None]) -> None:
    at = NOW.isoformat()
    write_json(office.home.candidate, {"release": RELEASE, "fingerprint": "f", "at": at, "run_id": "r"})
    harm(office)
    for key in (EVALUATION, PRODUCTION, PRODUCTION_EVALUATION):
        assert not start(office, "", {}, dg.AssetKey(key)).success
    assert {one.key for one in look(office).causes} == {"damaged channel: production", "stale source: handbook"}


def test_what_a_job_says_that_a_person_started_is_for_that_person(office: Workspace) -> None:
    refused = start(office, "roll_back", {"move_back": {"config": {"by": "ana", "why": "wrong prices"}}})
    assert "there is nothing to go back to" in said(refused)
    assert {one.key for one in look(office).causes} == {"stale source: handbook"}
