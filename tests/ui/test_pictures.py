"""The pictures of the documentation, taken of a night that the gate refused; `make pictures` keeps them in docs/images.

The documents are those of `examples/handbook`. A picture that shows something else than it should is not taken.
"""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from rag_pipeline.defs.run import refresh
from rag_pipeline.index.candidate import read_candidate
from rag_pipeline.settings import PROJECT
from tests.conftest import Workspace
from tests.support.webserver import BROWSER_ARGUMENTS, CHROMIUM, webserver

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (Debian: apt-get install chromium)"),
]

IMAGES = PROJECT / "docs/images"
PICTURES = ("graph.png", "failed-check.png", "report.png", "launchpad.png", "roll-back.png")

SOMETHING_IS_RED = """() => [...document.querySelectorAll('div')].some(one => {
    const style = getComputedStyle(one), [red, green, blue] = style.borderTopColor.match(/\\d+/g).map(Number);
    return parseFloat(style.borderTopWidth) > 0 && red > 160 && green < 100 && blue < 100;
})"""

ROLL_BACK = """ops:
  move_back:
    config:
      by: ana
      why: wrong prices on the travel page
"""
PROMOTE = """ops:
  index__production:
    config:
      release: {release}
      by: ana
      why: the new handbook is right
"""


@pytest.fixture
def refused(workspace: Workspace) -> Workspace:
    """The example, promoted once; then four pages lost what questions ask for, and the floor refuses the candidate."""
    shutil.copytree(PROJECT / "examples/handbook", workspace.root, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".rag"))
    assert refresh(workspace.settings).success
    for page in ("printers", "meeting-rooms", "sick-days", "expenses"):
        lost = "# Being written anew\n\nWhat stood here will be here again in some weeks; ask your team meanwhile.\n"
        (workspace.root / f"pages/{page}.md").write_text(lost, encoding="utf-8")
    assert refresh(workspace.settings).refused
    return workspace


@pytest.fixture
def page(refused: Workspace) -> Iterator[tuple[Any, str]]:
    """A browser's page, 1600 pixels wide, and the address of the UI."""
    from playwright.sync_api import sync_playwright

    with webserver(refused) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=BROWSER_ARGUMENTS)
        yield browser.new_context(viewport={"width": 1600, "height": 900}).new_page(), address
        browser.close()


def test_the_pictures_of_the_documentation_show_what_they_should(
    page: tuple[Any, str], refused: Workspace, tmp_path: Path
) -> None:
    from playwright.sync_api import expect

    browser, address = page
    folder = IMAGES if os.environ.get("PICTURES") else tmp_path / "pictures"
    folder.mkdir(exist_ok=True)

    def take(name: str, *texts: str) -> None:
        for text in texts:
            expect(browser.get_by_text(text).first).to_be_visible(timeout=60_000)
        browser.wait_for_timeout(1_500)  # the UI moves its parts into place
        browser.screenshot(path=str(folder / name))
        assert (folder / name).stat().st_size > 20_000

    browser.goto(f"{address}/asset-groups")
    for group in ("handbook", "corpus", "evals", "index"):
        expect(browser.get_by_text(group, exact=True).first).to_be_visible(timeout=60_000)
    browser.keyboard.press("Alt+KeyE")  # opens every group
    expect(browser.get_by_text("embeddings", exact=True).first).to_be_visible(timeout=60_000)
    expect(browser.get_by_text("fetching statuses")).to_have_count(0, timeout=60_000)
    browser.wait_for_function(SOMETHING_IS_RED, timeout=60_000)  # what became of each asset arrives last
    take("graph.png", "candidate")
    browser.goto(f"{address}/assets/index/evaluation?view=checks")
    take("failed-check.png", "candidate_meets_the_policy", "below its floor of 0.6")
    browser.goto(f"file://{refused.home.root}/reports/{read_candidate(refused.home).release}.html")
    take("report.png", "below its floor of 0.6")

    browser.set_viewport_size({"width": 1400, "height": 760})
    browser.goto(f"{address}/locations/rag_pipeline.definitions/jobs/roll_back/playground/setup?config={quote(ROLL_BACK)}")
    expect(browser.get_by_text("No errors")).to_be_visible(timeout=60_000)
    write(browser, ROLL_BACK, "by: ")
    take("roll-back.png", "move_back", "Who rolls back")
    browser.goto(f"{address}/assets/index/production")
    materialize = browser.get_by_role("button", name="Materialize").first
    materialize.locator("xpath=following::button[1]").click(timeout=60_000)
    browser.get_by_text("Open launchpad").click()
    expect(browser.get_by_text("No errors")).to_be_visible(timeout=60_000)
    write(browser, PROMOTE.format(release=read_candidate(refused.home).release), "release: ")
    take("launchpad.png", "Launchpad (configure assets)", "The release to promote")


def write(browser: Any, text: str, at: str) -> None:
    """Put a text into the editor of a launchpad, and the cursor behind words of it: the fields there are explained."""
    before = text.partition(at)[0]
    place = {"text": text, "line": before.count("\n"), "column": len(before.rpartition("\n")[2]) + len(at)}
    browser.locator(".CodeMirror").first.evaluate(
        "(box, place) => { box.CodeMirror.setValue(place.text); box.CodeMirror.focus();"
        " box.CodeMirror.setCursor(place.line, place.column); }",
        place,
    )


def test_every_picture_of_a_page_is_one_of_these() -> None:
    pages = [PROJECT / "README.md", *(PROJECT / "docs").rglob("*.md")]
    shown = {name for page in pages for name in re.findall(r"!\[[^\]]*\]\([./\w]*images/([^)]+)\)", page.read_text("utf-8"))}
    assert set(PICTURES) <= shown
    assert {name for name in shown if not name.endswith(".svg")} == set(PICTURES)
    assert {path.name for path in IMAGES.iterdir()} == shown
