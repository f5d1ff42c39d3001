"""A recursive character splitter with offsets, to repeat published measurements of chunking with.

It cuts as LangChain's `RecursiveCharacterTextSplitter` with `keep_separator=True` is documented to, and as
`RecursiveTokenChunker` of chunking_evaluation after it: at the first separator that occurs, a separator belonging to the
piece it begins; pieces too long are cut again at the later separators; neighbours that are short are joined up to `size`,
and pieces of up to `overlap` are repeated in the next chunk. White space at a chunk's ends is left out. Pieces are spans
of the text from beginning to end; nothing is ever searched for.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

SEPARATORS = ("\n\n", "\n", ".", "?", "!", " ", "")

Interval = tuple[int, int]
Lengths = Callable[[list[str]], list[int]]
"""Sizes of many texts at once, in the unit of `size` and `overlap`"""


@dataclass(frozen=True)
class RecursiveSplitter:
    size: int
    overlap: int
    lengths: Lengths
    separators: tuple[str, ...] = SEPARATORS

    def spans(self, text: str) -> list[Interval]:
        """The chunks, in order, without white space at their ends."""
        return [span for chunk in self._cut(text, (0, len(text)), self.separators) if (span := _stripped(text, chunk))]

    def _cut(self, text: str, whole: Interval, separators: tuple[str, ...]) -> Iterator[Interval]:
        place = next((n for n, one in enumerate(separators) if text.find(one, *whole) >= 0), len(separators) - 1)
        rest = separators[place + 1 :]
        pieces = list(_pieces(text, whole, separators[place]))
        short: list[tuple[Interval, int]] = []
        for piece, length in zip(pieces, self.lengths([text[start:end] for start, end in pieces]), strict=True):
            if length < self.size:
                short.append((piece, length))
                continue
            yield from self._joined(short)
            short = []
            if rest:
                yield from self._cut(text, piece, rest)
            else:
                yield piece
        yield from self._joined(short)

    def _joined(self, pieces: list[tuple[Interval, int]]) -> Iterator[Interval]:
        """Neighbours as chunks of up to `size`.

        Lengths are added up, not measured again; between two pieces the length of the text that joins them is added,
        which is nothing, but which a tokenizer that puts marks around every text does not count as nothing.
        """
        between = self.lengths([""])[0]
        held: list[tuple[Interval, int]] = []
        total = 0
        for piece, length in pieces:
            if total + length + (between if held else 0) > self.size and held:
                yield held[0][0][0], held[-1][0][1]
                while total > self.overlap or (total > 0 and total + length + (between if held else 0) > self.size):
                    total -= held[0][1] + (between if len(held) > 1 else 0)
                    held = held[1:]
            total += length + (between if held else 0)
            held.append((piece, length))
        if held:
            yield held[0][0][0], held[-1][0][1]


class TokenLengths:
    """Sizes in tokens of a tokenizer, the marks it puts around a text included; each text is counted once."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._known: dict[str, int] = {}

    def __call__(self, texts: list[str]) -> list[int]:
        new = list(dict.fromkeys(text for text in texts if text not in self._known))
        for text, encoding in zip(new, self._tokenizer.encode_batch(new, add_special_tokens=True), strict=True):
            self._known[text] = len(encoding.ids)
        return [self._known[text] for text in texts]


def _pieces(text: str, whole: Interval, separator: str) -> Iterator[Interval]:
    """A text cut before every separator, or between all its characters where the separator is empty."""
    start, end = whole
    if not separator:
        yield from ((place, place + 1) for place in range(start, end))
        return
    cuts, place = [start], text.find(separator, start, end)
    while place >= 0:
        cuts.append(place)
        place = text.find(separator, place + len(separator), end)
    yield from ((one, other) for one, other in pairwise([*cuts, end]) if one < other)


def _stripped(text: str, span: Interval) -> Interval | None:
    piece = text[span[0] : span[1]]
    start = span[0] + len(piece) - len(piece.lstrip())
    end = start + len(piece.strip())
    return (start, end) if start < end else None
