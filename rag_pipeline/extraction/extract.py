"""The one call of kreuzberg, which raises on a corrupt file instead of returning its bytes as text."""

import re
from typing import Any

from rag_pipeline.errors import Unreadable
from rag_pipeline.extraction.html import without_what_is_no_text
from rag_pipeline.extraction.kinds import HTML, called

_NO_TEXT = re.compile(r"<!-- MathML: .*? --> ?", re.DOTALL)
"""What kreuzberg leaves of a formula beside its text."""


def extracted(content: bytes, kind: str, *, pages: bool = False) -> Any:
    """What it makes of a file: `content` is Markdown; `pages` also asks for the plain text of each page."""
    import kreuzberg

    wanted = kreuzberg.PageConfig(extract_pages=True) if pages else None
    config = kreuzberg.ExtractionConfig(output_format="markdown", use_cache=False, pages=wanted)
    try:
        return kreuzberg.extract_bytes_sync(content, kind, config=config)
    except Exception as error:  # kreuzberg raises its own, OSError and RuntimeError, all meaning the same
        raise not_readable(kind, error) from error


def page_text(page: str) -> str:
    """The text of an HTML page."""
    return _NO_TEXT.sub("", str(extracted(without_what_is_no_text(page), HTML).content))


def not_readable(kind: str, error: BaseException) -> Unreadable:
    """What is told of a file that is not of the kind it seems to be. The text of the error may quote the file."""
    return Unreadable(f"not readable as {called(kind)} ({type(error).__name__}); is it corrupt or locked?")
