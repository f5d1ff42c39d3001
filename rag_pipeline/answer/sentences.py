"""The sentences of a passage, as spans of it: what an answer quotes is never a word more or less than its document has.

A line that Markdown sets apart (a heading, an item of a list, a row of a table) ends a sentence. Marks of Markdown at a
sentence's ends are left out of it, so that it reads as a sentence. Pictures are no words and are left out too.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

LONGEST = 700
"""Characters of a sentence at most: what has no full stop for longer is cut at a blank."""

_SHORTEST = 12
"""Characters: what is shorter says nothing by itself (`Yes.`, `See above`)."""

_BLOCK = re.compile(
    r"""
    (?:\n[^\S\n]*){2,}                          # a blank line
    | \n(?=[^\S\n]*(?:[-*+•]|\d{1,3}[.)])\s)    # an item of a list
    | \n(?=[^\S\n]*(?:\#{1,6}\s|\||>|```|~~~))  # a heading, a row, a quotation, a fence
    | (?<=\|)[^\S\n]*\n                         # the end of a row
    | \A(?=\#{1,6}\s)
    """,
    re.VERBOSE,
)
_HEADING = re.compile(r"[^\S\n]{0,3}#{1,6}\s[^\n]*(?:\n|\Z)")
_PICTURE = re.compile(r"!\[[^\]\n]*\](?:\([^)\n]*\)|\[[^\]\n]*\])|<(?:img|svg|picture|iframe)\b[^>]*>", re.IGNORECASE)
_LEADING = re.compile(r"(?:\s|[-*+•>|]+(?=\s)|\#{1,6}\s|\d{1,3}[.)]\s|\[[ xX]\]\s)*")
_TRAILING = re.compile(r"[\s|]*\Z")
_END = re.compile(
    r"""(?:[.!?…]+["'”’»)\]*_]*(?=\s+["'“‘«(\[*_]*[^\W_a-z])|[。！？]["'”’」』）]*|[.!?]+["'”’»)\]*_]*(?=\s*\Z))"""
)
_SHORT = re.compile(
    r"(?:\b(?:mr|mrs|ms|dr|prof|sr|jr|st|vs|etc|no|nos|fig|figs|eq|vol|pp|cf|al|inc|ltd|co|corp|approx|dept|est|gen|gov|rep|sen"
    r"|rev|jan|feb|mar|apr|jun|jul|aug|sep|sept|oct|nov|dec|bzw|usw|z\.b|d\.h|e\.g|i\.e|u\.s|u\.k|u\.n|a\.m|p\.m|ph\.d)"
    r"|(?<![\w/])(?-i:[^\W\d_a-z]))\Z",
    re.IGNORECASE,
)
"""What a full stop follows without ending a sentence: abbreviations, and single capital letters as in names."""

_WORD = re.compile(r"[^\W_]")


@dataclass(frozen=True, slots=True)
class Sentence:
    """`text` is `passage[start:end]`, to the letter."""

    text: str
    start: int
    end: int


def sentences(passage: str) -> list[Sentence]:
    """Those of a passage, in order; none of them is blank, or longer than `LONGEST`. Headings alone are none."""
    found: list[Sentence] = []
    for start, end in _blocks(passage):
        for first, last in _cut(passage, start, end):
            for one, other in _without_pictures(passage, first, last):
                trimmed = _trimmed(passage, one, other)
                if trimmed is not None:
                    found.append(trimmed)
    return found


def _blocks(passage: str) -> Iterator[tuple[int, int]]:
    start = 0
    for found in [*_BLOCK.finditer(passage), None]:
        end = found.start() if found else len(passage)
        heading = _HEADING.match(passage, start, end) if end > start else None
        yield (heading.end() if heading else start), end
        start = found.end() if found else end


def _cut(passage: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    begin = start
    for found in _END.finditer(passage, start, end):
        if found.group().startswith(".") and _SHORT.search(passage, max(begin, found.start() - 12), found.start()):
            continue
        yield from _pieces(passage, begin, found.end())
        begin = found.end()
    yield from _pieces(passage, begin, end)


def _pieces(passage: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """A span as it is, or cut at the last blank of every `LONGEST` characters."""
    while end - start > LONGEST:
        blank = max(passage.rfind(sign, start + LONGEST // 2, start + LONGEST) for sign in " \n\t")
        cut = blank if blank > 0 else start + LONGEST
        yield start, cut
        start = cut
    yield start, end


def _without_pictures(passage: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    for found in _PICTURE.finditer(passage, start, end):
        yield start, found.start()
        start = found.end()
    yield start, end


def _trimmed(passage: str, start: int, end: int) -> Sentence | None:
    leading = _LEADING.match(passage, start, end)
    start = leading.end() if leading else start
    trailing = _TRAILING.search(passage, start, end)
    end = trailing.start() if trailing else end
    text = passage[start:end]
    return Sentence(text, start, end) if len(text) >= _SHORTEST and _WORD.search(text) else None
