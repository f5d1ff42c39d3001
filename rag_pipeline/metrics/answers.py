"""How far what an answer says agrees with what people wrote as its answer. Values in, values out.

Exact match and token F1 are those of SQuAD: Rajpurkar et al., "SQuAD: 100,000+ Questions for Machine Comprehension of Text",
2016, with the normalization of its `evaluate-v1.1.py`. Whether an answer holds the reference answer is asked as of passages
in Karpukhin et al., "Dense Passage Retrieval", 2020: a whole sentence is longer than the answer in it, and no worse for it.
"""

import re
import string
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


@dataclass(frozen=True, slots=True)
class AnswerScores:
    """The best of the sentences against the best of the reference answers; each from 0 to 1."""

    f1: float
    exact: float
    held: float
    """1 if the words of a reference answer stand in one sentence, in their order and side by side."""


def scores(sentences: Sequence[str], references: Sequence[str]) -> AnswerScores:
    """Each figure for itself; all 0 where there is no sentence, or nothing to hold it against."""
    pairs = [(normal(sentence).split(), normal(reference).split()) for sentence in sentences for reference in references]
    return AnswerScores(
        f1=max((token_f1(said, wanted) for said, wanted in pairs), default=0.0),
        exact=max((float(bool(wanted) and said == wanted) for said, wanted in pairs), default=0.0),
        held=max((float(_holds(said, wanted)) for said, wanted in pairs), default=0.0),
    )


def normal(text: str) -> str:
    """Small letters, without punctuation, articles and blanks that say nothing."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def token_f1(said: Sequence[str], wanted: Sequence[str]) -> float:
    """Harmonic mean of precision and recall of words, each counted as often as both have it."""
    shared = sum((Counter(said) & Counter(wanted)).values())
    return 2 * shared / (len(said) + len(wanted)) if shared else 0.0


def _holds(said: Sequence[str], wanted: Sequence[str]) -> bool:
    return bool(wanted) and f" {' '.join(wanted)} " in f" {' '.join(said)} "
