"""Lines of a PDF's pages that kreuzberg loses while it makes Markdown of them.

It silently leaves out whole regions of pages, code and tables most often, while the plain text of the same pages
has them. What is missing follows the Markdown, in the order of the pages.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from rag_pipeline.extraction.words import words_of

_AT_THE_EDGE = 2
"""Lines from the top and the bottom of a page where its running heads and its number are."""

_PAGES_ALIKE = 3
_DIGITS = re.compile(r"\d+|\b[ivxlc]+\b", re.IGNORECASE)
_HYPHEN = re.compile("[\x02\ufffe]")
"""What the library writes for a hyphen at the end of a line."""

_NO_TEXT = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def with_lost_lines(text: str, pages: Sequence[str]) -> str:
    """The Markdown of a PDF, and after it the lines of its pages that it lacks, except running heads and page numbers."""
    missing = Counter(words_of("\n".join(body_of(pages)))) - Counter(words_of(text))
    if not missing:
        return text
    there = f" {' '.join(words_of(text))} "
    lost = [block for page in body_of(pages) for block in _lost_blocks(page, there, missing)]
    return "\n\n".join([text.rstrip(), *lost]) + "\n" if lost else text


def body_of(pages: Sequence[str]) -> list[str]:
    """The pages without their running heads and numbers."""
    heads = Counter(form for page in pages for form in {_form(line) for line in _edges(page)})
    return ["\n".join(line for line in page.splitlines() if not _is_head(line, page, heads)) for page in pages]


def heads_of(pages: Sequence[str]) -> list[str]:
    """Their running heads and numbers."""
    heads = Counter(form for page in pages for form in {_form(line) for line in _edges(page)})
    return [line for page in pages for line in page.splitlines() if _is_head(line, page, heads)]


def _is_head(line: str, page: str, heads: Counter[str]) -> bool:
    return heads[_form(line)] >= _PAGES_ALIKE and line in _edges(page)


def _edges(page: str) -> list[str]:
    lines = [line for line in page.splitlines() if line.strip()]
    return [*lines[:_AT_THE_EDGE], *lines[-_AT_THE_EDGE:]]


def _form(line: str) -> str:
    """A line without its numbers, which differ from page to page."""
    return _DIGITS.sub("#", " ".join(line.split()))


def _lost_blocks(page: str, there: str, missing: Counter[str]) -> Iterator[str]:
    """Lost lines that follow each other, as one paragraph each."""
    block: list[str] = []
    for line in page.splitlines():
        words = words_of(line)
        if words and any(missing[word] > 0 for word in words) and f" {' '.join(words)} " not in there:
            missing.subtract(words)
            block.append(_NO_TEXT.sub("", _HYPHEN.sub("", line)).rstrip())
        elif block and words:
            yield "\n".join(block)
            block = []
    if block:
        yield "\n".join(block)
