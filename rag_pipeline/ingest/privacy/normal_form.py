"""A text as its reader sees it, with the way back to where each character stands in the text as it was written.

A mail address with a soft hyphen in it, a card number partly bold, an account number broken over two lines, an `@` written
as `&#64;`: a reader sees the value, and a pattern does not. What is found in this form is masked where it stands.
"""

import html
import re
from bisect import bisect_right
from dataclasses import dataclass

_INVISIBLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff"
)
"""Soft hyphens, joiners, marks of direction and other characters of no width (Unicode's Default_Ignorable_Code_Point)."""

_INLINE = "a|abbr|b|big|code|del|em|font|i|ins|kbd|mark|s|samp|small|span|strong|sub|sup|u|wbr"

_SHOWS_NOTHING = re.compile(
    rf"""[{_INVISIBLE}]+
    |</?(?:{_INLINE})(?:\s[^<>]{{0,300}})?/?>|<!--[^<>]{{0,300}}-->
    |\*{{2,3}}|~~|`+|(?<!\w)_+(?=\w)|(?<=\w)_+(?!\w)
    |\*(?!\d)|(?<!\d)\*""",
    re.VERBOSE | re.IGNORECASE,
)
"""Characters of no width, inline tags, and Markdown's marks of emphasis. A `*` between digits is a product."""

_ESCAPED = re.compile(r"\\(?P<literal>[!-/:-@\[-`{-~])")

_ENTITY = re.compile(r"&(?:\#\d{1,7}|\#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,30});")

_ONE_BLANK = re.compile(
    r"""[ \t\u00a0]*(?:<br\s{0,3}/?>)?(?:\r\n|\n|\r)(?![ \t\u00a0>]*[\r\n])[ \t\u00a0]*(?:>[ \t\u00a0]?){0,9}
    |[ \t\u00a0]*<br\s{0,3}/?>[ \t\u00a0]*
    |[ \t\u00a0]{2,}|[\t\u00a0]""",
    re.VERBOSE | re.IGNORECASE,
)
"""A run of blanks, or the end of a line within a paragraph. An empty line ends a paragraph, and no value goes past it."""

_TOKEN = re.compile(
    f"{_ESCAPED.pattern}|(?P<nothing>{_SHOWS_NOTHING.pattern})|(?P<entity>{_ENTITY.pattern})|(?P<blank>{_ONE_BLANK.pattern})",
    re.VERBOSE | re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class NormalForm:
    """`text` as a reader sees it, in pieces that each stand in the original as they are, or for a token of it."""

    text: str
    starts: tuple[int, ...]
    """Where each piece begins in `text`."""
    origins: tuple[tuple[int, int], ...]
    """Where it stands in the original, from and to. A piece as long as its origin stands there as it is."""

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
        if token["literal"]:
            add(token["literal"], *token.span())
        elif token["entity"]:
            meant = html.unescape(token["entity"])
            visible = "" if _SHOWS_NOTHING.fullmatch(meant) and not meant.isascii() else meant.replace("\u00a0", " ")
            add(visible, *token.span())
        elif token["blank"]:
            add(" ", *token.span())
        written = token.end()
    if not written:
        return None
    add(text[written:], written, len(text))
    return NormalForm("".join(pieces), tuple(starts), tuple(origins))
