"""A rollback holds its channel, whatever starts the next move: the schedule's job, the UI, the watch. A person lifts it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

from rag_pipeline.channels.audit import moves
from rag_pipeline.channels.pointer import Channel, read_channel
from rag_pipeline.defs.by_hand import STEPS
from rag_pipeline.defs.graph import build
from rag_pipeline.defs.run import Ran, refresh
from tests.conftest import Workspace, files_contract
from tests.pipeline.conftest import FLOORS, LENIENT, PAGES, QUESTIONS
from tests.support.held_nights import GATE, said, start

Run = Callable[..., Ran]
ANA = {"by": "ana", "why": "wrong prices"}


def production(workspace: Workspace) -> Channel:
    found = read_channel(workspace.home, "production")
    assert found is not None
    return found


def edit(workspace: Workspace, name: str, sentence: str) -> None:
    workspace.pages({name: f"{PAGES[name]}\n{sentence}\n"})


@pytest.fixture(scope="module")
def served_twice(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """A pipeline that promoted two releases, the second with a bad page; each test puts it back as it was."""
    root = tmp_path_factory.mktemp("held") / "pipeline"
    root.mkdir()
    made = Workspace(root)
    made.contract("handbook", files_contract(made.pages(PAGES), **LENIENT))
    made.golden("questions", QUESTIONS)
    made.policy({"questions": FLOORS})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", str(root / "dagster"))
        first = refresh(made.settings).assets["index/production"]["release"]
        edit(made, "travel.md", "Taxis are free.")
        second = refresh(made.settings).assets["index/production"]["release"]
    assert first != second == production(made).release
    shutil.copytree(root, root.with_name("kept"), copy_function=shutil.copy2)
    return root, str(first), str(second)


@pytest.fixture
def handbook(served_twice: tuple[Path, str, str], monkeypatch: pytest.MonkeyPatch) -> Workspace:
    root = served_twice[0]
    shutil.rmtree(root)
    shutil.copytree(root.with_name("kept"), root)
    monkeypatch.setenv("DAGSTER_HOME", str(root / "dagster"))
    return Workspace(root)


@pytest.fixture
def run(handbook: Workspace) -> Run:
    return lambda **how: refresh(handbook.settings, **how)


@pytest.fixture
def two(served_twice: tuple[Path, str, str]) -> tuple[str, str]:
    """Two releases, promoted one after the other."""
    return served_twice[1:]


def test_after_a_rollback_nothing_automatic_moves_production_until_a_person_lifts_the_hold(
    handbook: Workspace, run: Run, two: tuple[str, str]
) -> None:
    first, second = two
    done = start(handbook, "roll_back", {"move_back": {"config": ANA}})
    assert done.success, said(done)
    held = production(handbook)
    assert (held.release, held.previous) == (first, second)
    assert held.hold and (held.hold.by, held.hold.why, held.hold.at) == ("ana", "wrong prices", held.at)
    with dg.DagsterInstance.get() as instance:
        shown = instance.get_latest_materialization_event(GATE)
    assert shown and shown.asset_materialization
    assert "held since" in str(shown.asset_materialization.metadata["held"].value)

    edit(handbook, "leave.md", "Ask early.")
    night = run()
    assert night.success, "a hold is a state a person chose, and no failure"
    third = night.assets["index/candidate"]["release"]
    assert third not in two, "the night goes on building and evaluating"
    assert night.assets["index/evaluation"]["verdict"] == "passed"
    [warned] = [one for one in night.failed_checks if one.check == "the_gate_let_it_pass"]
    assert warned.severity == "WARN"
    assert (
        "by ana (wrong prices): nothing automatic moves production; `rag resume --by NAME --reason WHY`"
        in warned.description
    )
    assert f"`rag promote {third} --by NAME --reason WHY`" in warned.description
    assert night.assets["index/production"]["held"].startswith("held since")
    assert production(handbook) == held, "not a byte of the channel moves"
    with dg.DagsterInstance.get() as instance:
        record = instance.get_run_by_id(night.run_id)
    assert record and record.tags["rag/held_channels"] == "production"
    assert "rag/refused" not in record.tags, "whoever filters the Runs page for refused nights is not shown held ones"

    alone = start(handbook, "", {}, GATE)
    assert alone.success, "the asset alone, as the UI materializes it"
    assert production(handbook) == held

    wanted = {"index__production": {"config": {"release": third, "by": "ben", "why": "fixed"}}}
    assert start(handbook, "", wanted, GATE).success
    assert (production(handbook).release, production(handbook).hold) == (third, None), "a person named it"
    assert [row["action"] for row in moves(handbook.home, "production")] == ["promoted"] * 4


def test_once_the_hold_is_lifted_refreshes_go_on_but_not_to_what_was_rolled_back(
    handbook: Workspace, run: Run, two: tuple[str, str]
) -> None:
    first, _ = two
    assert start(handbook, "roll_back", {"move_back": {"config": ANA}}).success
    assert start(handbook, "resume", {"lift_hold": {"config": {"by": "ben", "why": "fixed"}}}).success
    lifted = production(handbook)
    assert (lifted.release, lifted.hold, lifted.action, len(lifted.withdrawn)) == (first, None, "resumed", 1)
    again = start(handbook, "resume", {"lift_hold": {"config": {"by": "ben", "why": "fixed"}}})
    assert "production is not held; there is nothing to lift" in said(again)
    same = run()
    assert not same.success
    assert any("rolled back by ana" in one.description for one in same.failed_checks)
    edit(handbook, "travel.md", "Taxis are not free.")
    fixed = run()
    assert fixed.success, fixed.failed_checks
    assert production(handbook).release == fixed.assets["index/candidate"]["release"]


def test_a_rollback_is_not_compared_with_what_it_goes_back_from_but_floors_hold(
    handbook: Workspace, two: tuple[str, str]
) -> None:
    """Six questions can never show that a release is no worse; the one that served yesterday need not show it."""
    first, second = two
    handbook.golden("questions", {**QUESTIONS, "print on large paper": ["handbook/food/canteen.md"]})
    handbook.policy({"questions": {"floors": {"nDCG@10": 0.999}, "dead_judgments_max_percent": 50}})
    refused = start(handbook, "roll_back", {"move_back": {"config": ANA}})
    assert not refused.success
    assert "below its floor of 0.999" in said(refused)
    assert "no worse" not in said(refused)
    assert f"to do it anyway: `rag rollback --to {first} --override --by NAME --reason WHY`" in said(refused)
    assert production(handbook).release == second
    handbook.golden("questions", QUESTIONS)
    handbook.policy({"questions": {"floors": FLOORS["floors"], "dead_judgments_max_percent": 50}})
    done = start(handbook, "roll_back", {"move_back": {"config": ANA}})
    assert done.success, said(done)
    assert production(handbook).release == first
    assert (production(handbook).action, production(handbook).reasons) == ("promoted", ())


def test_a_job_by_hand_asks_for_a_name_and_a_reason(handbook: Workspace, two: tuple[str, str]) -> None:
    for job in ("roll_back", "resume", "anchor"):
        with pytest.raises(dg.DagsterInvalidConfigError):
            start(handbook, job, {STEPS[job]: {"config": {"by": "ana"}}})
        assert "needs a name (by) and a reason (why)" in said(
            start(handbook, job, {STEPS[job]: {"config": {"by": "ana", "why": " "}}})
        )
    again = start(handbook, "roll_back", {STEPS["roll_back"]: {"config": {**ANA, "to": two[1]}}})
    assert f"production points at {two[1]} already, so there is nothing to go back from" in said(again)
    assert (production(handbook).release, production(handbook).hold) == (two[1], None)


def test_every_field_of_the_launchpads_says_what_it_is(handbook: Workspace) -> None:
    definitions = build(handbook.settings)
    whole = definitions.resolve_implicit_global_asset_job_def()
    steps = {"index__production": whole} | {step: definitions.resolve_job_def(job) for job, step in STEPS.items()}
    for step, job in steps.items():
        [node] = [node for node in job.nodes if node.name == step]
        fields = node.definition.config_schema.config_type.fields  # type: ignore[union-attr]
        assert fields
        for name, field in fields.items():
            assert field.description, f"{name} of {step} is not described"


def test_a_channel_that_cannot_be_believed_holds_up_no_other(handbook: Workspace, run: Run) -> None:
    demands = {"golden_sets": {"questions": FLOORS}}
    policy = handbook.root / "evals" / "gate.yaml"
    policy.write_text(json.dumps({"channels": {"production": demands, "staging": demands}}), encoding="utf-8")
    handbook.home.channel("staging").write_text("{", encoding="utf-8")
    edit(handbook, "leave.md", "Ask early.")
    night = run()
    assert not night.success
    assert all("staging.json is damaged" in error for error in night.errors), night.errors
    assert production(handbook).release == night.assets["index/candidate"]["release"]
