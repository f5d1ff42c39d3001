"""A folder of documents: what is listed, what is taken to the letter, what is refused and why."""

import contextlib
import io
import os
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rag_pipeline.contracts.contract import Limits, Server
from rag_pipeline.errors import SourceUnavailable, Unreadable
from rag_pipeline.ingest.connectors import Row
from rag_pipeline.ingest.connectors.base import Item
from rag_pipeline.ingest.connectors.files import Files


def write(folder: Path, **files: bytes) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def files_in(folder: Path, pattern: str | None = None, *, max_mb: float = 50) -> Files:
    return Files(Server("files", "documents", folder, pattern, limits=Limits(max_mb=max_mb)))


def listed(files: Files) -> list[Item]:
    return list(files.items(lambda key: None))


def keys(folder: Path, pattern: str | None = None) -> list[str]:
    return [item.key for item in listed(files_in(folder, pattern))]


def readable(folder: Path, pattern: str | None = None) -> set[str]:
    """Keys of what is listed and can be read."""
    files, found = files_in(folder, pattern), set()
    for item in listed(files):
        with contextlib.suppress(Unreadable):
            found |= {row["path"] for row in files.read(item)}
    return found


def read(path: Path, *, max_mb: float = 50) -> Row:
    files = files_in(path.parent, max_mb=max_mb)
    (item,) = (item for item in listed(files) if item.key == path.name)
    (row,) = files.read(item)
    return row


def read_bytes(folder: Path, name: str, content: bytes, *, max_mb: float = 50) -> Row:
    write(folder, **{name: content})
    return read(folder / name, max_mb=max_mb)


def pdf(*pages: str) -> bytes:
    from fpdf import FPDF

    document = FPDF()
    for text in pages:
        document.add_page()
        document.set_font("Helvetica", size=12)
        if text:
            document.multi_cell(0, 8, text)
    return bytes(document.output())


def locked_pdf(text: str, password: str) -> bytes:
    from fpdf import FPDF

    document = FPDF()
    document.set_encryption(owner_password="owner", user_password=password)
    document.add_page()
    document.set_font("Helvetica", size=12)
    document.multi_cell(0, 8, text)
    return bytes(document.output())


def docx(heading: str, *paragraphs: str) -> bytes:
    from docx import Document

    document = Document()
    document.add_heading(heading, level=1)
    for text in paragraphs:
        document.add_paragraph(text)
    buffer = io.BytesIO()
    document.save(buffer)
    return buffer.getvalue()


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


def test_hidden_files_and_files_of_other_kinds_are_not_listed(tmp_path: Path) -> None:
    write(
        tmp_path,
        **{"a.md": b"a", ".b.md": b"b", ".git/c.md": b"c", "sub/.d/e.md": b"e", "f.png": b"f", "g": b"g", "h.py": b"h"},
    )
    (tmp_path / "folder.md").mkdir()
    assert keys(tmp_path) == ["a.md"]


def test_a_pattern_chooses_among_the_files(tmp_path: Path) -> None:
    write(tmp_path, **{"a.md": b"a", "b.txt": b"b", "sub/c.md": b"c", "sub/deep/d.md": b"d"})
    assert keys(tmp_path) == ["a.md", "b.txt", "sub/c.md", "sub/deep/d.md"]
    assert keys(tmp_path, "**/*.md") == ["a.md", "sub/c.md", "sub/deep/d.md"]
    assert keys(tmp_path, "*.md") == ["a.md"]
    assert keys(tmp_path, "sub/*") == ["sub/c.md"]


def test_links_that_lead_out_of_the_folder_are_told_and_never_read(tmp_path: Path) -> None:
    outside = write(tmp_path / "outside", **{"secret.md": b"secret"})
    inside = write(tmp_path / "inside", **{"real.md": b"real"})
    (inside / "link.md").symlink_to(outside / "secret.md")
    (inside / "folder").symlink_to(outside)
    (inside / "alias.md").symlink_to(inside / "real.md")
    (inside / "dangling.md").symlink_to(inside / "gone.md")
    assert readable(inside) == {"alias.md", "real.md"}
    assert keys(inside) == ["alias.md", "dangling.md", "folder", "link.md", "real.md"]
    assert readable(inside, "*/*.md") == readable(inside, "../outside/*.md") == set()
    with pytest.raises(Unreadable, match="lies outside the folder, or is a link that leads out of it"):
        read(inside / "link.md")
    with pytest.raises(Unreadable, match="is a link that leads nowhere"):
        read(inside / "dangling.md")
    files = files_in(inside)
    (folder,) = [item for item in listed(files) if item.key == "folder"]
    with pytest.raises(Unreadable, match="is a link to a folder outside"):
        next(files.read(folder))


def test_a_loop_of_links_does_not_hang(tmp_path: Path) -> None:
    folder = write(tmp_path / "pages", **{"a.md": b"a", "sub/b.md": b"b"})
    (folder / "sub" / "up").symlink_to(folder)
    (folder / "self.md").symlink_to(folder / "self.md")
    (folder / "one.md").symlink_to(folder / "two.md")
    (folder / "two.md").symlink_to(folder / "one.md")
    assert readable(folder) == {"a.md", "sub/b.md"}
    assert keys(folder) == ["a.md", "one.md", "self.md", "sub/b.md", "sub/up", "two.md"]


def test_a_folder_that_is_a_link_inside_the_source_is_read(tmp_path: Path) -> None:
    folder = write(tmp_path / "pages", **{"v1/inner.md": b"inner", "v1/deep/more.md": b"more"})
    (folder / "current").symlink_to("v1")
    assert readable(folder) == {"v1/inner.md", "v1/deep/more.md", "current/inner.md", "current/deep/more.md"}
    assert keys(folder, "current/*.md") == ["current/inner.md"]
    assert keys(folder, "*.md") == []


def test_two_folders_that_link_to_each_other_are_read_once_on_each_way(tmp_path: Path) -> None:
    folder = write(tmp_path / "pages", **{"a/a.md": b"a", "b/b.md": b"b"})
    (folder / "a" / "b").symlink_to("../b")
    (folder / "b" / "a").symlink_to("../a")
    assert readable(folder) == {"a/a.md", "a/b/b.md", "b/b.md", "b/a/a.md"}


@pytest.mark.parametrize("way", ["the same size and time of change", "another file in its place"])
def test_a_file_that_changed_in_place_has_another_version(tmp_path: Path, way: str) -> None:
    folder = write(tmp_path / "pages", **{"a.md": b"the old text"})
    path, (before,) = folder / "a.md", listed(files_in(folder))
    times = (path.stat().st_atime_ns, path.stat().st_mtime_ns)
    time.sleep(0.02)  # the system's clock ticks a hundred times a second
    if way == "another file in its place":
        (folder / "b.tmp").write_bytes(b"the new text")
        os.utime(folder / "b.tmp", ns=times)
        (folder / "b.tmp").replace(path)
    else:
        path.write_bytes(b"the new text")
        os.utime(path, ns=times)
    (after,) = listed(files_in(folder))
    assert after.version != before.version


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_inside_that_cannot_be_read_makes_the_source_unavailable(tmp_path: Path) -> None:
    folder = write(tmp_path / "pages", **{"a.md": b"a", "sub/b.md": b"b"})
    (folder / "sub").chmod(0)
    try:
        with pytest.raises(SourceUnavailable, match="sub: Permission denied; let this user read it"):
            listed(files_in(folder))
    finally:
        (folder / "sub").chmod(0o700)


def test_a_folder_that_is_itself_a_link_is_listed(tmp_path: Path) -> None:
    write(tmp_path / "real", **{"a.md": b"a"})
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert keys(tmp_path / "link") == ["a.md"]


def test_a_name_that_is_not_utf_8_is_listed_and_read(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.md")).write_bytes(b"text\n")
    files = files_in(tmp_path)
    (item,) = listed(files)
    item.key.encode("utf-8")
    (row,) = files.read(item)
    assert row["text"] == "text\n"
    assert row["uri"].endswith("/caf%E9.md")


@pytest.mark.parametrize("what", ["absent", "file.md"])
def test_a_folder_that_is_none_makes_the_source_unavailable(tmp_path: Path, what: str) -> None:
    write(tmp_path, **{"file.md": b"text"})
    with pytest.raises(SourceUnavailable, match=f"{what} is not a folder that can be read; check `path` in the contract"):
        listed(files_in(tmp_path / what))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_without_permission_makes_the_source_unavailable(tmp_path: Path) -> None:
    folder = write(tmp_path / "pages", **{"a.md": b"a"})
    folder.chmod(0)
    try:
        with pytest.raises(SourceUnavailable, match="permission denied"):
            listed(files_in(folder))
    finally:
        folder.chmod(0o700)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_unreadable(tmp_path: Path) -> None:
    write(tmp_path, **{"a.md": b"a"})
    (tmp_path / "a.md").chmod(0)
    with pytest.raises(Unreadable, match="cannot be read: Permission denied"):
        read(tmp_path / "a.md")


def test_a_file_that_vanishes_after_listing_is_unreadable(tmp_path: Path) -> None:
    files = files_in(write(tmp_path, **{"a.md": b"a"}))
    (item,) = listed(files)
    (tmp_path / "a.md").unlink()
    with pytest.raises(Unreadable, match="cannot be read: No such file or directory"):
        list(files.read(item))


def test_a_file_over_the_size_limit_is_unreadable_and_one_at_the_limit_is_not(
    tmp_path: Path,
) -> None:
    limit = 1 / 1024
    assert len(read_bytes(tmp_path, "at.md", b"x" * 1024, max_mb=limit)["text"]) == 1024
    with pytest.raises(Unreadable, match=r"larger than .* \(1,025 bytes\); split it"):
        read_bytes(tmp_path, "over.md", b"x" * 1025, max_mb=limit)


def test_an_edit_changes_the_version_of_its_file_alone(tmp_path: Path) -> None:
    write(tmp_path, **{"a.md": b"a", "b.md": b"b"})
    before = listed(files_in(tmp_path))
    assert listed(files_in(tmp_path)) == before
    write(tmp_path, **{"a.md": b"longer"})
    after = listed(files_in(tmp_path))
    assert after[0] != before[0]
    assert after[1] == before[1]


def test_an_edit_that_keeps_the_size_changes_the_version(tmp_path: Path) -> None:
    path = write(tmp_path, **{"a.md": b"a"}) / "a.md"
    os.utime(path, ns=(1, 1))
    (before,) = listed(files_in(tmp_path))
    os.utime(path, ns=(1, 2))
    (after,) = listed(files_in(tmp_path))
    assert isinstance(after, Item)
    assert (before.key, before.version) != (after.key, after.version)
