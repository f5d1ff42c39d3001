"""What is wrong, read from what lies on disk: real sources, real tables, verdicts as a refresh writes them down."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rag_pipeline.alerts.cause import Cause, Findings, key_of
from rag_pipeline.alerts.causes import ABOUT_PRODUCTION, Serves, causes_on_disk, unexplained
from rag_pipeline.alerts.verdicts import WATCH, Word, last_verdict, note_verdict
from rag_pipeline.channels.audit import audit_held, moves, record
from rag_pipeline.channels.pointer import Channel, write_pointer
from rag_pipeline.contracts.read import read_contracts
from rag_pipeline.files import write_json
from rag_pipeline.gate.decide import Facts, decide
from rag_pipeline.gate.policy import read_policy
from rag_pipeline.gate.shrink import InProduction, shrunk_sources
from rag_pipeline.ingest.load import load_source
from rag_pipeline.ingest.state import source_state
from tests.conftest import Workspace, files_contract
from tests.support.built_once import BuiltOnce

NOW = datetime(2026, 11, 29, 3, tzinfo=UTC)
RELEASE, SERVES = "20261129-030000-aaaaaaaa", "20261128-030000-bbbbbbbb"
SUPPORT = [{"channel": "docs-help", "url": "https://example.com/docs-help"}]


@pytest.fixture
def office(built_once: BuiltOnce) -> Workspace:
    """Two sources, read once; a candidate; a release that serves."""
    workspace = Workspace(built_once.empty("causes"))
    built_once.state(workspace.root, "served", lambda: two_sources(workspace))
    return workspace


def two_sources(workspace: Workspace) -> None:
    for source in ("handbook", "garden"):
        folder = workspace.pages(
            {"one.md": f"# {source}\n\nThe first page of the {source}, which says something.\n"}, source
        )
        workspace.contract(source, files_contract(folder, id=source, support=SUPPORT))
    workspace.golden("questions", {"what does it say": ["handbook/one.md"]}, owner="judges@example.com")
    workspace.policy({"questions": {"floors": {"nDCG@10": 0.5}}})
    load(workspace)
    at = NOW.isoformat()
    write_json(workspace.home.candidate, {"release": RELEASE, "fingerprint": "f", "at": at, "run_id": "r"})
    serve(workspace)


def serve(workspace: Workspace, release: str = SERVES, **more: Any) -> None:
    move: dict[str, Any] = {"release": release, "fingerprint": "b", "previous": None, "at": NOW - timedelta(days=1)}
    move["sequence"] = len(moves(workspace.home, "production")) + 1
    said = {"by": "nightly", "why": "refresh", "run_id": "r", "action": "overridden", "outcome": "inconclusive"}
    channel = Channel(**move, **said, **more)
    with audit_held(workspace.home):
        record(workspace.home, "production", channel)
        write_pointer(workspace.home, "production", channel)


def load(workspace: Workspace, now: datetime = NOW) -> None:
    for contract in read_contracts(workspace.settings.contracts):
        load_source(contract, workspace.home, run_id="r", now=now)


def look(workspace: Workspace, now: datetime = NOW, due: datetime | None = None) -> Findings:
    contracts = read_contracts(workspace.settings.contracts)
    states = lambda one: source_state(one, workspace.home, now)  # noqa: E731
    return causes_on_disk(workspace.settings, contracts, states, due=due, now=now)


def causes(workspace: Workspace, now: datetime = NOW, due: datetime | None = None) -> dict[str, Cause]:
    return {cause.key: cause for cause in look(workspace, now, due).causes}


def refuse(workspace: Workspace, *reasons: str, outcome: str = "regressed", name: str = "production", **where: Any) -> None:
    note_verdict(workspace.home, name, Word(where.get("release", RELEASE), outcome, reasons), run_id="run-1", now=NOW)


def test_where_all_is_well_there_is_no_cause(office: Workspace) -> None:
    found = look(office)
    assert found.causes == ()
    assert "held source: handbook" in found.well and "refused: production" in found.well


def test_a_held_source_names_its_reason_its_owner_and_what_to_do(office: Workspace) -> None:
    (office.root / "handbook").rename(office.root / "gone")
    load(office, NOW + timedelta(hours=1))
    [cause] = causes(office, NOW + timedelta(hours=1)).values()
    assert (cause.kind, cause.subject) == ("held source", "handbook")
    assert "the feed could not be listed" in cause.reasons[0]
    assert cause.owner == "team:docs, docs@example.com; ask: https://example.com/docs-help"
    assert "rag refresh --source handbook" in cause.next


def test_data_that_breaks_a_rule_is_a_cause_until_it_is_mended(office: Workspace) -> None:
    content = files_contract(office.root / "garden", id="garden", support=SUPPORT)
    content["schema"][0]["quality"] = [{"name": "enough", "metric": "rowCount", "mustBeGreaterThan": 1, "severity": "error"}]
    office.contract("garden", content)
    load(office, NOW + timedelta(hours=1))
    [cause] = causes(office, NOW + timedelta(hours=1)).values()
    assert (cause.kind, cause.subject) == ("broken data", "garden")
    assert cause.reasons[0].startswith("rule enough") and "blocks promotion" in cause.reasons[0]
    office.pages({"two.md": "# Two\n\nThe second page of the garden, which says something else.\n"}, "garden")
    load(office, NOW + timedelta(hours=2))
    assert causes(office, NOW + timedelta(hours=2)) == {}


def test_a_freeze_is_a_cause_of_its_own_until_something_passes(office: Workspace) -> None:
    for night in range(3):
        now = NOW + timedelta(days=night)
        load(office, now)
        note_verdict(office.home, "production", Word(RELEASE, "inconclusive", ["questions: why"]), run_id="run-1", now=now)
        frozen = causes(office, now).get("frozen: production")
        assert bool(frozen) == (night == 2), "two bad nights are bad nights"
    assert frozen and "3 nights running" in frozen.reasons[0]
    assert any(f"rag promote {RELEASE} --override" in step for step in frozen.next)
    note_verdict(office.home, "production", Word(RELEASE, "passed"), run_id="run-2", now=now)
    assert "frozen: production" in look(office, now).well


def test_a_refusal_that_only_tells_of_sources_is_told_as_theirs(office: Workspace) -> None:
    late = NOW + timedelta(hours=50)
    refuse(office, "source handbook is 50.0 h old, its contract allows 48 h (gate.yaml:3)")
    refuse(office, "source garden is 50.0 h old, its contract allows 48 h (gate.yaml:3)", name=WATCH, release=SERVES)
    assert causes(office, late).keys() == {"stale source: handbook", "stale source: garden"}
    assert causes(office).keys() == set(), "read again since: the refusal is older than that"
    refuse(office, "source handbook is 50.0 h old (gate.yaml:3)", "questions: nDCG@10 is 0.4, below its floor of 0.5")
    both = causes(office, late)
    assert both.keys() == {"stale source: handbook", "stale source: garden", "refused: production"}
    assert len(both["refused: production"].reasons) == 2, "the message holds every reason"
    assert both["refused: production"].marks == {"questions: nDCG@10 is #, below its floor of #"}


def test_a_source_that_shrank_is_told_as_a_refusal_for_nothing_else_tells_it(office: Workspace) -> None:
    gone = shrunk_sources(
        read_policy(office.settings.evals),
        "production",
        RELEASE,
        InProduction({"handbook": 60, "garden": 9, "cellar": 5}),
        {"handbook": 6, "garden": 9},
    )
    assert len(gone) == 2, "one shrank, one vanished"
    refuse(office, *map(str, gone))
    [cause] = causes(office).values()
    assert (cause.kind, cause.reasons) == ("refused", tuple(map(str, gone)))
    assert len(cause.marks) == 2


def test_what_the_gate_says_of_late_broken_and_lost_sources_is_told_as_theirs(office: Workspace) -> None:
    state = source_state(read_contracts(office.settings.contracts)[0], office.home, NOW)
    late = replace(state, as_of=None, age_hours=50.0, max_age_hours=48.0)
    for one in (late, replace(state, broken=("enough",)), replace(state, lost=3)):
        facts = Facts(RELEASE, "f", "m", "m", {}, None, None, sources=(one,), evidence_problems=("none",))
        nothing, says = (
            str(reason) for reason in decide(None, read_policy(office.settings.evals), "production", facts, NOW).reasons
        )
        assert nothing == "none" and says.startswith("source ")
        assert unexplained([says], ["garden", "handbook"]) == (), says


@pytest.mark.parametrize("outcome", ["regressed", "inconclusive", "could not be evaluated", "refused"])
def test_a_refusal_names_the_release_the_judges_and_both_ways_on(office: Workspace, outcome: str) -> None:
    refuse(office, "questions: nDCG@10 is 0.4, below its floor of 0.5 (gate.yaml:6)", outcome=outcome)
    [cause] = causes(office).values()
    assert cause.title == f"production: {RELEASE} was refused ({outcome})"
    assert cause.owner == "team:retrieval, judges@example.com"
    assert cause.next[:2] == ("rag status", f"rag report --release {RELEASE}")
    assert f"rag promote {RELEASE} --override --by NAME" in cause.next[2]
    assert cause.run_id == "run-1"
    refuse(office, outcome="passed")
    assert "refused: production" in look(office).well


def test_a_word_on_another_release_than_the_candidate_is_for_who_asked(office: Workspace) -> None:
    refuse(office, "below", release=SERVES)
    assert last_verdict(office.home, "production") is None
    assert causes(office) == {}


def test_production_that_got_worse_is_a_cause_while_it_serves(office: Workspace) -> None:
    refuse(office, "questions: 1 of 6 judged answers are gone", name=WATCH, release=SERVES)
    [cause] = causes(office).values()
    assert (cause.kind, cause.owner) == ("production got worse", "team:retrieval, judges@example.com")
    serve(office, RELEASE)
    assert causes(office) == {}, "another release serves"


def test_production_that_no_refresh_reaches_is_a_cause(office: Workspace) -> None:
    due = NOW + timedelta(days=2)
    assert causes(office, due=due) == {}, "an older pipeline's home: no refresh has said anything yet"
    refuse(office, outcome="passed")
    assert causes(office, due=NOW - timedelta(minutes=1)) == {}
    [cause] = causes(office, due=due).values()
    assert cause.kind == "production is not refreshed"
    assert cause.reasons == (
        "the gate last let production pass 2026-11-29 03:00 UTC, two refreshes were due since",
        "no refresh came to a verdict since 2026-11-29 03:00 UTC",
    )
    assert causes(office) == {}, "nobody promised a pace: schedules are off"


def test_what_cannot_be_read_is_a_cause_and_hides_no_other(office: Workspace) -> None:
    office.home.channel("production").write_text("{", encoding="utf-8")
    for log in (office.home.root / "lake/loads/handbook/_delta_log").glob("*.json"):
        log.write_bytes(b"")
    (office.root / "garden").rename(office.root / "gone")
    with pytest.raises(Exception):  # noqa: B017
        source_state(read_contracts(office.settings.contracts)[1], office.home, NOW)
    contract = next(one for one in read_contracts(office.settings.contracts) if one.source == "garden")
    load_source(contract, office.home, run_id="r", now=NOW + timedelta(minutes=1))
    found = causes(office)
    assert found.keys() == {"cannot be looked at: handbook", "held source: garden", "damaged channel: production"}
    assert found["damaged channel: production"].next == ("rag verify --repair",)


def test_a_channel_that_is_held_says_since_when_by_whom_and_why(office: Workspace) -> None:
    if "hold" not in Channel.model_fields:
        pytest.skip("channels cannot be held yet")
    serve(office, hold={"at": NOW, "by": "anna", "why": "wrong prices"})
    refuse(office, "rolled back by anna", "held since 2026-11-29 03:00 UTC by anna", outcome="held")
    [cause] = causes(office).values()
    assert cause.kind == "channel is held"
    assert "held since 2026-11-29 03:00 UTC by anna (wrong prices)" in cause.reasons[0]
    assert causes(office, due=NOW + timedelta(days=1)).keys() == {cause.key}, "that no refresh moves it is the same cause"


def test_a_note_that_cannot_be_written_fails_nothing(office: Workspace, caplog: pytest.LogCaptureFixture) -> None:
    office.home.verdicts.write_text("in the way", encoding="utf-8")
    refuse(office, "below")
    assert "could not be written down for the alerts" in caplog.text
    assert last_verdict(office.home, "production") is None


def test_each_look_at_production_answers_for_the_kind_it_stands_for(office: Workspace) -> None:
    serves = Serves(office.settings, None, ["handbook", "garden"], NOW)
    for kind, look in ABOUT_PRODUCTION.items():
        found = look(serves)
        assert {cause.key for cause in found.causes} | found.well == {key_of(kind, "production")}


def test_while_production_cannot_be_read_no_kind_about_it_is_over(office: Workspace) -> None:
    office.home.channel("production").write_text("{")
    found = look(office)
    assert {key_of(kind, "production") for kind in ABOUT_PRODUCTION} <= found.possible
    assert not any(found.over(key_of(kind, "production")) for kind in ABOUT_PRODUCTION)
