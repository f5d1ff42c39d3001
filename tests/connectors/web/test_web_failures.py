"""A site that is down, slow, broken or hostile: no page is lost, none is taken for gone, and nobody waits for ever."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from rag_pipeline.connectors import Named, Remark
from rag_pipeline.errors import SourceUnavailable, Unreadable
from tests.support.web_site import Reader, Reply, Site, html, moved, web

CUT = Reply(wire=b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 100000\r\n\r\n<p>Sensitive words")
CUT_CHUNK = Reply(
    wire=b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n<p>Sensitive words"
)
GARBAGE = Reply(wire=b"Sensitive words, and no HTTP at all\r\n\r\n")
SILENCE = Reply(wire=b"")


@pytest.mark.parametrize(
    "reply",
    [
        *(Reply(status=status) for status in (429, 500, 501, 502, 503, 504, 522)),
        Reply(hang=True),
        CUT,
        CUT_CHUNK,
        GARBAGE,
        SILENCE,
    ],
)
def test_a_page_that_cannot_be_had_tonight_keeps_its_last_copy(site: Site, reader: Reader, reply: Reply) -> None:
    known = dict(reader.night().known)
    assert reader.remarks == ()
    site.pages["/b"] = reply
    reader.night()
    assert reader.known == known
    assert reader.read == []
    assert reader.rows[site("/b")]["text"] == "# Owls\n\npage b\n"
    says = "1 of 3 pages cannot be fetched now, and stay as they were last read"
    assert reader.remarks == (Remark(says, 1, site("/b"), unreachable=True),)
    site.pages["/b"] = html("page b is back", ETag='"b2"')
    assert reader.night().rows[site("/b")]["text"] == "# Owls\n\npage b is back\n"


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply(status=500), "answered 500"),
        (Reply(status=503), "answered 503"),
        (Reply(hang=True), "no answer within 0.3 s"),
        (CUT, r"the connection broke off \(RemoteProtocolError\)"),
        (CUT_CHUNK, r"the connection broke off \(RemoteProtocolError\)"),
        (GARBAGE, r"the connection broke off \(RemoteProtocolError\)"),
        (Reply(status=401), r"answered 401 \(it wants a login\)"),
        (Reply(status=403), r"answered 403 \(we may not read it\)"),
        (html("x", status=403, X_Robots_Tag="noindex"), "answered 403"),
        (Reply(status=204), "answered 204"),
        (Reply(status=304), "answered 304"),
        (Reply(status=418), "answered 418"),
        (Reply(status=301), "answered 301"),
        (moved("/b"), "redirects in a circle, or more than 5 times"),
        (moved("file:///etc/passwd"), "redirects to something that is not a plain http or https address"),
        (moved("ftp://127.0.0.1/x"), "redirects to something that is not a plain http or https address"),
        (moved("//me:secret@127.0.0.1/x"), "redirects to something that is not a plain http or https address"),
        (moved("mailto:me"), "redirects to something that is no"),
        (moved("http://[::nowhere]/"), "redirects to something that is not an address"),
        (moved(""), "redirects in a circle"),
        (html("x", Content_Encoding="br"), "Content-Encoding 'br', which was not asked for"),
        (html("x", Content_Encoding="gzip"), "is not the gzip it is said to be"),
    ],
)
def test_a_new_page_that_cannot_be_had_is_unreadable_with_its_reason_and_asked_anew_the_next_night(
    site: Site, reader: Reader, reply: Reply, reason: str
) -> None:
    site.pages["/b"] = reply
    reader.night()
    assert list(reader.problems) == [site("/b")]
    (said,) = reader.problems.values()
    with pytest.raises(Unreadable, match=reason):
        raise Unreadable(said)
    assert "Sensitive" not in said and "secret" not in said
    assert list(reader.rows) == [site("/a"), site("/c")]
    site.pages["/b"] = html("page b at last", ETag='"b1"')
    assert reader.night().rows[site("/b")]["text"] == "# Owls\n\npage b at last\n"
    assert not reader.problems


def test_a_page_that_was_never_read_is_not_said_to_stay_as_it_was(site: Site, reader: Reader) -> None:
    site.pages["/b"] = Reply(status=500)
    reader.night().night()
    assert reader.problems == {site("/b"): "answered 500"}
    assert reader.remarks == ()


def test_listing_anew_forgets_what_could_not_be_had_before(site: Site, reader: Reader) -> None:
    site.pages["/b"] = [Reply(status=418), html("page b")]
    connector = reader.make()
    assert len(list(connector.items(lambda _: None))) == 3
    items = list(connector.items(lambda _: None))
    assert [row["text"] for row in connector.read(items[1])] == ["# Owls\n\npage b\n"]


def test_a_page_we_may_not_read_any_more_is_unreadable_and_no_delete(site: Site, reader: Reader) -> None:
    reader.night()
    site.pages["/b"] = Reply(status=403)
    reader.night()
    assert site("/b") in reader.known
    assert reader.problems == {site("/b"): "answered 403 (we may not read it)"}


def test_when_more_than_half_of_the_pages_cannot_be_had_the_source_is_unavailable(site: Site, reader: Reader) -> None:
    site.pages |= {"/a": Reply(status=500), "/c": Reply(status=500)}
    with pytest.raises(Named, match="2 of 3 pages could not be fetched, the last, …: answered 500") as raised:
        reader.night()
    assert f"the last, {site('/c')}: answered 500" in raised.value.told(str)


def test_a_site_that_goes_silent_is_not_asked_for_every_page(site: Site) -> None:
    names = [f"/page{number}" for number in range(40)]
    site.pages |= {name: html(name) if number < 5 else Reply(hang=True) for number, name in enumerate(names)}
    site.pages["/page0"] = Reply(hang=True)
    with pytest.raises(SourceUnavailable, match="10 one after the other of 40 pages could not be fetched"):
        list(web(pages=[site(name) for name in names], timeout_s=0.1, retries=0).items(lambda _: None))
    assert len(site.paths()) == 15


def test_a_site_that_goes_down_between_listing_and_reading_makes_the_source_unavailable(site: Site, reader: Reader) -> None:
    known = reader.night().known
    connector = reader.make()
    items = list(connector.items(known.get))
    connector.expect(items)
    site.pages |= {f"/{name}": Reply(status=500) for name in ("a", "b", "c")}
    with pytest.raises(Unreadable, match="answered 500"):
        list(connector.read(items[0]))
    with pytest.raises(SourceUnavailable, match="2 of 3 pages could not be fetched"):
        list(connector.read(items[1]))


def test_a_page_gone_between_listing_and_reading_is_unreadable(site: Site, reader: Reader) -> None:
    known = reader.night().known
    connector = reader.make()
    items = list(connector.items(known.get))
    site.pages["/a"] = Reply(status=404)
    with pytest.raises(Unreadable, match=r"answered 404 \(it is gone\)"):
        list(connector.read(items[0]))


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_passing_failure_is_tried_again_as_often_as_the_contract_says(site: Site, status: int) -> None:
    site.pages["/a"] = [Reply(status=status), Reply(status=status), html("third time")]
    connector = web(pages=[site("/a")], retries=2)
    (item,) = connector.items(lambda _: None)
    assert [row["text"] for row in connector.read(item)] == ["# Owls\n\nthird time\n"]
    site.pages["/a"] = [Reply(status=status), Reply(status=status), html("third time")]
    with pytest.raises(SourceUnavailable, match="1 of 1 pages could not be fetched"):
        list(web(pages=[site("/a")], retries=1).items(lambda _: None))


@pytest.mark.parametrize("broken", [Reply(hang=True), CUT, CUT_CHUNK, GARBAGE, SILENCE])
def test_a_connection_that_breaks_is_tried_again(site: Site, broken: Reply) -> None:
    site.pages["/a"] = [broken, html("second time")]
    connector = web(pages=[site("/a")], timeout_s=0.3)
    (item,) = connector.items(lambda _: None)
    assert [row["text"] for row in connector.read(item)] == ["# Owls\n\nsecond time\n"]


@pytest.mark.parametrize("status", [401, 403, 404, 410, 418, 501])
def test_a_lasting_failure_is_not_tried_again(site: Site, status: int) -> None:
    site.pages["/a"] = Reply(status=status)
    list(web(site("/sitemap.xml"), retries=3).items(lambda _: None))
    assert len(site.of("/a")) == 1


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_waited_for(site: Site, status: int) -> None:
    site.pages["/a"] = [Reply(status=status, headers={"Retry-After": "1"}), html("later")]
    list(web(pages=[site("/a")]).items(lambda _: None))
    first, second = site.of("/a")
    assert second.at - first.at > 0.9


@pytest.mark.parametrize(
    "after",
    ["3600", format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True), "9" * 5000],
    ids=["seconds", "a date", "for ever"],
)
def test_a_retry_after_of_hours_is_not_waited_for_and_not_ignored_either(site: Site, reader: Reader, after: str) -> None:
    reader.night()
    site.pages["/b"] = Reply(status=503, headers={"Retry-After": after})
    reader.night()
    assert len(site.of("/b")) == 2
    assert reader.read == []


@pytest.mark.parametrize("after", ["", "soon", "-5", "Wed, 21 Oct 2015 07:28:00 GMT", "Wed, 99 Oct 2015"])
def test_a_retry_after_that_is_none_or_past_is_an_ordinary_retry(site: Site, after: str) -> None:
    site.pages["/a"] = [Reply(status=503, headers={"Retry-After": after}), html("later")]
    assert len(list(web(pages=[site("/a")]).items(lambda _: None))) == 1
