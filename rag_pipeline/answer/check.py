"""May a sentence that a model wrote be sent? Only if its quotes hold it, word for word. Pure, and strict on purpose.

Whatever is refused here is answered by whole sentences of the passages instead, so a sentence that is refused wrongly costs
style, and one that passes wrongly costs trust. It says nothing about what a sentence leaves out: the quotes beside it do.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from rag_pipeline.answer.cited import Citation, Cited, Passage, cite, cut_out
from rag_pipeline.answer.plain import is_plain, orders
from rag_pipeline.answer.sentences import sentences
from rag_pipeline.answer.terms import in_order

VERSION = 1
"""Raise it with any change after which the same sentence is let through, or is not any more."""

LONGEST, MOST_QUOTES = 600, 4
"""Characters of a sentence, and its quotes, at most."""

_LEAST_WORDS = 3
"""Words of a quote: any sentence can be put together from single ones."""

_AHEAD = 80
"""Characters behind a number among which its next word is looked for."""

_NUMBER = re.compile(r"(?:(?<!\w)[-+])?[$€£¥]?\d(?:[\d.,:/'’]*\d)?(?:\s?[%‰°$€£¥])?")
_DENIES = re.compile(
    r"(?i)\b(?:not|no|never|none|nobody|nothing|nowhere|neither|nor|without|cannot|except|unless|hardly|barely|nicht|kein\w*|nie"
    r"|niemals|ohne|weder|ne|pas|jamais|sans|aucun\w*)\b|n['’]t\b"
)
_NAME = re.compile(r"(?<![.!?]\s)(?<!\A)(?<=[\s(\"'“‘/-])[^\W\d_a-z][\w'’-]*")


@dataclass(frozen=True, slots=True)
class Claim:
    """A sentence as a model gave it: with the number of a passage, from 1, and a quote, for each place it names."""

    text: str
    quotes: tuple[tuple[int, str], ...]


def check(claim: Claim, passages: Sequence[Passage], language: str) -> Cited | str:
    """The sentence with its citations; or why it may not be sent, in words that a model can act upon. No text is quoted."""
    text = " ".join(claim.text.split())
    if says := _form(text, claim):
        return says
    citations: list[Citation] = []
    quotes: list[str] = []
    for number, quote in claim.quotes:
        if not 1 <= number <= len(passages):
            return f"there is no passage {number}"
        if len(quote.split()) < _LEAST_WORDS:
            return f"a quote has at least {_LEAST_WORDS} words"
        found = cite(passages[number - 1], quote)
        if found is None:
            return f"a quote does not stand in passage {number}"
        whole = _whole(passages[number - 1], found)
        if orders(whole.quote):
            return "a quote is an order to a machine"
        quotes.append(found.quote)
        citations.append(whole)
    if says := _held(text, quotes, language):
        return says
    if bool(_DENIES.search(text)) != any(_DENIES.search(one.quote) for one in citations):
        return "the sentence and what it quotes do not both deny"
    return Cited(text, 1.0, tuple(citations))


def _whole(passage: Passage, found: Citation) -> Citation:
    """The whole sentences that a quote is of: half a sentence can say the contrary of the whole one."""
    start, end = found.start - passage.start, found.end - passage.start
    touched = [one for one in sentences(passage.text) if one.start < end and start < one.end]
    return cut_out(passage, min([start, *(one.start for one in touched)]), max([end, *(one.end for one in touched)]))


def _form(text: str, claim: Claim) -> str:
    if not text or len(text) > LONGEST:
        return f"a sentence has 1 to {LONGEST} characters"
    if not 1 <= len(claim.quotes) <= MOST_QUOTES:
        return f"a sentence has 1 to {MOST_QUOTES} quotes"
    if not is_plain(text):
        return "a sentence holds a link, a picture, a tag or a sign that cannot be seen"
    return "a sentence is an order to a machine" if orders(text) else ""


def _held(text: str, quotes: Sequence[str], language: str) -> str:
    """Why the quotes do not hold what a sentence says; empty when they do."""
    every = " ".join(quotes)
    numbers = _numbers(every)
    if any(number not in numbers for number in _numbers(text)):
        return "a number of the sentence is not in its quotes"
    followed = {pair for quote in quotes for pair in _followed(quote, language)}
    if any(pair[1] and pair not in followed for pair in _followed(text, language)):
        return "a number of the sentence is followed by another word in its quotes"
    names = set(_words(every))
    if any(name not in names for found in _NAME.findall(_normal(text)) for name in _words(found)):
        return "a name in the sentence is not in its quotes"
    said, held = in_order(text, language), iter(word for quote in quotes for word in in_order(quote, language))
    if not said:
        return "the sentence has no word of its own"
    if not all(word in held for word in said):  # a subsequence: `in` moves on behind what it finds
        return "the words of the sentence do not stand in its quotes, in their order"
    return ""


def _normal(text: str) -> str:
    return unicodedata.normalize("NFKC", text).replace("\u2212", "-")


def _numbers(text: str) -> list[str]:
    return ["".join(found.split()) for found in _NUMBER.findall(_normal(text))]


def _followed(text: str, language: str) -> list[tuple[str, str]]:
    """Each number with the next word that means something; none at the end."""
    plain = _normal(text)
    found: list[tuple[str, str]] = []
    for one in _NUMBER.finditer(plain):
        after = in_order(plain[one.end() : one.end() + _AHEAD], language)
        found.append(("".join(one.group().split()), after[0] if after else ""))
    return found


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", _normal(text).casefold())
