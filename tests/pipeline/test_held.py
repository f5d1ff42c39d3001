"""Sources that break their promises keep a release from production, and let go by themselves; the rest goes on."""

from collections.abc import Callable
from typing import Any

import dagster as dg
import pytest

from rag_pipeline.channels.pointer import serving
from rag_pipeline.defs.graph import build
from rag_pipeline.defs.run import Ran
from tests.conftest import Workspace, files_contract
from tests.pipeline.conftest import LENIENT, PAGES

Run = Callable[..., Ran]
Ask = Callable[[str], list[str]]

SUPPORT = [{"channel": "docs-help", "url": "https://example.com/docs-help"}]


def contract(handbook: Workspace, **changes: Any) -> None:
    handbook.contract("handbook", files_contract(handbook.root / "pages", support=SUPPORT, **(LENIENT | changes)))


def failed(ran: Ran) -> dict[str, str]:
    return {f"{check.asset} {check.check}": check.description for check in ran.failed_checks}


@pytest.mark.slow
def test_a_held_source_serves_on_blocks_promotion_past_its_sla_and_recovers_by_itself(
    handbook: Workspace, run: Run, ask: Ask
) -> None:
    contract(handbook)
    garden = {"roses.md": "# Roses\n\nWater roses in the morning, before the sun stands high, and never on their leaves.\n"}
    handbook.contract("garden", files_contract(handbook.pages(garden, "garden"), id="garden"))
    assert run().success
    first = serving(handbook.home)

    (handbook.root / "pages").rename(handbook.root / "gone")
    garden["tulips.md"] = "# Tulips\n\nPlant tulips in autumn, three times as deep as their bulbs are high, in dry soil.\n"
    handbook.pages(garden, "garden")
    held = run()
    assert held.success, "one source that is down does not stop the others"
    second = serving(handbook.home)
    assert second != first, "within its SLA it blocks nothing"
    assert ask("how many days of vacation do I get")[0] == "handbook/leave.md", "its last good version serves"
    says = failed(held)["handbook/documents batch_keeps_its_contract"]
    assert "the feed could not be listed" in says
    assert "Owner: team:docs, docs@example.com; ask: https://example.com/docs-help" in says

    contract(handbook, slaProperties=[{"property": "latency", "value": 1, "unit": "s"}])
    garden["lilies.md"] = "# Lilies\n\nLilies want sun on their heads and shade on their feet, and a mulch of leaves.\n"
    handbook.pages(garden, "garden")
    late = run()
    assert serving(handbook.home) == second, "past its SLA it blocks promotion"
    says = failed(late)["handbook/documents data_is_within_its_sla"]
    assert "this blocks promotion" in says and "docs-help" in says
    refused = failed(late)["index/evaluation candidate_meets_the_policy"]
    assert "source handbook is" in refused and "its contract allows 0.000277778 h" in refused

    (handbook.root / "gone").rename(handbook.root / "pages")
    contract(handbook)
    back = run()
    assert back.success
    assert not {name for name in failed(back) if name.startswith("handbook")}
    assert serving(handbook.home) not in (first, second)


def test_data_that_breaks_a_quality_rule_is_not_released_until_it_is_mended(handbook: Workspace, run: Run) -> None:
    rule = {"name": "enough", "metric": "rowCount", "mustBeGreaterOrEqualTo": len(PAGES), "severity": "error"}
    content = files_contract(handbook.root / "pages", **LENIENT)
    content["schema"][0]["quality"] = [rule]
    handbook.contract("handbook", content)
    assert run().success
    first = serving(handbook.home)
    page = handbook.root / "pages" / "it" / "printers.md"
    text = page.read_text(encoding="utf-8")
    page.unlink()
    broken = run()
    assert not broken.success
    assert serving(handbook.home) == first
    told = failed(broken)
    assert "enough: rowCount is 5 rows; the contract says mustBeGreaterOrEqualTo 6" in told["handbook/documents enough"]
    assert "handbook breaks its contract's quality rule enough" in told["index/evaluation candidate_meets_the_policy"]
    page.write_text(text, encoding="utf-8")
    assert run().success


@pytest.mark.parametrize(("value", "unit", "nightly"), [(6, "h", True), (1, "w", False)])
def test_a_source_with_a_pace_of_its_own_has_a_job_and_a_schedule(
    handbook: Workspace, value: int, unit: str, nightly: bool
) -> None:
    contract(handbook, slaProperties=[{"property": "frequency", "value": value, "unit": unit}])
    definitions = build(handbook.settings)
    documents = dg.AssetKey(["handbook", "documents"])
    own = definitions.resolve_job_def("handbook_refresh").asset_layer.selected_asset_keys
    assert documents in own and dg.AssetKey(["index", "production"]) in own
    assert (documents in definitions.resolve_job_def("nightly_refresh").asset_layer.selected_asset_keys) is nightly
    assert {job.name for job in definitions.resolve_all_job_defs()} >= ({"full_refresh"} if not nightly else set())
    crons = {schedule.name: schedule.cron_schedule for schedule in definitions.schedules or ()}  # type: ignore[union-attr]
    assert crons["handbook_refresh_schedule"] == ("0 */6 * * *" if nightly else "0 3 * * 1")


def test_a_refresh_by_hand_reads_a_source_the_nightly_one_leaves_out(handbook: Workspace, run: Run) -> None:
    contract(handbook, slaProperties=[{"property": "frequency", "value": 1, "unit": "w"}])
    ran = run()
    assert ran.assets["handbook/documents"]["documents"] == len(PAGES)
    assert ran.success
