"""What the UI shows of nights: numbers and words of every check, also where it passes, tables as tables, plain keys."""

from collections.abc import Callable

import dagster as dg
import pytest

from rag_pipeline.defs.graph import build
from rag_pipeline.defs.run import Ran, collect
from rag_pipeline.host.ui_tables import said
from tests.conftest import Workspace, files_contract
from tests.pipeline.conftest import FLOORS, LENIENT, PAGES

Checks = dict[str, list[dg.AssetCheckEvaluation]]
Made = dict[str, list[dg.AssetMaterialization]]

RULE = {
    "name": "enough_pages",
    "type": "library",
    "metric": "rowCount",
    "mustBeGreaterThan": 3,
    "severity": "error",
}


@pytest.fixture
def nights(handbook: Workspace, run: Callable[..., Ran]) -> tuple[Checks, Made]:
    """Two nights that were promoted, a look at production, and a collection: their checks by name, and their assets."""
    contract = files_contract(handbook.root / "pages", **LENIENT)
    contract["schema"][0]["quality"] = [RULE]
    handbook.contract("handbook", contract)
    (handbook.root / "pages" / "empty.md").write_bytes(b"")
    not_worse = {"margin": 0.9, "guard_margin": None, "hit_to_miss_max_percent": None}
    handbook.policy({"questions": FLOORS | {"not_worse": not_worse}}, latency={"p95_ms": 60_000})
    assert run().assets["index/production"]["promoted"]
    handbook.pages({"travel.md": PAGES["travel.md"].replace("second class", "first class on Fridays")})
    assert run().assets["index/production"]["promoted"]
    with dg.DagsterInstance.get() as instance:
        assert build(handbook.settings).resolve_job_def("watch_production").execute_in_process(instance=instance).success
    assert collect(handbook.settings, dry_run=True)["kept"]
    checks: Checks = {}
    made: Made = {}
    of_type = {dg.DagsterEventType.ASSET_CHECK_EVALUATION, dg.DagsterEventType.ASSET_MATERIALIZATION}
    with dg.DagsterInstance.get() as instance:
        for record in instance.get_runs()[::-1]:
            for entry in instance.all_logs(record.run_id, of_type=of_type):
                event = entry.get_dagster_event()
                if event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION:
                    found = event.asset_check_evaluation_data
                    checks.setdefault(f"{found.asset_key.to_user_string()} {found.check_name}", []).append(found)
                else:
                    asset = event.step_materialization_data.materialization
                    made.setdefault(asset.asset_key.to_user_string(), []).append(asset)
    return checks, made


def test_two_nights_are_shown_in_numbers_words_and_tables(handbook: Workspace, nights: tuple[Checks, Made]) -> None:
    checks, made = nights
    graph = build(handbook.settings).resolve_asset_graph()
    assert set(checks) == {f"{key.asset_key.to_user_string()} {key.name}" for key in graph.asset_check_keys}
    for name, found in checks.items():
        for one in found:
            assert one.description, f"{name} does not say what it measured"
            assert numbers(one), f"{name} has no number to plot"
    assert {key.to_user_string() for key in graph.get_all_asset_keys()} == set(made)
    entries = [(name, one.metadata) for name, found in made.items() for one in found]
    entries += [(name, one.metadata) for name, found in checks.items() for one in found]
    for name, metadata in entries:
        assert not {"told", "says", "said"} & set(metadata), name
        assert not [key for key, value in metadata.items() if isinstance(value, dg.MarkdownMetadataValue)], name
    for name, events in made.items():
        assert all("dagster/row_count" in one.metadata for one in events), name

    second = numbers(checks["index/evaluation candidate_meets_the_policy"][-1])
    assert second["questions/nDCG@10 limit"] == 0.6
    assert second["questions/nDCG@10 lower bound limit"] == -0.9
    assert second["questions/nDCG@10 lower bound"] <= second["questions/nDCG@10 difference"]
    assert second["latency_p95_ms limit"] == 60_000
    gate = checks["index/production the_gate_let_it_pass"][-1]
    assert numbers(gate)["questions/nDCG@10 lower bound"] == second["questions/nDCG@10 lower bound"]
    assert "questions/nDCG@10 lower bound" in said(str(gate.description))
    batch = checks["handbook/documents batch_keeps_its_contract"][-1]
    assert numbers(batch) | {"rows_read": 1} == {
        "rows_read": 1,
        "documents_the_batch_leaves": 6,
        "rows_refused": 1,
        "refused_percent": 14.29,
        "refused_percent_limit": 50,
        "drop_percent": 0,
        "drop_percent_limit": 60,
    }
    assert "1 of 7 rows break the contract (14.3 %, at most 50 % may)" in str(batch.description)
    rule = checks["handbook/documents enough_pages"][-1]
    assert numbers(rule) == {"measured": 6, "limit": 3}
    watched = numbers(checks["index/production_evaluation no_judged_answer_vanished"][-1])
    assert watched == {"questions/vanished answers percent": 0, "questions/vanished answers percent limit": 0}
    reasons = checks["index/evaluation candidate_meets_the_policy"][-1].metadata["reasons"]
    assert isinstance(reasons, dg.TableMetadataValue)
    assert reasons.records[0].data["outcome"] == "none: every demand is met"


def numbers(found: dg.AssetCheckEvaluation) -> dict[str, float]:
    """What the UI plots of a check."""
    kinds = (dg.IntMetadataValue, dg.FloatMetadataValue)
    return {name: value.value or 0 for name, value in found.metadata.items() if isinstance(value, kinds)}
