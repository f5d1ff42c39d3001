"""A text as its reader sees it, with the way back to the place of each character in the text as it was written.

A mail address with a soft hyphen in it, a card number partly bold, an account number broken over two lines, an `@`
written as `&#64;`: a reader sees the value, and a pattern does not. What is found in this form is masked in its place.
"""

import html
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

_INVISIBLE = (
    "\x00-\x08\x0e-\x1f\x7f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
"""Control characters, soft hyphens, joiners, marks of direction and others of no width (Default_Ignorable_Code_Point)."""

_INLINE = (
    "a|abbr|b|bdi|bdo|big|cite|code|data|del|dfn|em|font|i|ins|kbd|mark|q|s|samp|small|span|strike|strong"
    "|sub|sup|tt|u|var|wbr"
)

_SHOWS_NOTHING = re.compile(
    rf"""[{_INVISIBLE}]+
    |</?(?:{_INLINE})(?:\s[^<>]{{0,300}})?/?>|<!--[^<>]{{0,300}}-->
    |\[(?=[^\[\]\n]{{1,200}}\]\([^()\s]{{1,300}}\))|\]\([^()\s]{{1,300}}\)
    |\*{{2,3}}|~~|`+|(?<!\w)_+(?=[^\W_])|(?<=[^\W_])_+(?!\w)
    |\*(?!\d)|(?<!\d)\*""",
    re.VERBOSE | re.IGNORECASE,
)
"""Characters of no width, inline tags, and Markdown's marks of emphasis and links. A `*` between digits is a product."""

_ESCAPED = re.compile(r"\\(?P<literal>[!-/:-@\[-`{-~])")

_ENTITY = re.compile(r"&(?:\#\d{1,7};?|\#[xX][0-9a-fA-F]{1,6};?|[A-Za-z][A-Za-z0-9]{1,30};)")

_BLANK = r"[ \t\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]"

_ONE_BLANK = re.compile(
    rf"""{_BLANK}*(?:\\|<br\s{{0,3}}/?>)?(?:\r\n|[\n\r\x0b\x0c\x85\u2028])(?!(?:{_BLANK}|>)*[\r\n]){_BLANK}*(?:>{_BLANK}?){{0,9}}
    |{_BLANK}*<br\s{{0,3}}/?>{_BLANK}*
    |{_BLANK}{{2,}}|[\t\u00a0]""",
    re.VERBOSE | re.IGNORECASE,
)
"""A run of blanks, or the end of a line within a paragraph. An empty line ends a paragraph, and no value goes past it."""

_TOKEN = re.compile(
    rf"(?=[\\<\[\]*~`_&\s{_INVISIBLE}])(?:{_ESCAPED.pattern}|(?P<nothing>{_SHOWS_NOTHING.pattern})"
    rf"|(?P<entity>{_ENTITY.pattern})|(?P<blank>{_ONE_BLANK.pattern}))",
    re.VERBOSE | re.IGNORECASE,
)

_BROKEN_ADDRESS = re.compile(r"(?:@|@[\w.-]{1,100}[.-])\Z")
_BREAKS = ("@", ".", "-")
"""What stands before the end of a line that goes through a mail address: it is broken behind its @, a dot or a hyphen."""

_REACH, _ENDS = 110, 64
"""No value but a mail address is longer than `_ENDS` characters; what speaks against one stands as near as the rest."""

_DIGIT = re.compile(r"\d")
_ONE_WORD = re.compile(r":|[A-Za-z0-9]{16}")
_NEAR, _IN_GROUPS, _IN_ONE = 24, 5, 3
"""So many digits stand so near to any place in a value of several groups, or of one; in addresses of the internet, of
network cards and of Bitcoin, which are told by a colon or their length, one may be all."""


@dataclass(frozen=True, slots=True)
class NormalForm:
    """`text` as a reader sees it, in pieces that each stand in the original as they are, or for a token of it."""

    text: str
    starts: tuple[int, ...]
    """Where each piece begins in `text`."""
    origins: tuple[tuple[int, int], ...]
    """Where it stands in the original, from and to. A piece as long as its origin stands there as it is."""
    changes: tuple[int, ...]
    """Where in `text` it is another than the original: a mark left out before this place, or one character for another."""

    def touches(self, start: int, end: int) -> bool:
        """Whether something was changed between two places of `text`, or right beside them."""
        place = bisect_left(self.changes, start - 1)
        return place < len(self.changes) and self.changes[place] <= end

    def windows(self) -> Iterator[tuple[int, str]]:
        """The parts of `text`, with their beginnings, that can hold a value the original does not; but for addresses."""
        digits = [match.start() for match in _DIGIT.finditer(self.text)]
        first = last = 0
        for place in self.changes:
            near = bisect_left(digits, place + _NEAR) - bisect_left(digits, place - _NEAR)
            if near and (place + _ENDS < last or self._may_hold(place, near)):
                if place - _REACH > last:
                    if last:
                        yield first, self.text[first:last]
                    first = max(0, place - _REACH)
                last = place + _REACH
        if last:
            yield first, self.text[first:last]

    def _may_hold(self, place: int, digits: int) -> bool:
        """Whether a value may go over this place, with so many digits near: six are in all that have a blank in them."""
        if digits >= _IN_GROUPS or self.text[place : place + 1] == " ":
            return digits >= _IN_GROUPS
        return digits >= _IN_ONE or bool(_ONE_WORD.search(self.text, max(0, place - _NEAR), place + _NEAR))

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where the characters from `start` to `end` stand in the original, with every mark between them."""
        return self._origin(start)[0], self._origin(end - 1)[1]

    def _origin(self, place: int) -> tuple[int, int]:
        piece = bisect_right(self.starts, place) - 1
        first, last = self.origins[piece]
        length = (self.starts[piece + 1] if piece + 1 < len(self.starts) else len(self.text)) - self.starts[piece]
        if length != last - first:
            return first, last
        return first + place - self.starts[piece], first + place - self.starts[piece] + 1


def normal_form(text: str) -> NormalForm | None:
    """The text as a reader sees it; None when that is what is written."""
    pieces: list[str] = []
    starts: list[int] = []
    origins: list[tuple[int, int]] = []
    changes: list[int] = []
    written = shown = 0

    def add(piece: str, first: int, last: int) -> None:
        nonlocal shown
        if piece:
            pieces.append(piece)
            starts.append(shown)
            origins.append((first, last))
            shown += len(piece)

    for token in _TOKEN.finditer(text):
        add(text[written : token.start()], written, token.start())
        changes.append(shown)
        if token["literal"]:
            add(token["literal"], *token.span())
        elif token["entity"]:
            meant = html.unescape(token["entity"])
            visible = "" if _SHOWS_NOTHING.fullmatch(meant) and not meant.isascii() else meant.replace("\u00a0", " ")
            add(visible, *token.span())
        elif token["blank"] and not _in_address(text, written, token.start()):
            add(" ", *token.span())
        written = token.end()
    if not written:
        return None
    add(text[written:], written, len(text))
    return NormalForm("".join(pieces), tuple(starts), tuple(origins), tuple(changes))


def _in_address(text: str, first: int, end: int) -> bool:
    """Whether what stands before the end of a line is the beginning of a mail address that goes on in the next one."""
    return text[end - 1 : end] in _BREAKS and bool(_BROKEN_ADDRESS.search(text, max(first, end - 101), end))
