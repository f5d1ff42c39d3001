"""The text of one file of a folder: taken to the letter, or refused as unreadable."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rag_pipeline.errors import Unreadable
from tests.support.folders import docx, files_in, listed, locked_pdf, pdf, read_bytes, write


@pytest.mark.parametrize("name", ["page.md", "page.markdown", "page.txt", "page.text", "page.rst", "PAGE.MD"])
def test_text_is_taken_to_the_letter(tmp_path: Path, name: str) -> None:
    text = "# Café\n\n  indented\ttab  \n\n\n<b>not parsed</b> *nor this* \\n 🦉\n\n"
    assert read_bytes(tmp_path, name, text.encode())["text"] == text


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    row = read_bytes(tmp_path, "page.md", b"\xef\xbb\xbf# Title\n")
    assert row["text"] == "# Title\n"
    assert row["title"] == "Title"


def test_windows_line_ends_become_plain_ones(tmp_path: Path) -> None:
    assert read_bytes(tmp_path, "page.md", b"one\r\ntwo\r\n\r\nthree")["text"] == "one\ntwo\n\nthree"


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("latin.md", "café".encode("latin-1"), r"not UTF-8: byte 0xe9 at offset 3; save as UTF-8"),
        ("wide.txt", "text".encode("utf-16"), r"not UTF-8: byte 0xff at offset 0"),
        ("empty.md", b"", "the file is empty"),
        ("blank.md", b" \n\t\r\n ", "the file is empty"),
        ("binary.md", b"GIF89a\x00\x01\x02", "holds zero bytes, so it is not text in spite of its name"),
        ("photo.md", b"\x89PNG\r\n\x1a\n\x00", "not UTF-8: byte 0x89"),
        ("empty.pdf", b"", "the file is empty"),
        ("corrupt.pdf", b"%PDF-1.4\nthis is no pdf\n", "not readable as PDF"),
        ("other.pdf", b"plain text under a wrong name", "not readable as PDF"),
        ("locked.docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(2000), "corrupt or locked"),
        ("corrupt.docx", b"PK\x03\x04 and then nothing", "not readable as DOCX"),
        ("other.docx", b"plain text under a wrong name", "not readable as DOCX"),
    ],
)
def test_a_file_that_is_not_what_its_name_says_is_unreadable(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    with pytest.raises(Unreadable, match=reason):
        read_bytes(tmp_path, name, content)


def test_a_pdf_cut_off_in_the_middle_is_never_taken_for_its_own_bytes(tmp_path: Path) -> None:
    whole = pdf("The owl hunts at night.")
    with pytest.raises(Unreadable, match="as PDF"):
        read_bytes(tmp_path, "cut.pdf", whole[: len(whole) // 3])


def test_a_pdf_locked_with_a_password_is_unreadable(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match=r"as PDF \(\w+\); is it corrupt or locked\?") as raised:
        read_bytes(tmp_path, "locked.pdf", locked_pdf("The owl hunts at night.", "secret"))
    assert "owl" not in str(raised.value)


def test_a_pdf_that_anybody_may_open_is_read_although_it_is_encrypted(tmp_path: Path) -> None:
    assert "The owl hunts" in read_bytes(tmp_path, "open.pdf", locked_pdf("The owl hunts at night.", ""))["text"]


def test_a_few_control_characters_are_kept(tmp_path: Path) -> None:
    text = "\x1b[31mred\x1b[0m and\x0ca form feed\x01, \x7f and all\n" + "more of it\n" * 5
    assert read_bytes(tmp_path, "log.txt", text.encode())["text"] == text


def test_a_binary_file_without_zero_bytes_is_no_text_in_spite_of_its_name(tmp_path: Path) -> None:
    content = bytes(range(1, 128)) * 20
    with pytest.raises(Unreadable, match=r"560 of its 2,540 characters are control characters, so it is not text"):
        read_bytes(tmp_path, "data.txt", content)


def test_a_pdf_is_read_as_text(tmp_path: Path) -> None:
    row = read_bytes(tmp_path, "owls.pdf", pdf("The owl hunts at night.", "The heron hunts by day."))
    assert "The owl hunts at night." in row["text"]
    assert "The heron hunts by day." in row["text"]
    assert row["media_type"] == "application/pdf"
    assert row["title"] == "owls"


def test_a_pdf_without_a_text_layer_is_unreadable(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="no text found in this PDF"):
        read_bytes(tmp_path, "scan.pdf", pdf(""))


def test_a_word_document_is_read_as_markdown(tmp_path: Path) -> None:
    row = read_bytes(tmp_path, "owls.docx", docx("Owls", "They hunt at night.", "They see — ünlike others — well."))
    assert row["title"] == "Owls"
    assert "They hunt at night." in row["text"]
    assert "They see — ünlike others — well." in row["text"]


def test_scripts_and_styles_of_a_web_page_are_no_part_of_its_text(tmp_path: Path) -> None:
    page = (
        "<html><head><title>Birds</title><style>.owl{color:red}</style><script>var tracker='on';</script></head>"
        "<body><h1>Owls</h1><p>They hunt <b>at night</b>.</p><script>alert('boo')</script></body></html>"
    )
    text = read_bytes(tmp_path, "owls.html", page.encode())["text"]
    assert "# Owls" in text
    assert "at night" in text
    for hidden in ("tracker", "alert", "boo", "color:red", "<p>"):
        assert hidden not in text


def test_a_row_says_where_it_came_from_and_when_it_changed(tmp_path: Path) -> None:
    write(tmp_path, **{"deep/er/my page.md": b"text\n"})
    os.utime(tmp_path / "deep/er/my page.md", (1_700_000_000, 1_700_000_000))
    files = files_in(tmp_path)
    (item,) = listed(files)
    assert item.key == "deep/er/my page.md"
    (row,) = files.read(item)
    assert row["path"] == "deep/er/my page.md"
    assert row["uri"] == f"{tmp_path.as_uri()}/deep/er/my%20page.md"
    assert row["modified_at"] == datetime.fromtimestamp(1_700_000_000, UTC)


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("# First\n# Second\n", "First"),
        ("intro\n\n## Deep\n", "Deep"),
        ("---\ntitle: 'From the front'\n---\n# Heading\n", "From the front"),
        ("no heading at all\n", "page"),
        ("#\n", "page"),
        ("line\n" * 60 + "# Too far down\n", "page"),
        ("---\ntitle: >-\n  Holiday policy\n  for staff\n---\ntext\n", "Holiday policy for staff"),
        ("---\nTitle: 2024-01-31\ndraft: true\n---\ntext\n", "2024-01-31"),
        ("---\ntitle: [a, b]\n---\n# Heading\n", "Heading"),
        ("---\ntitle: {broken\n---\n# Heading\n", "Heading"),
        ("---\na: &a [x]\ntitle: *a\n---\n# Heading\n", "Heading"),
        ("+++\ntitle = 'From TOML'\n+++\n# Heading\n", "From TOML"),
        ("Dear all,\n\nTitle: choose Mr or Mrs.\n\n# Heading\n", "Heading"),
        ("```sh\n# install it\n```\n\n# Heading\n", "Heading"),
        ("    # indented code\n\n# Heading\n", "Heading"),
        ("#ops #oncall\n\n# Heading\n", "Heading"),
        ("Underlined\n==========\n\n# Second\n", "Underlined"),
        ("# Closed #\n", "Closed"),
        ("# Named { #id .class }\n", "Named"),
        ("# In {braces}\n", "In {braces}"),
        ("# *Bold* [link](x.md) and `code` <a name='x'></a>\n", "Bold link and code"),
        ("---\n\n# A rule first\n", "A rule first"),
    ],
)
def test_a_title_comes_from_the_front_matter_or_the_first_heading_or_the_name(tmp_path: Path, text: str, title: str) -> None:
    assert read_bytes(tmp_path, "page.md", text.encode())["title"] == title
