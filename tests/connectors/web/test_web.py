"""A website night after night: what is asked, what is transferred, what is read, and what a row holds."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from rag_pipeline.errors import SourceUnavailable
from rag_pipeline.fetching import fetch as web_fetch
from tests.support.web_site import LONG_AGO, Reader, Reply, Site, html, moved, serve, web


@pytest.fixture
def site() -> Iterator[Site]:
    with serve() as site:
        yield site


@pytest.fixture
def reader(site: Site) -> Reader:
    return Reader(lambda: web(site("/sitemap.xml")))


def three_pages(site: Site) -> None:
    for name in ("a", "b", "c"):
        site.pages[f"/{name}"] = html(f"page {name}", ETag=f'"{name}1"')
    site.sitemap("/a", "/b", "/c")


def test_every_page_of_a_sitemap_is_read_once(site: Site, reader: Reader) -> None:
    three_pages(site)
    reader.night()
    assert {key: row["text"] for key, row in reader.rows.items()} == {
        site(f"/{name}"): f"# Owls\n\npage {name}\n" for name in ("a", "b", "c")
    }
    assert site.paths() == ["/a", "/b", "/c"]


def test_an_unchanged_second_night_transfers_no_page_and_reads_none(site: Site, reader: Reader) -> None:
    three_pages(site)
    site.pages["/b"] = html("page b", Last_Modified=LONG_AGO)
    reader.night()
    before, known = site.page_bytes, dict(reader.known)
    reader.night()
    assert reader.read == []
    assert reader.known == known
    assert site.page_bytes == before
    assert site.paths() == ["/a", "/b", "/c"] * 2


def test_an_edited_page_is_read_again_and_only_that(site: Site, reader: Reader) -> None:
    three_pages(site)
    reader.night()
    before = site.page_bytes
    site.pages["/b"] = html("page b, edited", ETag='"b2"')
    reader.night()
    assert reader.read == [site("/b")]
    assert reader.rows[site("/b")]["text"] == "# Owls\n\npage b, edited\n"
    assert site.page_bytes - before == len(html("page b, edited").body)


def test_a_new_page_is_read_and_a_page_gone_from_the_sitemap_is_a_delete(site: Site, reader: Reader) -> None:
    three_pages(site)
    reader.night()
    site.pages["/d"] = html("page d")
    site.sitemap("/b", "/c", "/d")
    reader.night()
    assert reader.read == [site("/d")]
    assert list(reader.known) == [site("/b"), site("/c"), site("/d")]


@pytest.mark.parametrize("status", [404, 410])
def test_a_page_that_is_gone_is_a_delete_though_the_sitemap_names_it(site: Site, reader: Reader, status: int) -> None:
    three_pages(site)
    reader.night()
    site.pages["/b"] = Reply(b"gone", status)
    reader.night()
    assert list(reader.known) == [site("/a"), site("/c")]
    assert reader.problems == {}


def test_the_same_etag_is_the_same_version_from_a_server_that_always_sends_the_page(site: Site, reader: Reader) -> None:
    three_pages(site)
    site.answers_304 = False
    known = reader.night().known
    assert reader.night().read == []
    assert reader.known == known


def test_a_weak_etag_will_do(site: Site, reader: Reader) -> None:
    site.sitemap("/a")
    site.pages["/a"] = html("page a", ETag='W/"1"')
    reader.night()
    assert reader.night().read == []
    assert site.of("/a")[-1].status == 304


@pytest.mark.parametrize("etag", ["", "   ", "é", '"' + "x" * 600 + '"'])
def test_an_etag_that_cannot_be_sent_back_is_none(site: Site, reader: Reader, etag: str) -> None:
    site.sitemap("/a")
    site.pages["/a"] = html("page a", ETag=etag, Last_Modified=LONG_AGO)
    reader.night()
    assert reader.known == {site("/a"): f"modified:{LONG_AGO}"}


def test_a_page_without_validators_is_transferred_every_night_and_read_only_when_it_changed(
    site: Site, reader: Reader
) -> None:
    site.sitemap("/a")
    site.pages["/a"] = html("page a")
    reader.night()
    assert reader.night().read == []
    assert [one.status for one in site.of("/a")] == [200, 200]
    site.pages["/a"] = html("page A")
    assert reader.night().read == [site("/a")]


def test_two_edits_within_a_second_are_both_seen_though_last_modified_is_the_same(site: Site, reader: Reader) -> None:
    site.sitemap("/a")
    site.pages["/a"] = html("first", Last_Modified="Fri, 01 Jan 2100 00:00:00 GMT")  # not before the answer's own date
    reader.night()
    site.pages["/a"] = html("again", Last_Modified="Fri, 01 Jan 2100 00:00:00 GMT")
    reader.night()
    assert reader.rows[site("/a")]["text"] == "# Owls\n\nagain\n"


def test_lastmod_of_the_sitemap_does_not_hide_an_edit(site: Site, reader: Reader) -> None:
    entry = f"<url><loc>{site('/a')}</loc><lastmod>2015-10-21</lastmod></url>"
    site.pages["/sitemap.xml"] = Reply(f"<urlset>{entry}</urlset>".encode())
    site.pages["/a"] = html("first", ETag='"1"')
    reader.night()
    site.pages["/a"] = html("again", ETag='"2"')
    assert reader.night().read == [site("/a")]


def test_a_page_read_again_for_a_new_contract_is_fetched_plainly(site: Site) -> None:
    three_pages(site)
    known = {item.key: item.version for item in web(site("/sitemap.xml")).items(lambda _: None)}
    connector = web(site("/sitemap.xml"))
    items = list(connector.items(known.get))
    connector.expect(items)
    texts = [row["text"] for item in items for row in connector.read(item)]
    assert texts == [f"# Owls\n\npage {name}\n" for name in ("a", "b", "c")]
    assert "if-none-match" not in site.of("/c")[-1].headers


def test_a_page_can_be_read_twice(site: Site) -> None:
    site.pages["/a"] = html("page a")
    connector = web(pages=[site("/a")])
    (item,) = connector.items(lambda _: None)
    assert list(connector.read(item)) == list(connector.read(item))
    assert len(site.of("/a")) == 1


def test_pages_may_be_named_beside_a_sitemap_and_are_asked_once(site: Site) -> None:
    three_pages(site)
    connector = web(site("/sitemap.xml"), [site("/b"), site("/a#part"), site("/robots.html")])
    site.pages["/robots.html"] = html("named")
    keys = [item.key for item in connector.items(lambda _: None)]
    assert keys == [site("/a"), site("/b"), site("/c"), site("/robots.html")]
    assert site.paths() == ["/a", "/b", "/c", "/robots.html"]


@pytest.mark.parametrize("page", ["/relative", "ftp://example.org/x", "file:///etc/passwd", "http://me:secret@example.org/"])
def test_a_named_page_that_is_no_plain_address_makes_the_source_unavailable(page: str) -> None:
    with pytest.raises(SourceUnavailable, match="is not a plain http or https address"):
        list(web(pages=[page]).items(lambda _: None))


def test_neither_sitemap_nor_pages_makes_the_source_unavailable() -> None:
    with pytest.raises(SourceUnavailable, match="set `location` or `pages`"):
        list(web().items(lambda _: None))


def test_a_row_says_where_the_page_is_and_when_it_changed(site: Site) -> None:
    site.pages["/old"] = moved("/new?x=1")
    site.pages["/new?x=1"] = html("moved here", head="<title> All about\n owls &amp; co </title>", Last_Modified=LONG_AGO)
    connector = web(pages=[site("/old")])
    (item,) = connector.items(lambda _: None)
    (row,) = connector.read(item)
    assert row == {
        "path": site("/old"),
        "text": "# Owls\n\nmoved here\n",
        "title": "All about owls & co",
        "uri": site("/new?x=1"),
        "modified_at": datetime(2015, 10, 21, 7, 28, tzinfo=UTC),
        "media_type": "text/html",
    }


def test_a_page_hidden_by_a_header_beside_a_304_is_left_out(site: Site, reader: Reader) -> None:
    three_pages(site)
    reader.night()
    site.pages["/b"] = html("page b", ETag='"b1"', X_Robots_Tag="noindex")
    assert list(reader.night().known) == [site("/a"), site("/c")]
    assert site.of("/b")[-1].status == 304


def test_what_was_transferred_is_removed_when_the_connector_goes(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    three_pages(site)
    connector = web(site("/sitemap.xml"))
    assert len(list(connector.items(lambda _: None))) == 3
    assert len([*tmp_path.glob("*/*")]) == 3
    del connector
    assert [*tmp_path.iterdir()] == []


def test_what_was_transferred_and_is_not_new_is_not_kept(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    site.pages["/a"] = html("page a")
    first = web(pages=[site("/a")])
    (item,) = first.items(lambda _: None)
    del first
    connector = web(pages=[site("/a")])
    assert list(connector.items({item.key: item.version}.get)) == [item]
    assert site.page_bytes == 2 * len(site.next_reply("/a").body)
    assert [*tmp_path.glob("*/*")] == []
    assert [row["text"] for row in connector.read(item)] == ["# Owls\n\npage a\n"]


def test_every_request_says_who_asks_and_carries_no_cookie(site: Site, reader: Reader) -> None:
    three_pages(site)
    site.pages["/a"] = html("page a", Set_Cookie="session=1; Path=/")
    reader.night()
    agents = {one.headers["user-agent"] for one in site.asked}
    assert agents == {web_fetch.USER_AGENT}
    assert web_fetch.USER_AGENT.startswith("rag-pipeline/")
    assert not any("cookie" in one.headers for one in site.asked)


@pytest.mark.parametrize("key", ["/", "/a%20b", "/ä?q=ö&x=1", "/a;b=c", "/a//b"])
def test_an_address_of_any_form_is_asked_for_and_keeps_its_key(site: Site, key: str) -> None:
    path = httpx.URL(site(key)).raw_path.decode()
    site.pages[path] = html("found", ETag='"1"')
    reader = Reader(lambda: web(pages=[site(key)]))
    known = dict(reader.night().known)
    assert reader.night().known == known == {site(path): 'etag:"1"'}
    assert [one.status for one in site.of(path)] == [200, 304]
