"""The Dagster UI, in a real browser: the pages a person looks at load, and say what they should."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from rag_pipeline.defs.run import refresh
from tests.conftest import Workspace, files_contract
from tests.support.alert_receivers import SECRET, dead_address
from tests.support.webserver import BROWSER_ARGUMENTS, CHROMIUM, webserver

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (Debian: apt-get install chromium)")

PAGES = {
    "leave.md": "# Leave\n\nEvery employee has thirty days of paid holiday each year.\n",
    "travel.md": "# Travel\n\nBook trains in second class. Flights need approval.\n",
}


@pytest.fixture
def refused(workspace: Workspace) -> Workspace:
    """A pipeline with a release in production, one file in quarantine, and a candidate that failed its floor."""
    folder = workspace.pages(PAGES)
    (folder / "empty.md").write_bytes(b"")
    (folder / "<img src=x alt=feed> **bold**.md").write_bytes(b"")
    workspace.contract("handbook", files_contract(folder))
    workspace.golden("questions", {"how many days of vacation": ["handbook/leave.md"]})
    workspace.policy({"questions": {"floors": {"nDCG@10": 0.5}}})
    assert refresh(workspace.settings).success
    workspace.golden("questions", {"how many days of vacation": ["handbook/travel.md"]})
    workspace.policy({"questions": {"floors": {"nDCG@10": 0.9}}})
    workspace.pages({"leave.md": PAGES["leave.md"] + "\nIt may be carried over until March.\n"})
    assert not refresh(workspace.settings).success
    return workspace


@pytest.fixture
def address(refused: Workspace) -> Iterator[str]:
    """The webserver over the refused pipeline."""
    with webserver(refused, RAG_ALERTS=dead_address()) as address:
        yield address


def test_the_pages_a_person_looks_at_load_without_errors_and_call_nobody(
    address: str, refused: Workspace, tmp_path: Path
) -> None:
    from playwright.sync_api import expect, sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=BROWSER_ARGUMENTS)
        page = browser.new_context(viewport={"width": 1600, "height": 1000}).new_page()
        errors: list[str] = []
        strangers: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("request", lambda request: strangers.append(request.url) if _foreign(request.url) else None)

        page.goto(f"{address}/asset-groups")
        for group in ("handbook", "corpus", "evals", "index"):
            expect(page.get_by_text(group, exact=True).first).to_be_visible(timeout=60_000)
        page.screenshot(path=str(tmp_path / "graph.png"))
        assert (tmp_path / "graph.png").stat().st_size > 20_000

        page.goto(f"{address}/assets/handbook/documents")
        expect(page.get_by_text("docs@example.com").first).to_be_visible(timeout=60_000)
        expect(page.get_by_text("reads only items that changed").first).to_be_visible()
        for text in ("lake.documents.handbook", "Open handbook.odcs.yaml"):
            expect(page.get_by_text(text).first).to_be_visible(timeout=60_000)

        page.goto(f"{address}/assets/index/evaluation?view=checks")
        expect(page.get_by_text("candidate_meets_the_policy").first).to_be_visible(timeout=60_000)
        expect(page.get_by_text("below its floor of 0.9").first).to_be_visible(timeout=60_000)
        expect(page.locator("td").get_by_text("gate.yaml:").first).to_be_visible()
        for figure in ("questions/nDCG@10", "questions/nDCG@10 limit", "latency_p95_ms"):
            expect(page.get_by_text(figure, exact=True)).to_have_count(2, timeout=60_000)  # the number, and its plot
        page.screenshot(path=str(tmp_path / "failed-check.png"))

        page.goto(f"{address}/assets/handbook/quarantine?view=checks")
        expect(page.get_by_text("empty.md").first).to_be_visible(timeout=60_000)
        expect(page.locator("td").get_by_text("<img src=x alt=feed> **bold**.md").first).to_be_visible()
        assert page.locator("img[alt=feed]").count() == 0, "what comes from a feed is text"

        page.goto(f"{address}/locations/rag_pipeline.definitions/resources/rag_settings")
        expect(page.get_by_text("RAG_KEEP_RELEASES.").first).to_be_visible(timeout=60_000)
        expect(page.get_by_text(f'"{refused.home}"').first).to_be_visible()
        assert SECRET not in page.content()

        page.goto(f"{address}/automation")
        for name in ("nightly_refresh_schedule", "watch_production_schedule", "alerts"):
            expect(page.get_by_text(name, exact=name == "alerts").first).to_be_visible(timeout=60_000)
        assert SECRET not in page.content()
        page.goto(f"{address}/locations/rag_pipeline.definitions/sensors/alerts")
        expect(page.get_by_text("Sends a message to each receiver").first).to_be_visible(timeout=60_000)
        page.screenshot(path=str(tmp_path / "alerts.png"))
        assert SECRET not in page.content()

        page.goto(f"{address}/overview/activity/timeline")
        expect(page.get_by_role("link", name="nightly_refresh").first).to_be_visible(timeout=60_000)

        page.goto(f"{address}/runs")
        for tag in ("rag/verdict: passed", "rag/promoted: production", "rag/verdict: regressed"):
            expect(page.get_by_text(tag).first).to_be_visible(timeout=60_000)

        page.goto(f"{address}/jobs")
        for job in ("roll_back", "resume"):
            expect(page.get_by_text(job, exact=True).first).to_be_visible(timeout=60_000)
        page.goto(f"{address}/locations/rag_pipeline.definitions/jobs/roll_back/playground")
        expect(page.get_by_text("Missing required config entries ['by', 'why']").first).to_be_visible(timeout=60_000)
        browser.close()

    assert errors == []
    assert strangers == [], "the UI asked a host that is not this machine"


def _foreign(url: str) -> bool:
    return not url.startswith(("http://127.0.0.1", "ws://127.0.0.1", "data:", "blob:"))
