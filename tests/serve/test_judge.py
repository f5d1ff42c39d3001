"""The judge's page: who may judge, what is shown and what is not, what is kept, and the page by keyboard in a browser."""

import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from rag_pipeline.door.keys import read_keys
from rag_pipeline.door.problems import MEDIA_TYPE
from rag_pipeline.golden.journal import read_journal
from rag_pipeline.golden.read import read_golden_set
from rag_pipeline.release.withdrawn import restore, withdraw
from rag_pipeline.traffic.queue import queue_folder
from tests.conftest import Workspace
from tests.support.logged import logging_replica
from tests.support.queued import drawn, was_asked
from tests.support.replicas import Running, key_for

CHROMIUM = shutil.which("chromium")


@pytest.fixture(scope="module")
def queued(served_once: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A copy that was asked six questions, with the queue drawn of them."""
    folder = tmp_path_factory.mktemp("queued") / "served"
    shutil.copytree(served_once.root, folder)
    workspace = Workspace(folder)
    was_asked(workspace)
    drawn(workspace)
    key_for(workspace.home, "search")
    return workspace


@pytest.fixture(scope="module")
def desk(queued: Workspace) -> Iterator[Running]:
    with logging_replica(queued) as found:
        yield found


@pytest.fixture(autouse=True)
def _nothing_judged(queued: Workspace) -> None:
    folder = queue_folder(queued.settings)
    for name in ("judgments.jsonl", "second_judgments.jsonl"):
        (folder / name).unlink(missing_ok=True)
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n")


@pytest.fixture
def ana(queued: Workspace) -> str:
    return key_for(queued.home, "judge")


def test_a_judgment_is_kept_as_one_of_the_terminal_is(desk: Running, queued: Workspace, ana: str) -> None:
    told = desk.post("/v1/judge", ana, {}).json()
    assert (told["place"], told["questions"], told["judged"]) == (1, 5, 0)
    item = told["item"]
    assert set(item) == {"query_id", "question", "document_id", "title", "passages"}, "nothing of ranks, modes and releases"
    after = desk.post(
        "/v1/judge", ana, {"query_id": item["query_id"], "document_id": item["document_id"], "grade": 2}
    ).json()
    assert after["judged"] == 1 and after["item"]["document_id"] != item["document_id"]
    golden = read_golden_set(queue_folder(queued.settings), to_be_judged=True)
    assert golden.qrels == {item["query_id"]: {item["document_id"]: 2}}
    [(_, kept)] = read_journal(queue_folder(queued.settings))
    assert kept is not None and kept.judge == read_keys(queued.home)[-1].id
    back = desk.post("/v1/judge", ana, {"undo": True}).json()
    assert (back["judged"], back["item"]) == (0, item)
    assert not any(read_golden_set(queue_folder(queued.settings), to_be_judged=True).qrels.values())


def test_a_document_that_was_withdrawn_is_not_shown_any_more(desk: Running, queued: Workspace, ana: str) -> None:
    document = desk.post("/v1/judge", ana, {}).json()["item"]["document_id"]
    withdraw(queued.home, document, by="ana", why="a test", now=datetime.now(UTC))
    try:
        desk.wait_until(
            lambda: desk.post("/v1/judge", ana, {}).json()["item"]["document_id"] != document, "another document"
        )
    finally:
        restore(queued.home, document, by="ana", why="a test", now=datetime.now(UTC))
    desk.wait_until(lambda: desk.post("/v1/judge", ana, {}).json()["item"]["document_id"] == document, "the first one again")


def test_what_is_left_for_later_is_not_asked_again_and_all_is_judged_in_the_end(desk: Running, queued: Workspace) -> None:
    ben = key_for(queued.home, "judge")
    told, seen = desk.post("/v1/judge", ben, {}).json(), []
    while told["item"]:
        item = told["item"]
        seen.append((item["query_id"], item["document_id"]))
        grade = None if len(seen) == 1 else 0
        told = desk.post(
            "/v1/judge", ben, {"query_id": item["query_id"], "document_id": item["document_id"], "grade": grade}
        ).json()
    assert len(seen) == len(set(seen)) == 5 * 3
    assert told["judged"] == 14 and "1 documents were left for later" in told["says"]


def test_the_same_key_press_sent_twice_is_one_judgment(desk: Running, queued: Workspace, ana: str) -> None:
    item = desk.post("/v1/judge", ana, {}).json()["item"]
    said = {"query_id": item["query_id"], "document_id": item["document_id"], "grade": 1}
    assert desk.post("/v1/judge", ana, said).json() == desk.post("/v1/judge", ana, said).json()
    assert len([*read_journal(queue_folder(queued.settings))]) == 1


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"[]", 400),
        ({"grade": 2}, 404),
        ({"query_id": "q_" + "0" * 40}, 404),
        ({"query_id": "../x", "document_id": "y", "grade": 1}, 400),
        ({"query_id": "q_" + "0" * 40, "document_id": "handbook/leave.md", "grade": 3}, 400),
        ({"query_id": "q_" + "0" * 40, "document_id": "handbook/leave.md", "grade": True}, 400),
        ({"query_id": "q_" + "0" * 40, "document_id": "handbook/leave.md", "grade": 2}, 404),
        ({"judge": "somebody else"}, 400),
    ],
)
def test_what_was_not_shown_cannot_be_judged(desk: Running, queued: Workspace, ana: str, body: Any, status: int) -> None:
    told = desk.post("/v1/judge", ana, body)
    assert (told.status_code, told.headers["content-type"]) == (status, MEDIA_TYPE)
    item = desk.post("/v1/judge", ana, {}).json()["item"]
    assert (
        desk.post(
            "/v1/judge", ana, {"query_id": item["query_id"], "document_id": "handbook/../keys", "grade": 2}
        ).status_code
        == 404
    )
    assert not [*read_journal(queue_folder(queued.settings))]


@pytest.mark.parametrize(("may", "reads"), [(("search", "feedback"), ("all",)), (("judge",), ("public",)), (("judge",), ())])
def test_judging_needs_its_permission_and_reads_what_askers_read(
    desk: Running, queued: Workspace, may: tuple[str, ...], reads: tuple[str, ...]
) -> None:
    assert desk.post("/v1/judge", None, {}).status_code == 401
    told = desk.post("/v1/judge", key_for(queued.home, *may, reads=reads), {})
    assert told.status_code == 403
    assert "holiday" not in told.text


def test_the_page_holds_nothing_and_lets_nothing_in(desk: Running) -> None:
    for path, kind in (("/judge", "text/html"), ("/judge/app.js", "text/javascript"), ("/judge/style.css", "text/css")):
        told = desk.get(path)
        assert told.status_code == 200 and told.headers["content-type"].startswith(kind)
        assert "default-src 'none'" in told.headers["content-security-policy"]
        assert "unsafe" not in told.headers["content-security-policy"]
        assert "holiday" not in told.text
    assert "innerHTML" not in desk.get("/judge/app.js").text
    assert desk.get("/judge/other").status_code == 404


def test_without_a_queue_the_page_says_what_to_do(desk: Running, queued: Workspace, ana: str) -> None:
    folder = queue_folder(queued.settings)
    folder.rename(folder.with_name("_away"))
    try:
        told = desk.post("/v1/judge", ana, {}).json()
        assert told["item"] is None and "`rag traffic queue`" in told["says"]
    finally:
        folder.with_name("_away").rename(folder)


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
def test_the_page_is_used_by_keyboard_alone(desk: Running, queued: Workspace, tmp_path: Path) -> None:
    """With SCREENSHOTS=FOLDER what it looks like is kept there."""
    from playwright.sync_api import sync_playwright

    pictures = Path(os.environ.get("SCREENSHOTS", tmp_path))
    key = key_for(queued.home, "judge")
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 900, "height": 700})
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda said: errors.append(f"{said.type} {said.text}"))
        page.goto(f"{desk.url}/judge")
        page.wait_for_selector("#key:focus")
        page.screenshot(path=str(pictures / "judge-key.png"))
        page.keyboard.type(key)
        page.keyboard.press("Enter")
        page.wait_for_selector("#item:not([hidden])")
        page.screenshot(path=str(pictures / "judge-item.png"))
        first = (page.inner_text("#question"), page.inner_text("#document"))
        assert page.evaluate("document.activeElement.id") == "item"
        for press in ("2", "0", "s"):
            before = page.inner_text("#document"), page.inner_text("#question")
            page.keyboard.press(press)
            page.wait_for_function(
                "before => document.getElementById('document').innerText !== before[0] || "
                "document.getElementById('question').innerText !== before[1]",
                arg=list(before),
            )
        assert "2 judged" in page.inner_text("#progress")
        for left in (1, 0):
            page.keyboard.press("u")
            page.wait_for_function(f"() => document.getElementById('progress').innerText.includes('{left} judged')")
        assert (page.inner_text("#question"), page.inner_text("#document")) == first
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.dataset.key") == "2"
        page.keyboard.press("Enter")
        page.wait_for_function("() => document.getElementById('progress').innerText.includes('1 judged')")
        for scheme in ("dark", "light"):
            page.emulate_media(color_scheme=scheme)
            page.screenshot(path=str(pictures / f"judge-{scheme}.png"))
        browser.close()
    assert [one for one in errors if "401" not in one] == [], "but for the first call, which has no key yet"
