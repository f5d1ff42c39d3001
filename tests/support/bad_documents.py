"""Kinds of bad input in a folder of documents."""

import os
import socket
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

from rag_pipeline.extraction.zip_bombs import MAX_GROWTH_BYTES
from tests.support.bad_input import MARKER, Folder, Kind, Told, both, limits, on
from tests.support.folders import docx, locked_pdf, pdf
from tests.support.zip_packages import saying, with_text

SECRET = MARKER.encode()
PAGES = on(Folder)
OTHER = "stays-outside"


def file(name: str, content: bytes | Callable[[], bytes], words: str, **options: object) -> Kind:
    """A new file that cannot be read beside the good ones."""

    def bad(folder: Folder) -> None:
        folder.write(name, content() if callable(content) else content)

    told = Told(words, item=name, kind="unreadable")
    return Kind(on(Folder, **options), bad, told=(told,))


def instead(content: bytes, words: str) -> Kind:
    """A page that was good becomes unreadable: its last good document stays."""
    told = Told(words, item="a.md", kind="unreadable")
    return Kind(PAGES, lambda folder: folder.write("a.md", content), told=(told,))


def fine(name: str | bytes, key: str, content: bytes = b"Nothing is wrong with it.\n") -> Kind:
    """Looks bad and is good."""
    return Kind(PAGES, lambda folder: folder.write(name, content), stays=Folder.keys | {key})


def odd(make: Callable[[Path], None], words: str) -> Kind:
    """Something called d.md that is no file any more."""

    def bad(folder: Folder) -> None:
        (folder.path / "d.md").unlink()
        make(folder.path / "d.md")

    return Kind(PAGES, bad, told=(Told(words, item="d.md", kind="unreadable"),))


def leave(path: Path) -> None:
    outside = path.parents[1] / OTHER
    outside.mkdir()
    (outside / "d.md").write_bytes(SECRET)
    path.symlink_to(outside / "d.md")


def circle(path: Path) -> None:
    path.symlink_to(".e.md")  # hidden, so that one of the two is told
    path.with_name(".e.md").symlink_to(path.name)


def listen(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # a socket's path may be no longer than 108 bytes
    try:
        with socket.socket(socket.AF_UNIX) as door:
            door.bind(path.name)
    finally:
        os.chdir(here)


def zipped(**parts: bytes) -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        for name, content in parts.items():
            packed.writestr(name, content)
    return buffer.getvalue()


def chmod(name: str) -> Callable[[Folder], None]:
    def bad(folder: Folder) -> None:
        folder.write("a.md", SECRET)
        (folder.path / name).chmod(0)

    return bad


def sparse(folder: Folder) -> None:
    folder.write("huge.md", SECRET)
    os.truncate(folder.path / "huge.md", 60 * 1024 * 1024)


def remove(*names: str) -> Callable[[Folder], None]:
    def bad(folder: Folder) -> None:
        for name in names:
            (folder.path / name).unlink()

    return bad


def cut(content: bytes) -> bytes:
    return content[: len(content) // 3]


LESS_OFTEN = {
    "a text in UTF-16",
    "text under the name of a PDF",
    "a PDF of nothing but brackets",
    "a zip of something else as a Word document",
    "a Word document locked with a password",
    "a link to itself",
    "a socket",
    "a file name of dots",
    "front matter that is no YAML",
    "a folder that became a file",
    "a web page in a charset nobody knows",
}
"""Kinds that are much like another one."""

NO_PDF, NO_DOCX = "not readable as PDF", "not readable as DOCX"
SCRIPTS = b"<html><head><title>x</title></head><body><script>var s='" + SECRET + b"'</script></body></html>"

KINDS = {
    "an empty file": file("new.md", b"", "the file is empty"),
    "a file of blanks": file("new.md", b" \r\n\t\n", "the file is empty"),
    "a page that is emptied": instead(b"", "the file is empty"),
    "a page in Latin-1": instead("caf\u00e9 ".encode("latin-1") + SECRET, "not UTF-8: byte 0xe9 at offset 3"),
    "a text in UTF-16": file("new.txt", MARKER.encode("utf-16"), "not UTF-8: byte 0xff at offset 0"),
    "a picture under a text name": file("new.md", b"\x89PNG\r\n\x1a\n\x00" + SECRET, "not UTF-8: byte 0x89"),
    "zero bytes in a text": instead(SECRET + b"\x00", "holds zero bytes, so it is not text"),
    "a text of control characters": file("new.txt", bytes(range(1, 32)) * 9, "are control characters, so it is not text"),
    "a page over the contract's limit": file("new.md", SECRET * 50_000, "larger than 0.5 MiB", max_mb=0.5),
    "Markdown of 60 MB": Kind(PAGES, sparse, told=(Told("larger than 50 MiB", item="huge.md", kind="unreadable"),)),
    "a page of zero-width characters only": Kind(
        PAGES,
        lambda folder: folder.write("new.md", "\u200b\u200d\ufeff\u2060\n".encode()),
        told=(Told("is missing or blank", "required", "text", "new.md"),),
    ),
    "a PDF of no bytes": file("new.pdf", b"", "the file is empty"),
    "a PDF cut off": file("new.pdf", lambda: cut(pdf(MARKER)), NO_PDF),
    "a PDF locked with a password": file("new.pdf", lambda: locked_pdf(MARKER, "pw"), NO_PDF),
    "a PDF of pictures only": file("new.pdf", lambda: pdf(""), "no text found in this PDF"),
    "text under the name of a PDF": file("new.pdf", SECRET, NO_PDF),
    "a PDF of nothing but brackets": file("new.pdf", b"%PDF-1.4\n1 0 obj\n" + b"[" * 100_000, NO_PDF),
    "a Word document cut off": file("new.docx", lambda: cut(docx(MARKER)), NO_DOCX),
    "a zip of something else as a Word document": file("new.docx", zipped(**{"notes.txt": SECRET}), NO_DOCX),
    "a zip bomb": file("new.docx", lambda: with_text(MAX_GROWTH_BYTES + 2**20), "unpacks to 10"),
    "a Word document that hides its size": file(
        "new.docx", lambda: saying(with_text(100_000), "word/document.xml", 2_000), "is it corrupt?"
    ),
    "a Word document locked with a password": file("new.docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(2_000), NO_DOCX),
    "a web page of scripts only": file("new.html", SCRIPTS, "no text found in this HTML"),
    "a web page nested without end": file("new.html", b"<div>" * 100_000 + SECRET, "no text found in this HTML"),
    "a web page in a charset nobody knows": file(
        "new.html", b"<meta charset=rot13>" + SECRET, "it names a charset that no page may use"
    ),
    "a web page that is not in its charset": file(
        "new.html", b"<meta charset=utf-8><p>\xff" + SECRET, "not utf-8: byte 0xff"
    ),
    "a link that leads out of the folder": odd(leave, "lies outside the folder, or is a link that leads out of it"),
    "a link that leads nowhere": odd(lambda path: path.symlink_to("gone.md"), "is a link that leads nowhere"),
    "a loop of links": odd(circle, "is a link that leads nowhere, or to itself"),
    "a link to itself": odd(lambda path: path.symlink_to(path), "is a link that leads nowhere, or to itself"),
    "a loop of folders": Kind(
        PAGES,
        lambda folder: (folder.path / "up").symlink_to(folder.path),
        told=(Told("is a link to a folder around it", item="up", kind="unreadable"),),
    ),
    "a pipe that nobody writes to": odd(os.mkfifo, "is not a file (a pipe, socket or device)"),
    "a socket": odd(listen, "is not a file (a pipe, socket or device)"),
    "a device that never ends": odd(
        lambda path: path.symlink_to("/dev/zero"), "lies outside the folder, or is a link that leads out of it"
    ),
    "a folder with the name of a page": Kind(
        PAGES, lambda folder: folder.write("e.md/inside.md", b"Inside.\n"), stays=Folder.keys | {"e.md/inside.md"}
    ),
    "a file name with a line end": fine("li\nne.md", "li\nne.md"),
    "a file name that is not UTF-8": fine(b"caf\xe9.md", "caf\\udce9.md"),
    "a file name of 255 bytes": fine("n" * 252 + ".md", "n" * 252 + ".md"),
    "a file name of dots": fine("a...md", "a...md"),
    "file names that differ in their Unicode form only": Kind(
        PAGES,
        lambda folder: [folder.write(name, b"Text.\n") for name in ("caf\u00e9.md", "cafe\u0301.md", "A.md")],
        stays=Folder.keys | {"caf\u00e9.md", "cafe\u0301.md", "A.md"},
    ),
    "a byte order mark": fine("new.md", "new.md", b"\xef\xbb\xbf# Title\n"),
    "front matter that is no YAML": fine("new.md", "new.md", b"---\ntitle: [}{\n---\nText.\n"),
    "a page of one line of 5 MB": fine("new.md", "new.md", b"owls " * 1_000_000),
    "a page that may not be read": Kind(
        PAGES, chmod("a.md"), told=(Told("Permission denied", item="a.md", kind="unreadable"),), needs=("no root",)
    ),
    "a folder that may not be read": Kind(PAGES, chmod("."), held="permission denied", needs=("no root",)),
    "a folder that is gone": Kind(
        PAGES, lambda folder: folder.path.rename(folder.path.with_name("away")), held="is not a folder that can be read"
    ),
    "a folder that became a file": Kind(
        PAGES,
        both(
            lambda folder: folder.path.rename(folder.path.with_name("away")), lambda folder: folder.path.write_bytes(SECRET)
        ),
        held="is not a folder that can be read",
    ),
    "a folder that is empty": Kind(PAGES, remove(*Folder.keys), held="lists nothing to read"),
    "most pages gone": Kind(PAGES, remove("a.md", "b.md", "c.md"), held="would shrink from 4 to 1 documents"),
    "more unreadable than the contract allows": Kind(
        on(Folder, customProperties=limits(quarantine=10)),
        lambda folder: folder.write("new.md", b"\xff" + SECRET),
        told=(Told("not UTF-8", item="new.md", kind="unreadable"),),
        held="1 of 5 rows (20.0 %) break the contract, more than quarantineMaxPercent 10 allows",
    ),
    "a page with private data where the contract refuses it": Kind(
        on(Folder, customProperties=limits(piiPolicy="refuse")),
        lambda folder: folder.write("new.md", b"Write to s3cr3t-v4lue@example.com.\n"),
        told=(Told("holds private data (EMAIL_ADDRESS, 1 found)", "privacy", "text", "new.md"),),
    ),
}
