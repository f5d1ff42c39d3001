"""A refresh whose candidate may not serve, end to end: production stays, and it is said why."""

import shutil

import dagster as dg
import pytest

from rag_pipeline.channels.audit import audit_table
from rag_pipeline.channels.pointer import serving
from rag_pipeline.errors import GoldenSetError
from tests.conftest import Workspace, files_contract
from tests.pipeline.conftest import FLOORS, PAGES, QUESTIONS, Ask, Run


def test_a_refused_candidate_leaves_production_as_it_was_and_says_why(
    handbook: Workspace, begin: Run, run: Run, ask: Ask
) -> None:
    first = begin()
    channel = handbook.home.channel("production").read_bytes()
    handbook.policy({"questions": {**FLOORS, "floors": {"nDCG@10": 1.0, "MRR@10": 1.0}}})
    nonsense = {name: f"# {name}\n\nLorem ipsum dolor sit amet number {i}.\n" for i, name in enumerate(PAGES)}
    handbook.pages(nonsense)
    second = run()
    assert not second.success
    failed = {check.check: check for check in second.failed_checks}
    says = failed["candidate_meets_the_policy"].description
    assert failed["candidate_meets_the_policy"].severity == "ERROR"
    assert "nDCG@10 is 0." in says
    assert "below its floor of 1" in says
    assert "gate.yaml:" in says
    assert "index/production" not in second.assets
    assert "evaluate" in second.stages  # its step failed, and took its time all the same
    assert "promote" not in second.stages
    assert handbook.home.channel("production").read_bytes() == channel
    assert serving(handbook.home) == first.assets["index/production"]["release"]
    assert ask("where do I keep my passwords")[0] == "handbook/security/passwords.md"


def test_a_floor_raised_over_what_serves_turns_the_check_red_and_moves_nothing(
    handbook: Workspace, begin: Run, run: Run
) -> None:
    first = begin()
    handbook.golden("questions", {**QUESTIONS, "how many days of vacation do I get": ["handbook/travel.md"]})
    handbook.policy({"questions": {**FLOORS, "floors": {"nDCG@10": 1.0}}})
    second = run()
    assert not second.success
    assert second.assets["index/candidate"]["built"] is False
    (failed,) = [check for check in second.failed_checks if check.severity == "ERROR"]
    assert failed.check == "candidate_meets_the_policy"
    assert "below its floor of 1" in failed.description
    assert serving(handbook.home) == first.assets["index/production"]["release"]


def test_materializing_production_alone_after_a_refusal_is_refused_again(handbook: Workspace, begin: Run, run: Run) -> None:
    begin()
    channel = handbook.home.channel("production").read_bytes()
    handbook.policy({"questions": {**FLOORS, "floors": {"nDCG@10": 1.0}}})
    handbook.pages({name: f"# {i}\n\nLorem ipsum {i} dolor.\n" for i, name in enumerate(PAGES)})
    refused = run().assets
    assert "index/production" not in refused
    from rag_pipeline.defs.graph import build

    with dg.DagsterInstance.get() as instance:
        result = (
            build(handbook.settings)
            .resolve_job_def("nightly_refresh")
            .execute_in_process(
                instance=instance, asset_selection=[dg.AssetKey(["index", "production"])], raise_on_error=False
            )
        )
        assert not result.success
        check, frozen = result.get_asset_check_evaluations()
        assert check.check_name == "the_gate_let_it_pass"
        assert not check.passed
        assert (frozen.check_name, frozen.passed) == ("new_releases_come_through", True), "one refusal is no freeze"
        assert "below its floor" in (check.description or "")
        assert not result.get_asset_materialization_events()
    assert handbook.home.channel("production").read_bytes() == channel
    assert audit_table(handbook.home).scan().sort("at").collect()["action"].to_list() == ["promoted", "refused"]


def test_a_golden_set_that_names_an_unknown_document_refuses_and_lists_it(handbook: Workspace, run: Run) -> None:
    handbook.golden("questions", {**QUESTIONS, "who waters the plants": ["handbook/plants.md"]})
    handbook.policy({"questions": {**FLOORS, "dead_judgments_max_percent": 2}})
    ran = run()
    assert not ran.success
    failed = {check.check: check.description for check in ran.failed_checks}
    assert "1 of 7 judgments cannot be met any more; docs@example.com can judge again" in failed["every_judgment_resolves"]
    assert "first: handbook/plants.md" in failed["candidate_meets_the_policy"]
    assert serving(handbook.home) is None


def test_nothing_is_promoted_without_a_golden_set(workspace: Workspace) -> None:
    from rag_pipeline.defs.run import refresh

    workspace.contract("handbook", files_contract(workspace.pages(PAGES)))
    workspace.policy({"questions": FLOORS})
    with pytest.raises(GoldenSetError, match="no golden set of this name has a golden"):
        refresh(workspace.settings)
    assert serving(workspace.home) is None


def test_an_empty_pipeline_says_that_there_is_nothing_to_build_from(handbook: Workspace, run: Run) -> None:
    shutil.rmtree(handbook.root / "pages")
    ran = run()
    assert not ran.success
    assert any("no chunk to build a release from" in error for error in ran.errors)
