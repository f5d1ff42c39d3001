"""Kinds of documents: what their files are called, and the media types they are read as."""

import re
from collections.abc import Mapping
from pathlib import PurePosixPath

HTML = "text/html"
PDF = "application/pdf"
RST = "text/x-rst"
ASCIIDOC = "text/asciidoc"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
PPTX = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
ODT = "application/vnd.oasis.opendocument.text"
ODS = "application/vnd.oasis.opendocument.spreadsheet"
EPUB = "application/epub+zip"
EML = "message/rfc822"
MSG = "application/vnd.ms-outlook"
IPYNB = "application/x-ipynb+json"

_CALLED = {
    HTML: "HTML",
    PDF: "PDF",
    DOCX: "DOCX",
    PPTX: "PPTX",
    XLSX: "XLSX",
    ODT: "ODT",
    ODS: "ODS",
    EPUB: "EPUB",
    EML: "a mail (EML)",
    MSG: "a mail of Outlook (MSG)",
    IPYNB: "a notebook (IPYNB)",
}

TO_THE_LETTER = {".md", ".markdown", ".txt", ".text"}
PARSED = {
    ".html": HTML,
    ".htm": HTML,
    ".pdf": PDF,
    ".docx": DOCX,
    ".pptx": PPTX,
    ".xlsx": XLSX,
    ".xlsm": XLSX,
    ".odt": ODT,
    ".ods": ODS,
    ".epub": EPUB,
    ".eml": EML,
    ".msg": MSG,
    ".ipynb": IPYNB,
    ".rst": RST,
    ".adoc": ASCIIDOC,
    ".asciidoc": ASCIIDOC,
}

NAMED = (
    "Markdown, plain text, reStructuredText, AsciiDoc, HTML, PDF, DOCX, PPTX, XLSX, ODT, ODS, EPUB, mails (EML, MSG) and "
    "notebooks (IPYNB)"
)
"""All of them, for people."""

_SUFFIX = re.compile(r"\.[a-z0-9]{1,8}")


def suffix_of(path: PurePosixPath) -> str:
    """A file's suffix as it may be told: what follows the last point may be a name as well."""
    suffix = path.suffix.lower()
    return suffix if _SUFFIX.fullmatch(suffix) else "no suffix" if not suffix else "another suffix"


def called(kind: str) -> str:
    """A media type as people call it."""
    return _CALLED.get(kind, kind)


def unread(by_suffix: Mapping[str, int]) -> str:
    """How many files of which suffix that nothing reads, the most first."""
    most_first = sorted(by_suffix.items(), key=lambda one: (-one[1], one[0]))
    return ", ".join(f"{count:,} with {name}" for name, count in most_first)
