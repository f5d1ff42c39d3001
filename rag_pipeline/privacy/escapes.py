"""Percent-encoded words of a text, decoded: in an address `jane@example.org` is `jane%40example.org`."""

import re
from collections.abc import Iterator

_ESCAPE = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_PLUS = re.compile(r"(?<=\d)\+(?=\d)")
"""A plus sign, which means a space in the query of an address."""

_DEPTH = 3
"""How often a word may have been encoded; a bound, so that no word can take long."""


def unescaped(text: str) -> Iterator[tuple[str, list[int]]]:
    """Each word with escapes, decoded, and where in the text each of its characters begins; last, where the word ends.

    One in which `+` may mean a space comes once more, with spaces.
    """
    if _ESCAPE.search(text):
        for word in re.finditer(r"\S+", text):
            if _ESCAPE.search(word.group()):
                decoded, at = _decoded(word.group(), word.start())
                yield decoded, at
                if (spaced := _PLUS.sub(" ", decoded)) != decoded:
                    yield spaced, at


def _decoded(word: str, start: int) -> tuple[str, list[int]]:
    at = list(range(start, start + len(word) + 1))
    for _ in range(_DEPTH):
        pieces: list[str] = []
        places: list[int] = []
        end = 0
        for run in _ESCAPE.finditer(word):
            pieces.append(word[end : run.start()])
            places += at[end : run.start()]
            place = run.start()
            for character in bytes.fromhex(run.group().replace("%", "")).decode("utf-8", "surrogateescape"):
                pieces.append(character)
                places.append(at[place])
                place += 3 * len(character.encode("utf-8", "surrogateescape"))
            end = run.end()
        if not end:
            break
        word, at = "".join([*pieces, word[end:]]), places + at[end:]
    return word, at
