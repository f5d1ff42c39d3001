"""Queries of rare words: the few that set one document apart, as somebody asks who remembers how it was worded."""

import math
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from rag_pipeline.golden.words import words

WORDS = 3
"""Words a query has: with fewer it means many documents, with more it is a sentence of one."""

_SHORTEST, _LONGEST = 4, 24
_COMMON = 0.05
"""Share of the documents above which a word tells nothing."""

_SHARED = 3
"""Documents that must have a word of a source with private data."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """A document as it speaks: its text, or the beginning of it."""

    source: str
    document: str
    text: str


def rare_terms(
    documents: Sequence[Spoken], a_document: int = 1, private: Collection[str] = ()
) -> Iterator[tuple[Spoken, str]]:
    """Documents in turn, each with a query of its rarest words, then each with one of the next, up to `a_document` of them;
    none for one that has too few words of its own.

    Words are weighed by tf x idf over these documents (Spärck Jones 1972); equals by the word. Written in the order in which
    they stand in the document. One that stands once in all is left out: it is a name, a number or a slip. `private`: sources
    whose contract looks for private data; of their words only those count that several documents have, since a word of one
    alone may be somebody's name.
    """
    spoken = [[word for word in words(one.text) if _usable(word)] for one in documents]
    found_in = Counter(word for one in spoken for word in set(one))
    most = max(2, int(_COMMON * len(documents)))
    ranked: list[tuple[Spoken, list[str], list[str]]] = []
    for one, said in zip(documents, spoken, strict=True):
        times = Counter(said)
        least = _SHARED if one.source in private else 1
        weights = {
            word: count * math.log(len(documents) / found_in[word])
            for word, count in times.items()
            if least <= found_in[word] <= max(most, least) and (count > 1 or found_in[word] > 1)
        }
        ranked.append((one, said, sorted(weights, key=lambda word: (-weights[word], word))))
    for start in range(0, WORDS * a_document, WORDS):
        for one, said, best in ranked:
            if len(asked := best[start : start + WORDS]) == WORDS:
                yield one, " ".join(sorted(asked, key=said.index))


def _usable(word: str) -> bool:
    """Letters alone, or nearly: no number, no identifier with signs, no piece of an address."""
    return _SHORTEST <= len(word) <= _LONGEST and word.isalpha()
