"""From the bytes of one file to its documents: text, title, and an account of what it shows and was not handed on.

Markdown and plain text are taken to the letter; the other kinds have readers of their own. A file is one document;
a workbook is one for each of its sheets.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from rag_pipeline.errors import Unreadable
from rag_pipeline.extraction import docx
from rag_pipeline.extraction.account import Account, account_of, parts
from rag_pipeline.extraction.account.book import account_of_book
from rag_pipeline.extraction.account.mail import account_of_eml, account_of_msg
from rag_pipeline.extraction.account.notebook import account_of_notebook
from rag_pipeline.extraction.account.page import shown_on_page
from rag_pipeline.extraction.account.pdf import account_of_pdf
from rag_pipeline.extraction.book import book_of
from rag_pipeline.extraction.extract import extracted, not_readable, page_text
from rag_pipeline.extraction.headings import asciidoc_headings, rst_headings
from rag_pipeline.extraction.html import Head, characters
from rag_pipeline.extraction.kinds import ASCIIDOC, DOCX, EML, EPUB, HTML, IPYNB, MSG, ODS, ODT, PDF, PPTX, RST, XLSX, called
from rag_pipeline.extraction.mail import Mail, mail_text
from rag_pipeline.extraction.mail.eml import mail_of_eml
from rag_pipeline.extraction.mail.msg import mail_of_msg
from rag_pipeline.extraction.notebook import cells_of, notebook_text
from rag_pipeline.extraction.odt import odt_text
from rag_pipeline.extraction.pdf_forms import form_values, with_form_values
from rag_pipeline.extraction.pdf_pages import with_lost_lines
from rag_pipeline.extraction.sheets import sheets_of
from rag_pipeline.extraction.titles import title_of
from rag_pipeline.extraction.zip_bombs import refuse_bomb

_HEADINGS = {RST: rst_headings, ASCIIDOC: asciidoc_headings}
"""Kinds of text that are taken to the letter, but for their headings."""

_FORMS = {DOCX: parts.DOCX, PPTX: parts.PPTX, ODT: parts.ODT}
"""Zips of XML parts -> how they lay out their text."""

_PACKED = frozenset({*_FORMS, XLSX, ODS, EPUB})

_CONTROL = re.compile(r"[\x01-\x08\x0b\x0e-\x1f\x7f-\x9f]")
_MAX_CONTROL_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class Parsed:
    """A document's text, the title it gives itself, and what the text lacks. What is taken to the letter has no account.

    `part`: which part of its file it is, where that holds several documents.
    """

    text: str
    title: str | None
    account: Account | None = None
    part: str = ""


@dataclass(frozen=True, slots=True)
class _Read:
    """What a reader makes of a file. `account`: counts, when it is asked for, what the text lacks."""

    text: str
    title: str | None
    account: Callable[[], Account] | None = None


def documents(content: bytes, kind: str | None) -> list[Parsed]:
    """The documents of a file. Raises `Unreadable` as `document` does."""
    if kind not in (XLSX, ODS):
        return [document(content, kind)]
    refuse_bomb(content)
    sheets, shown = sheets_of(content, kind)
    if not sheets:
        raise Unreadable(f"no text found in this {called(kind)}: its sheets are empty")
    account = account_of(shown, "\n".join(sheet.text for sheet in sheets))
    found = [Parsed(sheet.text, sheet.name, part=sheet.name) for sheet in sheets]
    return [replace(found[0], account=account), *found[1:]]


def document(content: bytes, kind: str | None, charset: str = "") -> Parsed:
    """A document of a media type; None is Markdown or plain text. `charset`: what its server says of an HTML page.

    Raises `Unreadable` when it is not of that kind, corrupt or locked, holds no text, or would unpack to too much.
    """
    read = _read(content, kind, charset)
    return Parsed(read.text, read.title, read.account() if read.account else None)


def parse(content: bytes, media_type: str) -> str:
    """The text of a document as Markdown, without an account; an HTML page in UTF-8."""
    return _read(content, media_type).text


def _read(content: bytes, kind: str | None, charset: str = "") -> _Read:
    if kind is None or kind in _HEADINGS:
        text = decode(content)
        text = _HEADINGS[kind](text) if kind else text
        return _Read(text, title_of(text))
    if kind in _PACKED:
        refuse_bomb(content)
    read = (
        _READERS[kind](content) if kind in _READERS else _page(content, charset) if kind == HTML else _other(content, kind)
    )
    if not read.text.strip():
        hint = " (a scan without a text layer?)" if kind == PDF else ""
        raise Unreadable(f"no text found in this {called(kind).removeprefix('a ')}{hint}")
    return read


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


def _page(content: bytes, charset: str) -> _Read:
    page = characters(content, charset, html=True)
    text = page_text(page)
    return _Read(text, Head(page).title or title_of(text), lambda: account_of(shown_on_page(page), text))


def _other(content: bytes, kind: str) -> _Read:
    """What kreuzberg alone reads."""
    text = str(extracted(content, kind).content)
    shown = parts.shown_in_parts(content, _FORMS[kind]) if kind in _FORMS else None
    return _with_account(text, shown)


def _with_account(text: str, shown: Mapping[str, list[str]] | None) -> _Read:
    if shown is None or not text.strip():
        return _Read(text, title_of(text))
    text = parts.with_lost_parts(text, shown)
    return _Read(text, title_of(text), lambda: account_of(shown, text))


def _docx(content: bytes) -> _Read:
    text = docx.with_one_mark_a_note(str(extracted(docx.ready(content), DOCX).content))
    return _with_account(text, parts.shown_in_parts(content, parts.DOCX))


def _odt(content: bytes) -> _Read:
    shown = parts.shown_in_parts(content, parts.ODT)
    if shown is None:  # what this reading refuses, odfdo is not to look at
        raise not_readable(ODT, ValueError())
    return _with_account(odt_text(content), shown)


def _pdf(content: bytes) -> _Read:
    result = extracted(content, PDF, pages=True)
    pages = [str(page["content"]) for page in result.pages or ()]
    values = form_values(content)
    text = with_form_values(with_lost_lines(str(result.content), pages), values)
    return _Read(text, title_of(text), lambda: account_of_pdf(content, pages, list(values.values()), text))


def _book(content: bytes) -> _Read:
    book = book_of(content)
    text = "\n\n".join(filter(None, (page_text(page).strip() for page in book.pages))) + "\n"
    return _Read(text, book.title or title_of(text), lambda: account_of_book(book.pages, book.beside, book.tables, text))


def _eml(content: bytes) -> _Read:
    mail = mail_of_eml(content)
    return _mail(mail, lambda text: account_of_eml(content, text, mail.all_attached()))


def _msg(content: bytes) -> _Read:
    mail = mail_of_msg(content)
    page = "".join(text for kind, text in mail.bodies if kind == HTML)
    return _mail(mail, lambda text: account_of_msg(content, page, text, mail.all_attached()))


def _mail(mail: Mail, account: Callable[[str], Account]) -> _Read:
    text = mail_text(mail)
    return _Read(text, mail.subject or None, lambda: account(text))


def _notebook(content: bytes) -> _Read:
    written = decode(content)
    text = notebook_text(written)
    return _Read(text, title_of(text), lambda: account_of_notebook(cells_of(written), text))


_READERS = {DOCX: _docx, ODT: _odt, PDF: _pdf, EPUB: _book, EML: _eml, MSG: _msg, IPYNB: _notebook}
