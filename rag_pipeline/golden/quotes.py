"""Finding a quoted passage again in a text whose white space, case or punctuation was edited. Words and numbers must agree.

Folding: NFKC (Unicode Standard Annex 15) and case folding (The Unicode Standard, 3.13). White space and punctuation are
left out, and with them the signs of Markdown and the targets of its links. What makes a number another number stays:
separators between digits, a sign, a leading point, `<` or `>` before it, `%` and currencies. A number with its separators
(1.5, 12:30, 2024-05-01) is one word.
"""

from __future__ import annotations

import re
import unicodedata
from array import array
from bisect import bisect_left
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff]"
)
"""Thai, Lao, Burmese, Khmer, kana, Han: written without blanks, so that a word may end after any character."""

_INVISIBLE = re.compile("[\u034f\u115f\u1160\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")
"""The characters of Unicode's Default_Ignorable_Code_Point that are not of category Cf."""

# A text is read twice: as it is, and as the kinds of its characters, one letter each, on which the pattern below works.
# d digit, n other number (², ½), w letter, j character of a script without blanks, m mark on what is before it,
# i invisible, y symbol, s blank, l line break, h hyphen or minus, o point, c <, g >, e =, p other punctuation.
# A > counts after a blank only: elsewhere it may end a tag.
_TOKEN = re.compile(
    r"(?:(?:c|(?<![^sl])g)e?(?=h?o?[dn]))?(?:(?<![wdnmjh])h(?=o?[dn]))?(?:(?<![wdnmjo])o(?=[dn]))?"
    r"[wdnm](?:[wdnmi]*[wdnm])?(?:(?<=[dn])[phocge]+(?=[dn])[dn](?:[wdnmi]*[wdnm])?)*"
    r"|[jy](?:[mi]*m)?"
)
_LINK_TARGET = re.compile(
    r"""\]\((?=[^()\s]*[A-Za-z#/])[^()\s]*(?:\([^()\s]*\)[^()\s]*)*(?:[ \t]+(?:"[^"\n]*"|'[^'\n]*'))?\)"""
)
"""What follows the words of a Markdown link; `[1](2)` is no link but numbers."""

_RAISED = re.compile(r"(?<=d)(?=h?n)|(?<=n)(?=d)")
_ALONE = re.compile(r"s*([hpcge])s*")
_OPERATORS = "-+/^=<>"
_BEFORE_NUMBER = frozenset("-.<>")


@dataclass(frozen=True, slots=True)
class Found:
    """Where a quote stands, in characters of the text: `text[start:end]` is the passage, without blanks at its ends."""

    start: int
    end: int
    exact: bool
    """to the letter, and not only after folding"""


class Folded:
    """A text, folded once so that many quotes can be looked up in it; `folded` is what is left of it."""

    __slots__ = ("_ends", "_folded_ends", "_folded_starts", "_starts", "folded", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._starts, self._ends = array("q"), array("q")
        self._folded_starts, self._folded_ends = array("q"), array("q")
        parts: list[str] = []
        length = 0
        for start, end, part, separator in _words(text, normal=text.isascii()):
            if separator:
                parts.append(separator)
                length += len(separator)
            parts.append(part)
            self._starts.append(start)
            self._ends.append(end)
            self._folded_starts.append(length)
            length += len(part)
            self._folded_ends.append(length)
        self.folded = "".join(parts)

    def exact(self, quote: str) -> Iterator[Found]:
        """The occurrences to the letter that cut no word of the text."""
        for start in _occurrences(self.text, quote):
            end = start + len(quote)
            if not self._inside_a_word(start) and not self._inside_a_word(end):
                yield Found(start, end, exact=True)

    def loose(self, folded_quote: str) -> Iterator[Found]:
        """The occurrences after folding that cut no word of the text."""
        for start in _occurrences(self.folded, folded_quote):
            end = start + len(folded_quote)
            first, last = bisect_left(self._folded_starts, start), bisect_left(self._folded_ends, end)
            if first == len(self._starts) or self._folded_starts[first] != start or self._folded_ends[last] != end:
                continue
            yield Found(self._starts[first], self._ends[last], exact=False)

    def _inside_a_word(self, place: int) -> bool:
        before = bisect_left(self._starts, place) - 1
        return before >= 0 and place < self._ends[before]


def find(folded: Folded, quote: str, near: int | None = None) -> Found | None:
    """Where a quote stands in a text: to the letter if it does, else after folding both; it begins and ends with words.

    Of several places the one whose start is nearest to `near` (in characters), or the first. A quote in which folding
    leaves nothing is not found.
    """
    letters = Folded(quote).folded
    if not letters:
        return None
    return _nearest(folded.exact(quote.strip()), near) or _nearest(folded.loose(letters), near)


def _nearest(places: Iterator[Found], near: int | None) -> Found | None:
    if near is None:
        return next(places, None)
    return min(places, key=lambda place: abs(place.start - near), default=None)


def _occurrences(text: str, piece: str) -> Iterator[int]:
    place = text.find(piece)
    while place >= 0:
        yield place
        place = text.find(piece, place + 1)


def _words(text: str, *, normal: bool) -> Iterator[tuple[int, int, str, str]]:
    """Each word's start, end, folded form, and what must stand between it and the word before.

    `normal`: the text is in NFKC already, which makes what is left of a word the word itself, in small letters.
    """
    kinds = text.translate(_KINDS)
    if "](" in text:
        kinds = _without_targets(text, kinds)
    known: dict[str, str] = {}
    last, last_end = "", 0
    for match in _TOKEN.finditer(kinds):
        start, end = match.span()
        word = text[start:end]
        if normal or word.isascii():
            part = word.lower() if word.isascii() else word.translate(_PLAIN)
        else:
            part = known.get(word) or known.setdefault(word, _fold(word, kinds[start:end]))
        if not part:
            continue
        number = part[0] in _BEFORE_NUMBER or part[0].isdecimal()
        between = _between(text, kinds, last_end, start) if number and last.isdecimal() else ""
        yield start, end, part, between
        last, last_end = part[-1], end


def _without_targets(text: str, kinds: str) -> str:
    """Targets of links read as blanks: whoever quotes a page as it is shown has not seen them."""
    parts, end = [], 0
    for match in _LINK_TARGET.finditer(text):
        parts += [kinds[end : match.start()], "s" * (match.end() - match.start())]
        end = match.end()
    return "".join([*parts, kinds[end:]])


def _fold(word: str, kinds: str) -> str:
    """A word that is not ASCII: what it becomes may hold blanks and punctuation (㏂ is a.m.) and is read once more."""
    if "n" in kinds:  # 10² is 10^2 and 1½ is 1 1/2, not 102 and 11/2
        cuts = [0, *(match.start() for match in _RAISED.finditer(kinds)), len(word)]
        pieces = [unicodedata.normalize("NFKC", word[one:other]) for one, other in pairwise(cuts)]
        word = pieces[0] + "".join((" " if "\u2044" in piece else "^") + piece for piece in pieces[1:])
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", word).casefold())
    if text.isalpha() and not _UNSPACED.search(text):
        return text
    return "".join(between + part for _, _, part, between in _words(text, normal=True))


def _between(text: str, kinds: str, start: int, end: int) -> str:
    """What stays between two numbers apart: an operator (3 / 4, 5 - 10) if that is all there is, else a blank."""
    match = _ALONE.fullmatch(kinds, start, end)
    sign = _normal(text[match.start(1)]).translate(_PLAIN) if match else ""
    return sign if sign and sign in _OPERATORS else " "


def _normal(character: str) -> str:
    return unicodedata.normalize("NFKC", character)


class _Kinds(dict[int, str]):
    def __missing__(self, code: int) -> str:
        kind = self[code] = _kind(chr(code))
        return kind


class _Plain(dict[int, str | None]):
    """Every hyphen and minus is one, a fraction's bar is a slash, and what cannot be seen is not there."""

    def __missing__(self, code: int) -> str | None:
        kind = _KINDS[code]
        plain = self[code] = "-" if kind == "h" else "/" if code == 0x2044 else None if kind == "i" else chr(code)
        return plain


def _kind(character: str) -> str:
    category = unicodedata.category(character)
    if category in ("Nd", "No"):
        return "d" if category == "Nd" else "n"
    normal = _normal(character)
    if len(normal) == 1 and normal != character:
        return _kind(normal)
    if character in "%‰‱":
        return "w"
    if character in "\n\r\v\f\x85\u2028\u2029":
        return "l"
    if character.isspace() or character == "|":  # a border between the cells of a table
        return "s"
    if category == "Cf" or _INVISIBLE.match(character):
        return "i"
    if category[0] == "M":
        return "m"
    if category == "Pd" or character == "\u2212":
        return "h"
    if character in ".<>=":
        return {".": "o", "<": "c", ">": "g", "=": "e"}[character]
    if category[0] == "S":
        return "p" if category == "Sk" or (character.isascii() and character != "$") else "y"
    if category[0] == "P" or category in ("Cc", "Cs"):
        return "p"
    return "j" if _UNSPACED.match(character) else "w"


_KINDS, _PLAIN = _Kinds(), _Plain()
