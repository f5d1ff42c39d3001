"""The words of a text that carry its meaning, cut to their stems, and how rare each is among some sentences.

Rarity is counted among the sentences that were retrieved for whoever asks, never in the whole release: a count over rows
that somebody may not read would tell of them.
"""

import math
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from functools import lru_cache

from tantivy import Filter, TextAnalyzer, TextAnalyzerBuilder, Tokenizer

from rag_pipeline.index.lexical import NO_STEMMER

_EMPTY = """
a an the this that these those i you he she it we they me him her us them my your his its our their mine yours who whom
whose which what when where why how is are was were be been being am do does did doing have has had having will would shall
should can could may might must and or but if then else than so because as of at by for with about against between into
through during before after above below to from up down in out on off over under again further once here there all any both
each few more most other some such no nor not only own same too very just also according
many much long often mention mentioned discuss discussed describe described list listed provide provided following give given
"""
"""English words that say nothing of what a text is about; other languages have theirs from tantivy."""

_FREE = """
a an the is are was were be been being am do does did it its this that these those of to in on at for with by as from which
who whom whose there has have had having his her their they he she we you i our your my
"""
"""English words that a sentence may add to what it quotes, or leave out, without saying something else."""

_LONGEST_TERM = 128


@lru_cache(maxsize=8)
def _strict(language: str) -> TextAnalyzer:
    made = TextAnalyzerBuilder(Tokenizer.simple()).filter(Filter.remove_long(_LONGEST_TERM)).filter(Filter.lowercase())
    if language == "english":
        made = made.filter(Filter.custom_stopword(_FREE.split()))
    made = made.filter(Filter.ascii_fold())
    return (made if language == NO_STEMMER else made.filter(Filter.stemmer(language))).build()


def in_order(text: str, language: str) -> list[str]:
    """The stems of a text in their order, but for words that say nothing; modals, denials and comparisons say something."""
    found: list[str] = _strict(language).analyze(text)
    return found


@lru_cache(maxsize=8)
def _analyzer(language: str) -> TextAnalyzer:
    made = TextAnalyzerBuilder(Tokenizer.simple()).filter(Filter.remove_long(_LONGEST_TERM)).filter(Filter.lowercase())
    if language == "english":
        made = made.filter(Filter.custom_stopword(_EMPTY.split()))
    elif language != NO_STEMMER:
        with suppress(ValueError):  # a stemmer, but no list of words
            made = made.filter(Filter.stopword(language))
    made = made.filter(Filter.ascii_fold())
    return (made if language == NO_STEMMER else made.filter(Filter.stemmer(language))).build()


def terms(text: str, language: str) -> frozenset[str]:
    """The stems of the words of a text that mean something; numbers are words. `language`: the release's own."""
    return frozenset(_analyzer(language).analyze(text))


class Rarity:
    """How rare a question's words are among some sentences. Every word is worth more than nothing."""

    def __init__(self, asked: frozenset[str], sentences: Iterable[frozenset[str]]) -> None:
        every = list(sentences)
        found = Counter(word for one in every for word in one & asked)
        self._weights = {word: math.log(1 + (len(every) + 0.5) / (found[word] + 0.5)) for word in asked}
        self._total = math.fsum(self._weights.values())

    def share(self, words: frozenset[str]) -> float:
        """Which share of the question's words these are, rare ones counting more; 0 to 1."""
        found = math.fsum(sorted(weight for word, weight in self._weights.items() if word in words))
        return found / self._total if self._total else 0.0
