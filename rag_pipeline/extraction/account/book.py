"""What a book shows: its pages, read by their tags, and pages that the reading order leaves out."""

from collections.abc import Sequence

from rag_pipeline.extraction.account import Account, account_of
from rag_pipeline.extraction.account.page import shown_on_page

_KINDS = {"beside": "pages outside the reading order", "tables": "navigation"}


def account_of_book(pages: Sequence[str], beside: Sequence[str], tables: Sequence[str], handed_on: str) -> Account:
    """`tables`: of contents."""
    shown: dict[str, list[str]] = {}
    for page in pages:
        for kind, texts in shown_on_page(page).items():
            shown.setdefault(kind, []).extend(texts)
    for name, others in (("beside", beside), ("tables", tables)):
        for page in others:
            shown.setdefault(_KINDS[name], []).extend(text for texts in shown_on_page(page).values() for text in texts)
    return account_of(shown, handed_on)
