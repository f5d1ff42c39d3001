"""Leaving sections out of a Markdown text, by their headings."""

import itertools
import re
from fnmatch import fnmatchcase

from markdown_it import MarkdownIt


def without_sections(text: str, headings: tuple[str, ...]) -> str:
    """The text without the sections whose heading one of the patterns matches, in any case, and all they hold.

    A section ends where a heading of its level or a higher one begins. What looks like a heading in code is none.
    """
    if not headings:
        return text
    starts = [0, *(match.end() for match in re.finditer(r"\r\n|\r|\n", text))]
    kept, begin, leaving = [], 0, 0
    for token, inline in itertools.pairwise(MarkdownIt("commonmark").parse(text)):
        if token.type != "heading_open" or token.map is None or token.level:
            continue
        level, start = int(token.tag[1:]), starts[token.map[0]]
        if leaving and level <= leaving:
            begin, leaving = start, 0
        if not leaving and _is_one_of(inline.content, headings):
            kept.append(text[begin:start])
            leaving = level
    return "".join(kept) if leaving else "".join([*kept, text[begin:]])


def _is_one_of(heading: str, patterns: tuple[str, ...]) -> bool:
    said = heading.strip().casefold()
    return any(fnmatchcase(said, pattern.casefold()) for pattern in patterns)
