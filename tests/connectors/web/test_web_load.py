"""A website through the loader: its contract as people write it, and what the tables hold night after night."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import Workspace, files_contract
from tests.support.feeds import Feed
from tests.support.web_site import LONG_AGO, Reply, Site, html, serve


@pytest.fixture
def site() -> Iterator[Site]:
    with serve() as site:
        for name in ("a", "b", "c", "d"):
            site.pages[f"/{name}"] = html(f"page {name}", ETag=f'"{name}1"', Last_Modified=LONG_AGO)
        site.sitemap("/a", "/b", "/c")
        yield site


@pytest.fixture
def feed(workspace: Workspace, site: Site) -> Feed:
    return Feed(workspace, "website", contract(site))


def contract(site: Site, **changes: Any) -> dict[str, Any]:
    properties = {
        "connector": "web",
        "pages": [site("/d")],
        "requestsPerSecond": 1_000,
        "timeoutSeconds": 5,
        "retries": 1,
        "maxMegabytes": 1,
    }
    server = {
        "server": "site",
        "type": "custom",
        "location": site("/sitemap.xml"),
        "customProperties": [{"property": name, "value": value} for name, value in properties.items()],
    }
    return files_contract("", id="website", servers=[server], **changes)


def test_a_website_is_loaded_and_costs_nothing_the_next_night(feed: Feed, site: Site) -> None:
    report = feed.load()
    assert report.outcome == "accepted"
    assert feed.texts() == {site(f"/{name}"): f"# Owls\n\npage {name}\n" for name in ("a", "b", "c", "d")}
    sent = site.page_bytes
    report = feed.load()
    assert (report.outcome, report.items_listed, report.items_read) == ("unchanged", 4, 0)
    assert site.page_bytes == sent


def test_edits_and_deletes_of_a_website_reach_the_documents(feed: Feed, site: Site) -> None:
    feed.load()
    site.pages["/b"] = html("page b, edited", ETag='"b2"')
    site.pages["/c"] = Reply(status=410)
    report = feed.load()
    assert (report.items_read, report.changed, report.removed) == (1, (f"website/{site('/b')}",), (f"website/{site('/c')}",))
    assert feed.texts()[site("/b")] == "# Owls\n\npage b, edited\n"


def test_a_page_that_cannot_be_had_or_read_keeps_its_document(feed: Feed, site: Site) -> None:
    feed.load()
    site.pages |= {"/b": Reply(status=500), "/c": Reply(status=403)}
    report = feed.load()
    assert (report.outcome, len(report.removed), report.unreadable) == ("accepted", 0, 1)
    assert report.items_unreachable == 1, "the page that answers 500"
    assert len(feed.documents()) == 4
    (refusal,) = report.refusals
    assert (refusal.item, refusal.reasons) == (site("/c"), ("answered 403 (we may not read it)",))
    site.pages |= {"/b": html("page b", ETag='"b1"'), "/c": html("page c", ETag='"c1"')}
    report = feed.load()
    assert (report.documents, report.open_refusals, report.items_unreachable) == (4, 0, 0)


def test_a_new_version_of_the_contract_reads_every_page_again(feed: Feed, site: Site) -> None:
    feed.load()
    feed.content = contract(site, version="1.1.0")
    report = feed.load()
    assert (report.items_read, report.documents) == (4, 4)


def test_pages_that_cannot_be_asked_for_are_counted_on_a_night_without_a_change_too(
    feed: Feed, site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    feed.load()
    site.pages["/b"] = Reply(status=500)
    report = feed.load()
    assert (report.outcome, report.items_read, report.items_unreachable) == ("unchanged", 0, 1)
    (warning,) = (record.getMessage() for record in caplog.records if record.levelno == logging.WARNING)
    says = "website: 1 of 4 pages cannot be fetched now, and stay as they were last read; for example "
    assert warning == says + site("/b")


@pytest.mark.parametrize("path", ["/robots.txt", "/sitemap.xml"])
def test_a_website_that_is_down_is_held_and_recovers(feed: Feed, site: Site, path: str) -> None:
    feed.load()
    whole = site.pages.get(path, Reply(status=404))
    site.pages[path] = Reply(status=503)
    report = feed.load()
    assert report.held
    assert f"{site(path)}: answered 503" in report.reason
    assert len(feed.documents()) == 4
    site.pages[path] = whole
    assert feed.load().outcome == "unchanged"


def test_a_website_whose_sitemap_comes_to_be_empty_is_held(feed: Feed, site: Site) -> None:
    feed.content["servers"][0]["customProperties"] = [{"property": "connector", "value": "web"}]
    feed.load()
    site.sitemap()
    report = feed.load()
    assert report.held
    assert "the feed is empty" in report.reason
    assert len(feed.documents()) == 3


def test_no_page_s_words_stand_in_the_log(feed: Feed, site: Site, caplog: pytest.LogCaptureFixture) -> None:
    secret = b"Sesame"
    site.pages["/a"] = Reply(secret, 500)
    site.pages["/b"] = Reply(secret + b"\xff", headers={"Content-Type": "text/plain"})
    site.pages["/c"] = Reply(wire=secret + b" is no HTTP\r\n\r\n")
    site.pages["/d"] = Reply(secret, headers={"Content-Type": "application/pdf"})
    with caplog.at_level(logging.INFO):
        report = feed.load()
    assert report.unreadable == 4 or report.held
    assert "Sesame" not in caplog.text + str(report) + str(feed.quarantine())
