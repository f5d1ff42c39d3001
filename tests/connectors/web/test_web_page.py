"""One page: its kind, its charset, its title, and whether it wants to be found."""

import re

import pytest

from rag_pipeline.errors import Unreadable
from tests.support.folders import pdf
from tests.support.web_site import Reader, Reply, html, read_page, serve, web


def test_a_page_without_a_title_has_its_first_heading_as_one_and_else_its_address() -> None:
    assert read_page(html("text"))["title"] == "Owls"
    plain = read_page(Reply(b"just text\n", headers={"Content-Type": "text/plain"}))
    assert re.fullmatch(r"http://127.0.0.1:\d+/page", plain["title"])
    assert plain["modified_at"] is None


def test_text_markdown_and_pdf_are_read_too() -> None:
    markdown = "# Café\r\n\r\n<b>to the letter</b>\r\n".encode()
    assert (
        read_page(Reply(markdown, headers={"Content-Type": "text/markdown"}))["text"] == "# Café\n\n<b>to the letter</b>\n"
    )
    row = read_page(Reply(pdf("The owl hunts at night."), headers={"Content-Type": "application/pdf"}))
    assert "The owl hunts at night." in row["text"]
    assert row["media_type"] == "application/pdf"


@pytest.mark.parametrize(
    ("content_type", "reason"),
    [("image/png", "is image/png; read are application/pdf"), ("", "has no Content-Type"), ("html", "is html; read are")],
)
def test_a_page_of_another_kind_is_unreadable_and_its_body_is_not_read(content_type: str, reason: str) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    with pytest.raises(Unreadable, match=reason):
        read_page(Reply(b"x" * 5_000_000, headers=headers))


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ("<p>Café “x” €</p>".encode("cp1252"), "text/html; charset=ISO-8859-1"),
        ("<p>Café “x” €</p>".encode("cp1252"), 'text/html; charset="latin1"'),
        ('<meta charset="windows-1252"><p>Café “x” €</p>'.encode("cp1252"), "text/html"),
        (
            "<meta http-equiv='Content-Type' content='text/html; charset=iso-8859-1'><p>Café “x” €</p>".encode("cp1252"),
            "text/html",
        ),
        ('<meta charset="iso-8859-1"><p>Café “x” €</p>'.encode(), "text/html; charset=utf-8"),
        ('<meta charset="utf-16"><p>Café “x” €</p>'.encode(), "text/html"),
        ("<p>Café “x” €</p>".encode(), "text/html"),
        ("<p>Café “x” €</p>".encode("utf-8-sig"), "text/html; charset=latin-1"),
        ("<p>Café “x” €</p>".encode("utf-16"), "text/html"),
        ("<p>Café “x” €</p>".encode("gb18030"), "text/html; charset=gb2312"),
    ],
)
def test_the_charset_of_a_page_is_honoured(body: bytes, content_type: str) -> None:
    assert read_page(Reply(body, headers={"Content-Type": content_type}))["text"] == "Café “x” €\n"


def test_the_charset_of_a_text_is_honoured() -> None:
    latin = Reply("Café".encode("latin-1"), headers={"Content-Type": "text/plain; charset=latin-1"})
    assert read_page(latin)["text"] == "Café"


@pytest.mark.parametrize(
    ("body", "content_type", "reason"),
    [
        ("<p>Café</p>".encode("latin-1"), "text/html", "not utf-8: byte 0xe9 at offset 6"),
        ("<p>Café</p>".encode("latin-1"), "text/html; charset=utf-8", "not utf-8: byte 0xe9"),
        (b"<p>text</p>", "text/html; charset=unicode_escape", "names a charset that no page may use"),
        (b"<p>text</p>", "text/html; charset=idna", "names a charset that no page may use"),
        (b"<p>text</p>", "text/html; charset=nonsense", "names a charset that no page may use"),
        (b"text\x00", "text/plain", "holds zero bytes"),
        (b"", "text/html", "the page is empty"),
        (b" \n\t", "text/html", "the page is empty"),
        (b"<html><head><title>T</title></head><body></body></html>", "text/html", "no text found in this HTML"),
        (b"this is no pdf", "application/pdf", "not readable as PDF"),
    ],
)
def test_a_page_that_is_not_what_it_says_or_says_nothing_is_unreadable(body: bytes, content_type: str, reason: str) -> None:
    with pytest.raises(Unreadable, match=reason):
        read_page(Reply(body, headers={"Content-Type": content_type}))


@pytest.mark.parametrize(
    "page",
    [
        html("hidden", head='<meta name="robots" content="noindex, nofollow">'),
        html("hidden", head="<META content=NONE NAME=Robots>"),
        html("hidden", head='<meta name="rag-pipeline" content="noindex">'),
        html("hidden", X_Robots_Tag="noarchive, noindex"),
        html("hidden", X_Robots_Tag="rag-pipeline: noindex"),
        Reply(
            '<meta name="robots" content="noindex"><p>x</p>'.encode("utf-16"),
            headers={"Content-Type": "text/html; charset=utf-16"},
        ),
    ],
)
def test_a_page_that_asks_not_to_be_indexed_is_left_out(page: Reply) -> None:
    with serve() as site:
        site.pages |= {"/a": html("shown"), "/b": page}
        reader = Reader(lambda: web(pages=[site("/a"), site("/b")]))
        assert list(reader.night().known) == [site("/a")]
        assert not reader.problems


@pytest.mark.parametrize(
    "page",
    [
        html("shown", head='<meta name="robots" content="nofollow, noarchive">'),
        html("shown", head='<meta name="googlebot" content="noindex">'),
        html("shown", X_Robots_Tag="googlebot: noindex"),
        html("shown", X_Robots_Tag="unavailable_after: 25 Jun 2100 15:00:00 PST"),
        html('shown <meta name="robots" content="noindex">'),
    ],
)
def test_what_is_meant_for_other_robots_or_means_other_things_leaves_a_page_in(page: Reply) -> None:
    assert "shown" in read_page(page)["text"]
