"""The words of a text in one form, so that two readings of the same file can be compared."""

import re
import unicodedata

_WORD = re.compile(r"[^\W_]+")
_NO_BORDER = re.compile("[*`\\\\\x02\ufffe\u00ad\u200b\u200c\u200d\u2060\ufeff]+")
"""Marks inside a word (emphasis, escapes, invisible characters), which do not part it."""


def words_of(text: str) -> list[str]:
    """The words of a text in one form, whatever marks them and however their letters are encoded."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return _WORD.findall(_NO_BORDER.sub("", text).casefold())
