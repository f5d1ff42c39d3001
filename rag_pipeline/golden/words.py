"""A text as its words, to see whether two texts ask or say the same. Values in, values out."""

import re
import unicodedata

_KEPT = "#%&@"
"""Signs that tell words apart (C and C#, 5 and 5 %); so do all symbols, as in C++."""


class _Gaps(dict[int, str]):
    """Punctuation -> a blank; all else -> itself."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        gap = unicodedata.category(character)[0] in "PCZ" and character not in _KEPT + "_"
        self[code] = " " if gap else character
        return self[code]


_GAPS = _Gaps()


def words(text: str) -> list[str]:
    """The words in small letters, NFKC, without the punctuation between and around them; `don't` is one word."""
    plain = re.sub(r"(?<=\w)['\u2019](?=\w)", "", unicodedata.normalize("NFKC", text).casefold())
    return plain.translate(_GAPS).split()


def fold(text: str) -> str:
    """Equal for two texts that differ in case, blanks and punctuation only."""
    return " ".join(words(text))
