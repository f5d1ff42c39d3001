"""Queries that ask the same: equal except for case and punctuation, or in nearly the same words. Values in, values out."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping

from rag_pipeline.golden.words import fold, words

NEAR = 0.9
"""Jaccard similarity of two queries' sets of words from which they are near-duplicates."""


def duplicates(queries: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """(query id, the first that asks the same), in order."""
    first: dict[str, str] = {}
    for query, text in queries.items():
        folded = fold(text)
        if folded and first.setdefault(folded, query) != query:
            yield query, first[folded]


def near_duplicates(queries: Mapping[str, str], least: float = NEAR) -> Iterator[tuple[str, str, float]]:
    """(query id, one before it, similarity) of pairs at least so similar that are no duplicates, in order.

    Prefix filtering, so that not every pair is compared: of two such sets, put in one order of words, some word is among
    the first n - ceil(least n) + 1 of each. Bayardo, Ma and Srikant, "Scaling up all pairs similarity search", WWW 2007.
    """
    sets = {query: frozenset(words(text)) for query, text in queries.items()}
    folded = {query: fold(text) for query, text in queries.items()}
    frequency = Counter(word for one in sets.values() for word in one)
    by_word: defaultdict[str, list[str]] = defaultdict(list)
    for query, mine in sets.items():
        rarest = sorted(mine, key=lambda word: (frequency[word], word))
        prefix = rarest[: len(mine) - math.ceil(least * len(mine) - 1e-9) + 1]
        candidates = dict.fromkeys(other for word in prefix for other in by_word[word])
        for other in candidates:
            similarity = len(mine & sets[other]) / len(mine | sets[other])
            if similarity >= least and folded[query] != folded[other]:
                yield query, other, similarity
        for word in prefix:
            by_word[word].append(query)
