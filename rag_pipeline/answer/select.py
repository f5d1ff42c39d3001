"""Whole sentences of retrieved passages as an answer: those that are nearest to the question, by meaning and by rare words.

Nothing is made up, because nothing is written. Whether there is an answer at all is judged by how well the passages support
it, against a bound that golden sets chose (`bounds`). The weights were measured: docs/answers.md has figures and command.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from rag_pipeline.answer.cited import Cited, Passage, cut_out
from rag_pipeline.answer.plain import orders, plain
from rag_pipeline.answer.sentences import Sentence, sentences
from rag_pipeline.answer.terms import Rarity, terms

PASSAGES, AROUND = 5, 20
"""Passages that an answer is taken from, unless more are asked for; those among which words are rare or not."""

MOST = 3
"""Sentences of an answer."""

VERSION = 1
"""Raise it with any change after which the same passages give other sentences, or another support."""

_NEIGHBORS, _MEANING, _RANK, _AGAIN = 0.2, 0.5, 0.04, 0.4
"""Against 1 for the question's words in the sentence itself: its words there and in those beside it, the cosine of the
passage (or, without vectors, each place further down), and words that a sentence before it has said."""


_REMEMBERED = 4_096
"""Passages whose sentences are kept in memory, some 10 MB: the same ones are retrieved again and again."""


@dataclass(frozen=True, slots=True)
class Retrieved:
    """What an answer is made from. `passages` and `others` together are what was retrieved, best first.

    `cosines`: chunk id -> cosine to the question, of the nearest chunks; None where the question has no vector.
    """

    passages: tuple[Passage, ...]
    others: tuple[str, ...]
    """Texts of the chunks that follow: they only count in how rare a word is."""
    cosines: Mapping[str, float] | None


@dataclass(frozen=True, slots=True)
class Selected:
    """The best sentences, best first, and how well the passages support an answer; see `bounds` for what is too little."""

    sentences: tuple[Cited, ...]
    words: float
    """Share of the question's words in the best sentence and those beside it, rare ones counting more; 0 to 1."""
    meaning: float | None
    """Mean of that share and of the best passage's cosine to the question; None where the question has no vector."""


@dataclass(frozen=True, slots=True)
class _Candidate:
    passage: Passage
    sentence: Sentence
    words: frozenset[str]
    around: float
    score: float


def select(question: str, retrieved: Retrieved, language: str) -> Selected:
    """The sentences that answer best. The same for the same question and passages; none where there are no sentences."""
    asked = terms(question, language)
    found = [_spoken(one.text, language) for one in retrieved.passages]
    said = [[words & asked for _, words in each] for each in found]
    others = [words & asked for text in retrieved.others for _, words in _spoken(text, language)]
    rarity = Rarity(asked, [*(words for each in said for words in each), *others])
    candidates: list[_Candidate] = []
    for rank, (passage, each, words) in enumerate(zip(retrieved.passages, found, said, strict=True)):
        near = _nearness(rank, passage, retrieved.cosines)
        for place, (sentence, _) in enumerate(each):
            if orders(sentence.text):
                continue
            around = rarity.share(frozenset().union(*words[max(0, place - 1) : place + 2]))
            score = rarity.share(words[place]) + _NEIGHBORS * around + near
            candidates.append(_Candidate(passage, sentence, words[place], around, score))
    chosen = _best(candidates, rarity)
    share = max((one.around for one in chosen), default=0.0)
    meaning = None
    if retrieved.cosines is not None:
        nearest = max((retrieved.cosines.get(one.chunk_id, 0.0) for one in retrieved.passages), default=0.0)
        meaning = round((share + nearest) / 2, 6)
    most = 1 + _NEIGHBORS + _MEANING
    cited = tuple(
        Cited(
            plain(one.sentence.text),
            round(max(0.0, min(1.0, one.score / most)), 4),
            (cut_out(one.passage, one.sentence.start, one.sentence.end),),
        )
        for one in chosen
    )
    return Selected(cited, round(share, 6), meaning)


@lru_cache(maxsize=_REMEMBERED)
def _spoken(text: str, language: str) -> tuple[tuple[Sentence, frozenset[str]], ...]:
    return tuple((one, terms(one.text, language)) for one in sentences(text))


def _nearness(rank: int, passage: Passage, cosines: Mapping[str, float] | None) -> float:
    if cosines is None:
        return -_RANK * rank
    return _MEANING * cosines.get(passage.chunk_id, min(cosines.values(), default=0.0))


def _best(candidates: Sequence[_Candidate], rarity: Rarity) -> list[_Candidate]:
    """The best one, then each time the best of the rest, where what was said already counts less; no text twice."""
    left, chosen = list(candidates), list[_Candidate]()
    known: frozenset[str] = frozenset()
    while left and len(chosen) < MOST:
        best = max(left, key=lambda one: one.score - _AGAIN * rarity.share(one.words & known))  # of equals the first
        chosen.append(best)
        known |= best.words
        left = [one for one in left if one.sentence.text != best.sentence.text]
    return chosen
