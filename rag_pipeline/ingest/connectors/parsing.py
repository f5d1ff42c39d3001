"""From the bytes of one document to its text, its title, and an account of what it shows and was not handed on.

Markdown and plain text are taken to the letter; the other kinds go through kreuzberg, which raises on a corrupt
file instead of returning its bytes as text.
"""

import re
from dataclasses import dataclass

from rag_pipeline.errors import Unreadable
from rag_pipeline.ingest.connectors import docx
from rag_pipeline.ingest.connectors.account import Account, account_of, parts
from rag_pipeline.ingest.connectors.account.page import shown_on_page
from rag_pipeline.ingest.connectors.account.pdf import account_of_pdf
from rag_pipeline.ingest.connectors.headings import asciidoc_headings, rst_headings
from rag_pipeline.ingest.connectors.html import Head, characters, without_what_is_no_text
from rag_pipeline.ingest.connectors.pdf_forms import form_values, with_form_values
from rag_pipeline.ingest.connectors.pdf_pages import with_lost_lines
from rag_pipeline.ingest.connectors.titles import title_of
from rag_pipeline.ingest.connectors.unpacked import refuse_bomb

DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
HTML = "text/html"
PDF = "application/pdf"
PPTX = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
RST = "text/x-rst"
ASCIIDOC = "text/asciidoc"

_HEADINGS = {RST: rst_headings, ASCIIDOC: asciidoc_headings}
"""Kinds of text that are taken to the letter, but for their headings."""

_FORMS = {DOCX: parts.DOCX, PPTX: parts.PPTX}
"""Zips of XML parts -> how they lay out their text."""

_CONTROL = re.compile(r"[\x01-\x08\x0b\x0e-\x1f\x7f-\x9f]")
_MAX_CONTROL_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class Parsed:
    """A document's text, the title it gives itself, and what the text lacks. What is taken to the letter has no account."""

    text: str
    title: str | None
    account: Account | None = None


def document(content: bytes, kind: str | None, charset: str = "") -> Parsed:
    """A document of a media type; None is Markdown or plain text. `charset`: what its server says of an HTML page.

    Raises `Unreadable` when it is not of that kind, corrupt or locked, holds no text, or would unpack to too much.
    """
    if kind is None or kind in _HEADINGS:
        text = decode(content)
        text = _HEADINGS[kind](text) if kind else text
        return Parsed(text, title_of(text))
    if kind == HTML:
        page = characters(content, charset, html=True)
        text, _, _ = _read(without_what_is_no_text(page), HTML)
        return Parsed(text, Head(page).title or title_of(text), account_of(shown_on_page(page), text))
    text, pages, values = _read(content, kind)
    account = None
    if kind == PDF:
        account = account_of_pdf(content, pages, values, text)
    elif kind in _FORMS and (shown := parts.shown_in_parts(content, _FORMS[kind])) is not None:
        text = parts.with_lost_parts(text, shown)
        account = account_of(shown, text)
    return Parsed(text, title_of(text), account)


def parse(content: bytes, media_type: str) -> str:
    """The text of an HTML, PDF, DOCX or PPTX file as Markdown; an HTML page in UTF-8."""
    return _read(content, media_type)[0]


def decode(content: bytes) -> str:
    """The text of a plain text file. Raises `Unreadable` when it is not UTF-8, or no text.

    A few control characters are kept: form feeds and the colours of a terminal are found in honest documents. Where
    they are a tenth of it, or where there are zero bytes, the file is of another kind than its name says.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable(f"not UTF-8: byte 0x{content[error.start]:02x} at offset {error.start}; save as UTF-8") from error
    if "\x00" in text:
        raise Unreadable("holds zero bytes, so it is not text in spite of its name")
    if (found := sum(1 for _ in _CONTROL.finditer(text))) > _MAX_CONTROL_SHARE * len(text):
        raise Unreadable(f"{found:,} of its {len(text):,} characters are control characters, so it is not text")
    return text.replace("\r\n", "\n")


def _read(content: bytes, media_type: str) -> tuple[str, list[str], list[str]]:
    """The text; of a PDF also the plain text of each page, and the values of its form."""
    import kreuzberg

    if media_type in _FORMS:
        refuse_bomb(content)
    if media_type == DOCX:
        content = docx.ready(content)
    pages = kreuzberg.PageConfig(extract_pages=True) if media_type == PDF else None
    config = kreuzberg.ExtractionConfig(output_format="markdown", use_cache=False, pages=pages)
    try:
        result = kreuzberg.extract_bytes_sync(content, media_type, config=config)
    except Exception as error:  # kreuzberg raises its own, OSError and RuntimeError, all meaning the same
        raise Unreadable(f"not readable as {media_type} ({type(error).__name__}); is it corrupt or locked?") from error
    text = str(result.content)
    values: dict[str, str] = {}
    if media_type == DOCX:
        text = docx.with_one_mark_a_note(text)
    plain = [str(page["content"]) for page in result.pages or ()] if media_type == PDF else []
    if media_type == PDF:
        values = form_values(content)
        text = with_form_values(with_lost_lines(text, plain), values)
    if not text.strip():
        raise Unreadable(f"no text found in this {media_type} (a scan without a text layer?)")
    return text, plain, list(values.values())
