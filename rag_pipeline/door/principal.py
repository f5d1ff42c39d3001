"""Who asks, and what they may: a principal is made by a key or a token, and by nothing that a request says of itself."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from rag_pipeline.contracts.labels import granted_word
from rag_pipeline.errors import did_you_mean

SEARCH, MODE, ANSWER, FEEDBACK, JUDGE = "search", "mode", "answer", "feedback", "judge"
"""To ask and to read; to choose the way to retrieve; to have a language model write answers, where one is configured; to say
how good an answer was; to judge what others asked."""
_WORDS = (SEARCH, MODE, ANSWER, FEEDBACK, JUDGE)

_CHANNEL = re.compile(r"channel:[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
_READ = "read:"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks. `id` goes into logs, so it names no person; what is not in `may` and `reads` is denied."""

    id: str
    may: frozenset[str] = frozenset()
    reads: frozenset[str] = frozenset()
    """What it was granted to read: `all`, `public`, labels. Nothing in a request can add to it."""


def unknown_permission(word: str) -> str:
    """What is wrong with the name of a permission; empty when it is one."""
    if word in _WORDS or _CHANNEL.fullmatch(word):
        return ""
    return f"{word!r} is no permission; {did_you_mean(word, (*_WORDS, 'channel:NAME'))}"


def grants_nothing(word: str) -> str:
    """What is wrong with what is to be read; empty when it grants something."""
    says = f"{word!r} is no label; write labels as the rows have them, 'public' for rows without any, or 'all' for every row"
    return "" if granted_word(word) else says


def readable_words(words: Iterable[str]) -> frozenset[str]:
    """What words grant to be read, labels in their one spelling; others grant nothing."""
    return frozenset(map(granted_word, words)) - {""}


def granted(words: Iterable[str]) -> tuple[frozenset[str], frozenset[str]]:
    """Permissions, and what may be read, among the words of a token (`search`, `read:hr`); others grant nothing."""
    said = set(words)
    return (
        frozenset(word for word in said if not unknown_permission(word)),
        readable_words(word.removeprefix(_READ) for word in said if word.startswith(_READ)),
    )
