"""Mails: who wrote what to whom, the text people see, mails that were passed on; files that came with one are told."""

from email.message import EmailMessage
from pathlib import Path

import pytest

from rag_pipeline.errors import Unreadable
from rag_pipeline.extraction import parsing
from rag_pipeline.extraction.account import Account
from rag_pipeline.extraction.kinds import EML, MSG
from tests.support.folders import read_bytes
from tests.support.made_documents import mail, msg

HEAD = "From: Anna Müller <anna@example.com>\nTo: bob@example.com\nDate: Mon, 02 Mar 2026 09:15:00 +0100"


def read(message: EmailMessage | bytes, kind: str = EML) -> tuple[str, Account]:
    parsed = parsing.document(message if isinstance(message, bytes) else message.as_bytes(), kind)
    assert parsed.account is not None
    return parsed.text, parsed.account


def test_a_mail_is_its_subject_its_heads_and_its_text(tmp_path: Path) -> None:
    row = read_bytes(
        tmp_path, "m.eml", mail("Zahlen für März", "Lieber Bob,\n\nsiehe unten:\n1. Eulen\n2. Mäuse\n").as_bytes()
    )
    assert (row["title"], row["media_type"]) == ("Zahlen für März", EML)
    assert row["text"] == f"# Zahlen für März\n\n{HEAD}\n\nLieber Bob,\n\nsiehe unten:\n1. Eulen\n2. Mäuse\n"
    assert read_bytes(tmp_path, "n.eml", mail("", "Owls hunt.").as_bytes())["title"] == "n"


def test_of_the_same_in_two_forms_the_page_counts_where_it_says_something() -> None:
    message = mail("Owls", "See the page, reader.")
    message.add_alternative(
        "<style>p{}</style><p>They <b>hunt</b>.</p><table><tr><td>barn</td><td>owl</td></tr></table>", subtype="html"
    )
    text, account = read(message)
    assert text == f"# Owls\n\n{HEAD}\n\nThey **hunt**.\n\n| barn | owl |\n| ---- | --- |\n"
    assert account.lost == {"another form of the same": 4}
    assert account.percent == 0
    empty = mail("Owls", "The text is here.")
    empty.add_alternative("<img src='cid:x'>", subtype="html")
    assert read(empty)[0].endswith("\n\nThe text is here.\n")


def test_what_stands_beside_a_page_is_read_with_it() -> None:
    message = mail("Owls", "First.")
    message.make_mixed()
    for text, kind in (("<p>Second.</p>", "html"), ("Third.", "plain")):
        part = EmailMessage()
        part.set_content(text, subtype=kind)
        message.attach(part)
    assert read(message)[0].endswith("\n\nFirst.\n\nSecond.\n\nThird.\n")
    assert read(message)[1].lost == {}


def test_files_that_came_with_it_are_told_and_pictures_in_its_text_are_not() -> None:
    message = mail("Owls", "Attached.")
    for name, kind in (("a.PDF", "pdf"), ("b.pdf", "pdf"), ("", "zip"), ("private name.Jane Doe", "octet-stream")):
        message.add_attachment(b"iVBORw0KGgo=", maintype="application", subtype=kind, filename=name or None)
    message.add_attachment("words", filename="note.txt")
    message.add_attachment(b"picture", maintype="image", subtype="png", cid="<x>")
    text, account = read(message)
    assert text.endswith("\n\nAttached.\n")
    assert account.attached == {".pdf": 2, ".zip": 1, "another suffix": 1, ".txt": 1}
    assert account.came_with[".pdf in mails"] == 2


def test_mails_that_were_passed_on_are_read() -> None:
    inner, message = mail("What he wrote", "Herons wade.", Cc="cleo@example.com"), mail("Fwd", "See below.")
    inner.add_attachment(b"x", maintype="application", subtype="pdf", filename="a.pdf")
    message.add_attachment(inner)
    text, account = read(message)
    head = HEAD.replace("Date", "Cc: cleo@example.com\nDate")
    assert text.endswith(f"See below.\n\n## What he wrote\n\n{head}\n\nHerons wade.\n")
    assert (account.lost, account.attached) == ({}, {".pdf": 1})


def test_a_mail_in_mails_in_mails_ends_somewhere() -> None:
    message = mail("0", "text")
    for number in range(1, 40):
        outer = mail(str(number), "text")
        outer.add_attachment(message)
        message = outer
    text, account = read(message)
    assert text.count("From: ") == 6
    assert account.attached == {".eml": 1}
    assert account.lost["text"] > 0


def test_letters_of_any_charset_and_heads_no_standard_knows_are_read() -> None:
    content = (
        b"From: =?utf-8?q?J=C3=B6rg?= <j@example.com>\r\nTo: undisclosed recipients: ;\r\n"
        b"Subject: =?iso-8859-1?Q?K=E4se?=\r\n"
        b"Content-Type: text/plain; charset=iso-8859-15\r\n\r\n10 \xa4 f\xfcr K\xe4se\r\n"
    )
    assert read(content)[0] == "# Käse\n\nFrom: Jörg <j@example.com>\nTo: undisclosed recipients:;\n\n10 € für Käse\n"
    assert read(content.replace(b"undisclosed recipients: ;", b'<<>@,;:\\"[]>'))[0].startswith("# Käse\n\nFrom: Jörg")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"just some text\nin lines\n", "it has none of the lines From, To, Subject and Date"),
        (b"PK\x03\x04" + bytes(500), "it has none of the lines"),
        (b"Subject: a\nContent-Type: text/plain; charset=utf-8\n\nK\xe4se", "not utf-8: byte 0xe4"),
        (b"Subject: a\nContent-Type: text/plain; charset=x-none\n\ntext", "names a charset that no page may use"),
    ],
)
def test_what_is_no_mail_or_in_no_charset_is_unreadable(content: bytes, says: str) -> None:
    with pytest.raises(Unreadable, match=says):
        parsing.document(content, EML)


def test_a_mail_that_is_cut_off_is_unreadable() -> None:
    message = mail("Owls", "Attached.")
    message.add_attachment(b"x" * 5000, maintype="application", subtype="pdf", filename="a.pdf")
    whole = message.as_bytes()
    with pytest.raises(Unreadable, match="its last part does not end; is it cut off"):
        parsing.document(whole[: len(whole) // 2], EML)


def test_a_mail_of_outlook_is_read_by_its_page_or_its_plain_text(tmp_path: Path) -> None:
    head = 'From: "Anna Müller" <anna@example.com>\nTo: "Bob" <bob@example.com>\nDate: 2026-03-02T08:15:00+00:00'
    row = read_bytes(tmp_path, "m.msg", msg("Zahlen für März", "Lieber Bob,\r\nsiehe unten.", attached=("a.pdf", "b")))
    assert (row["title"], row["media_type"]) == ("Zahlen für März", MSG)
    assert row["text"] == f"# Zahlen für März\n\n{head}\n\nLieber Bob,\nsiehe unten.\n"
    text, account = read(msg("Owls", "They hunt, reader.", b"<p>They <b>hunt</b>.</p>", attached=("a.pdf",)), MSG)
    assert text == f"# Owls\n\n{head}\n\nThey **hunt**.\n"
    assert (account.lost, account.attached) == ({"another form of the same": 1}, {".pdf": 1})
    assert read(msg("Owls", None, "<p>Käse</p>".encode()), MSG)[0].endswith("\n\nKäse\n"), "kreuzberg reads no page"
    assert read(msg("Long", "owl " * 3000), MSG)[1].lost == {}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (msg("Owls", None, rich=b"compressed"), "keeps its text as rich text alone, which is not read; save it as .eml"),
        (msg("Owls", "text")[:3000], "not readable as a mail of Outlook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(3000), "not readable as a mail of Outlook"),
        (b"plain text under a wrong name", "not readable as a mail of Outlook"),
    ],
)
def test_a_mail_of_outlook_that_cannot_be_read_is_told(content: bytes, says: str) -> None:
    with pytest.raises(Unreadable, match=says):
        parsing.document(content, MSG)
