"""What a PDF shows: its pages' plain text, its notes and form values; and which pages show something and have no text.

Sources of the format: ISO 32000-1, sections 12.5 (annotations), 12.7 (forms), 8.9 (images).
"""

import io
import logging
from collections.abc import Iterable, Sequence
from typing import Any

from rag_pipeline.extraction.account import RUNNING_HEADS, TEXT, Account, account_of
from rag_pipeline.extraction.pdf_pages import body_of, heads_of

_DRAWN_BYTES = 1_000
"""Bytes of a page's drawing without pictures: below this it is lines and frames, above it letters may have been drawn."""

_COMMENTS = ("/Text", "/Highlight", "/Underline", "/Squiggly", "/StrikeOut", "/Caret", "/Stamp", "/Popup")


def account_of_pdf(content: bytes, pages: Sequence[str], values: Iterable[str], handed_on: str) -> Account:
    """`pages`: the plain text of each, as the library gives it beside the Markdown; `values`: of the form's fields."""
    import pypdf

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # it quotes what it could not parse
    shown = {
        TEXT: body_of(pages),
        "text boxes": [],
        "comments": [],
        "form values": list(values),
        RUNNING_HEADS: heads_of(pages),
    }
    silent, count = 0, len(pages)
    try:
        reader = pypdf.PdfReader(io.BytesIO(content))
        if reader.is_encrypted and not reader.decrypt(""):
            return account_of(shown, handed_on, pages=count)
        count = max(count, len(reader.pages))
        for number, page in enumerate(reader.pages):
            for subtype, says in _annotations(page):
                shown["text boxes" if subtype == "/FreeText" else "comments"].append(says)
            if not (pages[number].strip() if number < len(pages) else ""):
                silent += _shows_something(page)
    except Exception:  # the file has been read: what pypdf cannot look at, it cannot count
        return account_of(shown, handed_on, pages=count, silent=silent)
    return account_of(shown, handed_on, pages=count, silent=silent)


def _annotations(page: Any) -> list[tuple[str, str]]:
    found = []
    for reference in page.get("/Annots") or ():
        annotation = reference.get_object()
        subtype, says = str(annotation.get("/Subtype")), annotation.get("/Contents")
        if says and (subtype == "/FreeText" or subtype in _COMMENTS):
            found.append((subtype, str(says)))
    return found


def _shows_something(page: Any) -> bool:
    """Whether a page without text holds a picture, or is drawn upon."""
    resources = page.get("/Resources")
    objects = (resources.get_object() if resources is not None else {}).get("/XObject")
    if objects is not None and len(objects.get_object()):
        return True
    contents = page.get_contents()
    return contents is not None and len(contents.get_data()) >= _DRAWN_BYTES
