"""A site that is too slow, too large, or means harm: nothing is read past its limit, and nobody is led astray."""

import gzip

import pytest

from rag_pipeline.errors import SourceUnavailable, Unreadable
from tests.support.web_site import Reader, Reply, Site, html, moved, read_page, serve, web


def test_a_body_that_trickles_in_for_ever_is_given_up(site: Site) -> None:
    page = html("x" * 10_000)
    site.pages["/b"] = Reply(page.body, headers=page.headers, drip=True)
    reader = Reader(lambda: web(site("/sitemap.xml"), timeout_s=0.1, retries=3))
    assert reader.night().problems == {site("/b"): "not sent completely within 1 s"}
    assert len(site.of("/b")) == 1


def test_a_page_at_the_size_limit_is_read_and_one_over_it_is_not() -> None:
    def page(size: int) -> Reply:
        return Reply(b"x" * size, headers={"Content-Type": "text/plain"})

    assert len(read_page(page(2**20))["text"]) == 2**20
    with pytest.raises(Unreadable, match="larger than 1 MiB; split it, or raise maxMegabytes in the contract"):
        read_page(page(2**20 + 1))


def test_a_page_that_says_it_is_too_large_is_not_read_at_all() -> None:
    with pytest.raises(Unreadable, match="larger than 1 MiB"):
        read_page(Reply(wire=b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 999999999999\r\n\r\n"))


def test_a_page_that_hides_its_size_is_not_read_past_the_limit() -> None:
    chunk = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
    with pytest.raises(Unreadable, match="larger than 1 MiB"):
        read_page(Reply(wire=head + chunk * 20 + b"0\r\n\r\n"))
    bomb = gzip.compress(b"x" * 2**24)
    with pytest.raises(Unreadable, match="larger than 1 MiB"):
        read_page(Reply(bomb, headers={"Content-Type": "text/plain", "Content-Encoding": "gzip"}))


def test_a_gzipped_page_is_unpacked() -> None:
    body = gzip.compress(b"Owls hunt at night.")
    assert read_page(Reply(body, headers={"Content-Type": "text/plain", "Content-Encoding": "gzip"}))["text"].startswith(
        "Owls"
    )


def test_a_content_length_that_is_too_short_spoils_no_other_page(site: Site, reader: Reader) -> None:
    site.pages["/a"] = Reply(
        wire=b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\nOwls hunt, HTTP/1.1 200 OK\r\n\r\n"
    )
    reader.night()
    assert {key: row["text"] for key, row in reader.rows.items()} == {
        site("/a"): "Owls",
        site("/b"): "# Owls\n\npage b\n",
        site("/c"): "# Owls\n\npage c\n",
    }


def test_five_redirects_are_followed_and_no_more(site: Site) -> None:
    for hop in range(6):
        site.pages[f"/hop{hop}"] = moved(f"/hop{hop + 1}", 302 if hop % 2 else 308)
    site.pages["/hop6"] = html("the end")
    connector = web(pages=[site("/hop1"), site("/hop0")])
    near, far = connector.items(lambda _: None)
    assert [row["uri"] for row in connector.read(near)] == [site("/hop6")]
    with pytest.raises(Unreadable, match="more than 5 times"):
        list(connector.read(far))


def test_an_unreachable_host_makes_the_source_unavailable() -> None:
    with serve() as gone:
        address = gone("/a")
    with pytest.raises(SourceUnavailable, match=r"robots.txt: no connection to 127.0.0.1 \(.*refused\)"):
        list(web(pages=[address], retries=0).items(lambda _: None))


def test_no_connection_is_left_open_when_the_connector_goes(site: Site) -> None:
    connector = web(site("/sitemap.xml"))
    list(connector.items(lambda _: None))
    assert site.connections() == 1
    del connector
    assert site.connections(wanted=0) == 0
