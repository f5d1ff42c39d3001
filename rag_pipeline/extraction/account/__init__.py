"""An account of words: what a file shows, by a second and independent reading, against the text that was handed on.

Words are compared as multisets, without case, order or markup, so that only what is missing counts. What a file shows,
and what is missing of it, is given by kind (text, notes, tables, navigation, …).
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from rag_pipeline.extraction.words import words_of

TEXT = "text"
OTHER = "another form of the same"
TRACES = "traces of errors"
HEADERS = "headers and footers"
RUNNING_HEADS = "running heads and page numbers"

LEFT_OUT_ON_PURPOSE = frozenset({"navigation", "hidden text", "drawings", RUNNING_HEADS, OTHER, TRACES})
"""Kinds that are reported and do not count as lost: a reader of the document would not miss them in an answer."""

_PIECES, _LONGEST, _LOOKED_AT = 3, 60, 2_000
"""The most pieces of a word that was cut otherwise; its greatest length; and how many words are compared with it."""


@dataclass(frozen=True, slots=True)
class Account:
    """What a file shows and what of it was not handed on: in words by kind, and in pages where it has pages."""

    shown: int = 0
    lost: Mapping[str, int] = field(default_factory=dict)
    pages: int = 0
    silent: int = 0
    """Pages without text that show something, such as scans."""
    attached: Mapping[str, int] = field(default_factory=dict)
    """Files that came with it and are not read, by suffix."""

    @property
    def missing(self) -> int:
        """Words that are missed: what was left out on purpose is none."""
        return sum(count for kind, count in self.lost.items() if kind not in LEFT_OUT_ON_PURPOSE)

    @property
    def percent(self) -> float:
        """The share that is missed, of words or of pages, whichever is greater."""
        words = self.missing / self.shown if self.shown else 0.0
        return 100 * max(words, self.silent / self.pages if self.pages else 0.0)

    @property
    def says(self) -> str:
        """What is missing, for people; empty when nothing is."""
        parts = [f"{count:,} words of {kind}" for kind, count in sorted(self.lost.items(), key=lambda one: -one[1])]
        pages = [f"{self.silent:,} of {self.pages:,} pages, which have no text layer"] if self.silent else []
        return ", ".join([*pages, *parts])

    @property
    def came_with(self) -> dict[str, int]:
        """Files that came with it and are not read, as they are told beside other files that are not."""
        return {f"{suffix} in mails": count for suffix, count in self.attached.items()}

    def as_json(self) -> str:
        numbers = {"shown": self.shown, "pages": self.pages, "silent": self.silent}
        return json.dumps({**numbers, "lost": dict(self.lost), "attached": dict(self.attached)})

    @classmethod
    def from_json(cls, text: str) -> "Account":
        return cls(**json.loads(text))

    def plus(self, other: "Account") -> "Account":
        lost, attached = Counter(self.lost) + Counter(other.lost), Counter(self.attached) + Counter(other.attached)
        pages, silent = self.pages + other.pages, self.silent + other.silent
        return Account(self.shown + other.shown, dict(lost), pages, silent, dict(attached))


def account_of(
    shown: Mapping[str, Iterable[str]],
    handed_on: str,
    *,
    pages: int = 0,
    silent: int = 0,
    attached: Mapping[str, int] | None = None,
) -> Account:
    """What of the texts `shown`, by kind and the most important first, is missing among the words `handed_on`."""
    left, total = Counter(words_of(handed_on)), 0
    missing: dict[str, Counter[str]] = {}
    for kind, texts in shown.items():
        words = Counter(words_of("\n".join(texts)))
        total += words.total()
        missing[kind] = words - left
        left -= words
    lost = {kind: count for kind, words in missing.items() if (count := _not_cut_otherwise(words, left))}
    return Account(total, lost, pages, silent, dict(attached or {}))


def only_in(others: Iterable[str], handed_on: str) -> str:
    """The words that other forms of the same have beyond the text that is handed on."""
    return " ".join((Counter(words_of("\n".join(others))) - Counter(words_of(handed_on))).elements())


def _not_cut_otherwise(missing: Counter[str], left: Counter[str]) -> int:
    """How many are missing that were not handed on in pieces, or grown together with others."""
    if len(missing) <= _LOOKED_AT:
        for word in list(missing):
            while missing[word] > 0 and (pieces := _pieces(word, left, _PIECES, ())):
                left.subtract(pieces)
                missing[word] -= 1
    grown = [word for word in left if left[word] > 0] if missing.total() else []
    for word in grown[:_LOOKED_AT]:
        while left[word] > 0 and (pieces := _pieces(word, missing, _PIECES, ())):
            missing.subtract(pieces)
            left[word] -= 1
    return sum(count for count in missing.values() if count > 0)


def _pieces(word: str, among: Counter[str], most: int, used: tuple[str, ...]) -> tuple[str, ...]:
    """Two words or more of `among` that make up this one; none when there are none."""
    if len(word) > _LONGEST:
        return ()
    for end in range(1, len(word)):
        first, rest = word[:end], word[end:]
        if among[first] <= used.count(first):
            continue
        taken = (*used, first)
        if among[rest] > taken.count(rest):
            return (*taken, rest)
        if most > 2 and (further := _pieces(rest, among, most - 1, taken)):
            return further
    return ()
