"""Sitemaps of every form, and files that are none, are too much, or mean harm."""

import gzip
import logging
import re
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag_pipeline.connectors import Named
from rag_pipeline.connectors.web import sitemap as web_sitemap
from rag_pipeline.errors import SourceUnavailable
from rag_pipeline.fetching.address import address
from tests.support.web_site import Reply, Site, html, moved, serve, sitemap_index, urlset, web


@pytest.fixture
def site() -> Iterator[Site]:
    with serve() as site:
        for name in ("a", "b", "c"):
            site.pages[f"/{name}"] = html(f"page {name}")
        yield site


def listed(site: Site, at: str = "/sitemap.xml") -> list[str]:
    keys = [item.key for item in web(site(at)).items(lambda _: None)]
    return [key.removeprefix(site.url) for key in keys]


def trouble(site: Site, body: bytes = b"", **headers: str) -> str:
    """Why the source is unavailable when this is its sitemap."""
    if body:
        site.pages["/sitemap.xml"] = Reply(body, headers=headers)
    with pytest.raises(SourceUnavailable) as error:
        listed(site)
    assert site("/sitemap") in told(error.value)
    return told(error.value)


def told(error: SourceUnavailable) -> str:
    return error.told(str) if isinstance(error, Named) else str(error)


def test_an_empty_sitemap_lists_nothing(site: Site) -> None:
    site.sitemap()
    assert listed(site) == []


@pytest.mark.parametrize("headers", [{}, {"Content-Type": "application/x-gzip"}, {"Content-Type": "text/xml"}])
def test_a_gzipped_sitemap_is_unpacked_whatever_its_type_is_said_to_be(site: Site, headers: dict[str, str]) -> None:
    site.pages["/sitemap.xml.gz"] = Reply(gzip.compress(urlset(site("/a"))), headers=headers)
    assert listed(site, "/sitemap.xml.gz") == ["/a"]


def test_a_gzipped_sitemap_sent_with_content_encoding_is_unpacked_as_often_as_it_was_packed(site: Site) -> None:
    once = gzip.compress(urlset(site("/a")))
    for body in (once, gzip.compress(once)):
        site.pages["/sitemap.xml.gz"] = Reply(body, headers={"Content-Encoding": "gzip"})
        assert listed(site, "/sitemap.xml.gz") == ["/a"]


def test_an_index_is_followed_in_order_and_each_sitemap_read_once(site: Site) -> None:
    site.pages["/sitemap.xml"] = Reply(sitemap_index(site("/sitemap2"), site("/sitemap1"), site("/sitemap2")))
    site.pages["/sitemap1"] = Reply(gzip.compress(sitemap_index(site("/sitemap3"), site("/sitemap.xml"))))
    site.sitemap("/c", "/b", at="/sitemap2")
    site.sitemap("/a", "/b", at="/sitemap3")
    assert listed(site) == ["/c", "/b", "/a"]
    assert len(site.of("/sitemap2")) == len(site.of("/sitemap.xml")) == 1


def test_an_index_three_levels_down_is_refused(site: Site) -> None:
    for level in range(4):
        site.pages["/sitemap.xml" if not level else f"/sitemap{level}"] = Reply(sitemap_index(site(f"/sitemap{level + 1}")))
    assert "is an index inside 2 others" in trouble(site)
    assert site.of("/sitemap3") == []


def test_a_part_of_an_index_that_cannot_be_read_makes_the_source_unavailable_so_that_its_pages_are_no_deletes(
    site: Site,
) -> None:
    site.pages["/sitemap.xml"] = Reply(sitemap_index(site("/sitemap1"), site("/sitemap2")))
    site.sitemap("/a", at="/sitemap1")
    assert "/sitemap2 answered 404" in trouble(site)


@pytest.mark.parametrize(
    "form",
    [
        "<urlset><url><loc>\n  {a}\t</loc></url></urlset>",
        "<s:urlset xmlns:s='http://www.google.com/schemas/sitemap/0.84'><s:url><s:loc>{a}</s:loc></s:url></s:urlset>",
        "<urlset><url><priority>1</priority><loc><![CDATA[{a}]]></loc><lastmod>never</lastmod></url></urlset>",
        "<urlset><url><loc>{a}</loc><image xmlns='urn:image'><loc>{b}</loc></image></url></urlset>",
        "<?xml version='1.0' encoding='ISO-8859-1'?><!-- {b} --><urlset><url><loc>{a}#part</loc></url></urlset>",
        "<urlset><url><loc>{a}</loc></url><url><loc>{a}#one</loc></url><url><loc>{a}#two</loc></url></urlset>",
    ],
)
def test_the_forms_that_sitemaps_come_in(site: Site, form: str) -> None:
    site.pages["/sitemap.xml"] = Reply(form.format(a=site("/a"), b=site("/b")).encode())
    assert listed(site) == ["/a"]


def test_entries_of_other_sites_and_what_is_no_plain_address_are_left_out_and_told(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    with serve() as other:
        other.pages["/a"] = html("other")
        secret = site("/b").replace("http://", "http://me:secret@")
        wrong = [other("/a"), "http://example.org/", "/b", "ftp://127.0.0.1/b", "file:///etc/passwd", secret, "http://[", ""]
        site.pages["/sitemap.xml"] = Reply(urlset(*wrong, site("/a")))
        assert listed(site) == ["/a"]
        assert other.asked == []
    (told,) = (record for record in caplog.records if record.levelno == logging.WARNING)
    assert "8 entries of 1 sitemaps are left out" in told.getMessage()
    assert "secret" not in caplog.text


def test_a_sitemap_that_moved_to_another_host_may_name_pages_of_both(site: Site) -> None:
    with serve() as other:
        other.pages["/new"] = html("new")
        other.pages["/sitemap"] = Reply(urlset(other("/new"), site("/a"), "http://example.org/"))
        site.pages["/sitemap.xml"] = moved(other("/sitemap"))
        assert listed(site) == [other("/new"), "/a"]


BOMB = b"""<?xml version="1.0"?><!DOCTYPE urlset [<!ENTITY a "%s">%s]><urlset><url><loc>&j;</loc></url></urlset>""" % (
    b"a" * 100,
    b"".join(b'<!ENTITY %c "%s">' % (101 + i, b"&%c;" % (100 + i if i else 97) * 20) for i in range(6)),
)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (BOMB, "is refused: DTDForbidden"),
        (b'<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]><urlset>&f;</urlset>', "is refused: DTDForbidden"),
        (b"<html><body>Welcome</body></html>", "is XML, but not a sitemap: its root is <html>"),
        (b"<!DOCTYPE html><html><title>Welcome</title></html>", "is refused: DTDForbidden"),
        (b"this is no XML", "is not well-formed XML: line 1, column 0"),
        (b"<urlset><url><loc>http://127", "is not well-formed XML"),
        (b"<urlset>\xff\xfe</urlset>", "is not well-formed XML"),
        (b"<?xml version='1.0' encoding='nonsense'?><urlset/>", "is refused: LookupError"),
        (b" ", "is not well-formed XML"),
        (gzip.compress(urlset("http://127.0.0.1/a"))[:-20], "is not readable as gzip"),
        (b"\x1f\x8bnot gzip at all", "is not readable as gzip"),
    ],
)
def test_what_is_no_sitemap_or_means_harm_makes_the_source_unavailable(site: Site, body: bytes, reason: str) -> None:
    assert reason in trouble(site, body)


def test_a_sitemap_that_unpacks_to_too_much_is_refused(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_sitemap, "MAX_BYTES", 2 * 1024**2)
    assert "unpacks to more than 2 MiB" in trouble(site, gzip.compress(b"<urlset>" + b" " * 3 * 1024**2))


def test_a_sitemap_that_content_encoding_unpacks_to_too_much_is_refused(site: Site) -> None:
    bomb = gzip.compress(b"<urlset>" + b" " * 51 * 1024**2)
    assert len(bomb) < 100_000
    assert "larger than 50 MiB" in trouble(site, bomb, **{"Content-Encoding": "gzip"})


def test_a_sitemap_packed_several_times_over_is_refused(site: Site) -> None:
    twice = gzip.compress(gzip.compress(urlset(site("/a"))))
    assert "Content-Encoding 'gzip, gzip'" in trouble(site, twice, **{"Content-Encoding": "gzip, gzip"})


def test_a_sitemap_with_more_pages_than_the_protocol_allows_is_refused(site: Site) -> None:
    assert "has more than 50,000 entries" in trouble(site, urlset(*[f"http://h/{number}" for number in range(50_001)]))


def test_more_pages_than_a_source_may_have_are_refused(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_sitemap, "MAX_PAGES", 2)
    assert "names more than 2 pages" in trouble(site, urlset(site("/a"), site("/b"), site("/c")))


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply(status=404), "answered 404"),
        (Reply(status=403), "answered 403"),
        (Reply(status=500), "answered 500"),
        (Reply(hang=True), "no answer within 0.3 s"),
        (moved("/sitemap.xml"), "redirects in a circle"),
        (moved("file:///etc/passwd"), "redirects to something that is not a plain http or https address"),
        (Reply(wire=b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n<urlset>"), "the connection broke off"),
    ],
)
def test_a_sitemap_that_cannot_be_had_makes_the_source_unavailable(site: Site, reply: Reply, reason: str) -> None:
    site.pages["/sitemap.xml"] = reply
    with pytest.raises(SourceUnavailable) as raised:
        list(web(site("/sitemap.xml"), timeout_s=0.3).items(lambda _: None))
    assert re.search(rf"the sitemap {site('/sitemap.xml')}:? .*{reason}", told(raised.value))


def test_a_location_that_is_no_address_makes_the_source_unavailable() -> None:
    with pytest.raises(SourceUnavailable, match="is not the http or https address of a sitemap; check `location`"):
        list(web("sitemap.xml").items(lambda _: None))


@given(st.text())
def test_an_address_is_none_or_one_that_reads_the_same_again(text: str) -> None:
    for candidate in (text, f"http://{text}", f"https://example.org/{text}"):
        found = address(candidate)
        if found is not None:
            assert address(str(found)) == found
            assert found.scheme in {"http", "https"} and not found.fragment and not found.userinfo
