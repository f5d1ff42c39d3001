"""Queries of rare words: the few that tell one document from the others, as somebody asks who remembers how it spoke."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rag_pipeline.evaluate.growing.words import words

WORDS = 3
"""Words a query has: with fewer it means many documents, with more it is a sentence of one."""

_SHORTEST, _LONGEST = 4, 24
_COMMON = 0.05
"""Share of the documents above which a word tells nothing."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """A document as it speaks: its text, or the beginning of it."""

    source: str
    document: str
    text: str


def rare_terms(documents: Sequence[Spoken]) -> Iterator[tuple[Spoken, str]]:
    """Each document with its query, in their order; none for one that has too few words of its own.

    Words are weighed by tf x idf over these documents (Spärck Jones 1972); equals by the word. Written in the order in which
    they stand in the document. One that stands once in all is left out: it is a name, a number or a slip.
    """
    spoken = [[word for word in words(one.text) if _usable(word)] for one in documents]
    found_in = Counter(word for one in spoken for word in set(one))
    most = max(2, int(_COMMON * len(documents)))
    for one, said in zip(documents, spoken, strict=True):
        times = Counter(said)
        weights = {
            word: count * math.log(len(documents) / found_in[word])
            for word, count in times.items()
            if found_in[word] <= most and (count > 1 or found_in[word] > 1)
        }
        best = sorted(weights, key=lambda word: (-weights[word], word))[:WORDS]
        if len(best) == WORDS:
            yield one, " ".join(sorted(best, key=said.index))


def _usable(word: str) -> bool:
    """Letters alone, or nearly: no number, no identifier with signs, no piece of an address."""
    return _SHORTEST <= len(word) <= _LONGEST and word.isalpha()
