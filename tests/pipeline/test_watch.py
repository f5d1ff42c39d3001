"""Production watched through the real graph: what rots turns a check red, and the way back leads through the gate."""

from collections.abc import Callable

import dagster as dg
import pytest

from rag_pipeline.channels.audit import audit_table
from rag_pipeline.channels.pointer import read_channel, serving
from rag_pipeline.defs.graph import build
from rag_pipeline.defs.run import Ran
from rag_pipeline.host.ui_tables import said
from tests.conftest import Workspace, files_contract
from tests.pipeline.conftest import FLOORS, LENIENT, PAGES
from tests.support.built_once import BuiltOnce

Run = Callable[..., Ran]

CHECKS = {
    "production_meets_the_policy",
    "sources_are_fresh",
    "queries_are_as_fast_as_promoted",
    "no_judged_answer_vanished",
    "replicas_serve_what_their_channels_name",
    "serving_meets_its_levels",
    "answers_are_refused_rightly",
    "answers_come_in_time",
    "quotes_stand_where_they_say",
}


def watch(workspace: Workspace) -> dict[str, str]:
    """Run the watching job as its schedule does: what its failed checks say, by name."""
    with dg.DagsterInstance.get() as instance:
        job = build(workspace.settings).resolve_job_def("watch_production")
        result = job.execute_in_process(instance=instance)
        evaluations = result.get_asset_check_evaluations()
    assert {one.check_name for one in evaluations} == CHECKS
    watched = [one for one in evaluations if one.asset_key != dg.AssetKey(["serving", "answers"])]  # questions are made up
    return {one.check_name: said(one.description or "") for one in watched if not one.passed}


def told(workspace: Workspace) -> dict[str, object]:
    """What the UI shows of the latest version of `index/production`."""
    with dg.DagsterInstance.get() as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey(["index", "production"]))
    assert event is not None and event.asset_materialization is not None
    return {name: value.value for name, value in event.asset_materialization.metadata.items()}


@pytest.fixture
def two(handbook: Workspace, run: Run, built_once: BuiltOnce) -> tuple[str, str]:
    """Two releases, promoted one after the other. How fast queries are is nothing to rely on beside other tests."""

    def promoted() -> tuple[str, str]:
        handbook.policy({"questions": FLOORS}, watch={"rollback": True, "slower_factor": None})
        first = run().assets["index/production"]["release"]
        handbook.pages({"travel.md": PAGES["travel.md"].replace("second class", "first class on Fridays")})
        second = run().assets["index/production"]["release"]
        assert first != second == serving(handbook.home)
        return str(first), str(second)

    return built_once.state(handbook.root, "watched", promoted)


def answer_vanishes(handbook: Workspace, run: Run) -> None:
    """A judged page is deleted, its source was read again, and nothing was promoted since."""
    (handbook.root / "pages" / "leave.md").unlink()
    ran = run(promote=False)
    assert ran.assets["handbook/documents"]["documents"] == len(PAGES) - 1


def test_an_answer_that_vanished_turns_its_check_red_and_production_goes_back(
    handbook: Workspace, run: Run, two: tuple[str, str]
) -> None:
    first, second = two
    assert watch(handbook) == {}
    assert serving(handbook.home) == second, "nothing is wrong, so nothing moves"
    answer_vanishes(handbook, run)
    failed = watch(handbook)
    assert list(failed) == ["no_judged_answer_vanished"]
    assert "1 of 6 judged answers are gone, first handbook/leave.md (dead)" in failed["no_judged_answer_vanished"]
    channel = read_channel(handbook.home, "production")
    assert channel is not None
    assert (channel.release, channel.previous, len(channel.withdrawn)) == (first, second, 1)
    assert "production got worse: questions: 1 of 6 judged answers are gone" in channel.why
    assert (told(handbook)["release"], told(handbook)["previous"]) == (first, second)
    assert watch(handbook) == {}, "it was promoted without that answer, so it is not missed twice"
    assert serving(handbook.home) == first


@pytest.mark.slow
def test_a_stale_source_turns_its_check_red_and_production_stays_where_the_gate_refuses(
    handbook: Workspace, run: Run, two: tuple[str, str]
) -> None:
    _, second = two
    answer_vanishes(handbook, run)
    sla = [{"property": "latency", "value": 1, "unit": "s"}]
    handbook.contract("handbook", files_contract(handbook.root / "pages", slaProperties=sla, **LENIENT))
    failed = watch(handbook)
    assert failed.keys() == {"sources_are_fresh", "no_judged_answer_vanished", "production_meets_the_policy"}
    assert "handbook is" in failed["sources_are_fresh"]
    assert "its contract allows 0.000277778 h" in failed["sources_are_fresh"]
    assert serving(handbook.home) == second
    last = audit_table(handbook.home).scan().sort("at").collect().to_dicts()[-1]
    assert last["action"] == "refused"
    assert "its contract allows 0.000277778 h" in last["reasons"]
    assert told(handbook)["release"] == second


@pytest.mark.slow
def test_without_leave_to_go_back_production_stays(handbook: Workspace, run: Run, two: tuple[str, str]) -> None:
    handbook.policy({"questions": FLOORS}, watch={"rollback": False, "slower_factor": None})
    answer_vanishes(handbook, run)
    assert list(watch(handbook)) == ["no_judged_answer_vanished"]
    assert serving(handbook.home) == two[1]
    assert "refused" not in audit_table(handbook.home).scan().collect()["action"].to_list()
