"""Presidio's recognizers at work on a text of any length, without a language model and without a network.

Presidio's own loop over its patterns is not used. It looks for matches that do not overlap, so that a number before a
card number hides the card and a year behind an account number hides the account; and it skips a pattern that takes too
long, with no more than a line in the log. Here every start is tried, nothing is skipped, and no pattern can take long.
"""

import importlib
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache, lru_cache
from types import ModuleType
from typing import Any, TypeVar

from rag_pipeline.errors import Unreadable
from rag_pipeline.process import import_without

Span = tuple[int, int, float]
"""Start and end in characters, and Presidio's score."""

Finder = Callable[[str], Iterator[Span]]

_Told = TypeVar("_Told")

_FOR_MODELS = ("presidio_analyzer.nlp_engine", "presidio_analyzer.predefined_recognizers.ner.huggingface_ner_recognizer")
"""Parts of Presidio that import spaCy, torch and transformers: 5 s and 420 MB, where the rest takes 0.5 s and 50 MB."""


@cache
def _presidio() -> ModuleType:
    logging.getLogger("presidio-analyzer").setLevel(logging.CRITICAL)  # it says what it loaded, and what it fails to check
    with import_without(*_FOR_MODELS):
        return importlib.import_module("presidio_analyzer.predefined_recognizers")


def recognizer(name: str, **options: Any) -> Any:
    """One of Presidio's recognizers, by the name of its class."""
    return getattr(_presidio(), name)(**options)


@cache
def _suffixes() -> Any:
    """The list of public suffixes that came with the package: nothing is fetched, and no cache is written."""
    import tldextract

    return tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)


LONG_CARD = (r"\b[2-6]\d{3}([- ]?)\d{4}\1\d{4}\1\d{4}(?:\1\d{3})?\b", 0.3)
"""Payment cards Presidio's pattern lacks: those of Mastercard that begin with 2, and those of 19 digits."""


def matches(found_by: Any, least: float, *more: tuple[str, float]) -> Finder:
    """All matches of a recognizer's patterns with at least this score, and of `more`, that pass its checks.

    None is a piece of a longer word; letters of other scripts end a number as a space does.
    """
    import regex  # type: ignore[import-untyped]

    scored = [*((pattern.regex, pattern.score) for pattern in found_by.patterns), *more]
    flags = found_by.global_regex_flags | regex.ASCII
    patterns = [
        (regex.compile(f"(?<![A-Za-z0-9])(?:{pattern})(?![A-Za-z0-9])", flags), score)
        for pattern, score in scored
        if score >= least
    ]

    def find(text: str) -> Iterator[Span]:
        for pattern, score in patterns:
            for match in pattern.finditer(text, overlapped=True):
                right = found_by.validate_result(match.group())
                if right is not False and not found_by.invalidate_result(match.group()):
                    yield match.start(), match.end(), 1.0 if right else score

    return find


def emails(found_by: Any) -> Finder:
    """Around every `@`: Presidio's pattern, and one for an address between letters of other scripts or underscores.

    The domain must end in a public suffix; what follows one (`.txt` of a file, the `.Then` of a next sentence) is cut off,
    and so is what stands before the mailbox in tables, addresses of pages and assignments (`?mail=`).
    """
    import regex

    patterns = [regex.compile(pattern.regex, found_by.global_regex_flags) for pattern in found_by.patterns]
    patterns.append(regex.compile(rf"[\w.!#$%&'*+/=?^`{{|}}~-]+@(?:{_LABEL}\.)+{_LABEL}", regex.ASCII))

    def find(text: str) -> Iterator[Span]:
        behind = 0
        for hint in AT.finditer(text):
            at = hint.start()
            first = max(behind, at - _LONGEST_LOCAL)
            window = text[first : at + 1] + text[at + 1 : at + _LONGEST_DOMAIN].partition("@")[0]
            behind = at + 1
            for match in filter(None, (pattern.search(window) for pattern in patterns)):
                local, _, domain = match.group().rpartition("@")
                local = _BEFORE_LOCAL.sub("", local)
                if local and (size := _domain_size(domain)):
                    yield at - len(local), at + 1 + size, 1.0

    return find


AT = re.compile(r"(?<=[\w!#$%&'*+/=?^`{|}~-])@(?=\w)")
_LONGEST_LOCAL, _LONGEST_DOMAIN = 320, 256
_LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_BEFORE_LOCAL = re.compile(r"^(?:.*[|?/{}`*!$%^=#])?[.'-]*", re.DOTALL)


def _domain_size(domain: str) -> int:
    """How much of it, from its start, is a domain below a public suffix; 0 for nothing."""
    labels = domain.split(".")
    for count in range(len(labels), 1, -1):
        shorter = ".".join(labels[:count])
        if _ends_domains(labels[count - 1]) and _suffixes()(shorter).fqdn:
            return len(shorter)
    return 0


@lru_cache(maxsize=4096)
def _ends_domains(label: str) -> bool:
    return bool(_suffixes()(f"a.b.{label}").fqdn)


def ibans(found_by: Any) -> Finder:
    """Finds, from every possible start of an account number, the longest with right check digits and its country's form."""

    def find(text: str) -> Iterator[Span]:
        for match in _IBAN.finditer(text):
            candidate = match.group(1)
            ends = [piece.end() for piece in re.finditer("[A-Za-z0-9]+", candidate)]
            for size in (end for end in reversed(ends) if end >= 15):
                if found_by.validate_result(candidate[:size]) is not False:
                    yield match.start(), match.start() + size, 1.0
                    break

    return find


_IBAN = re.compile(r"(?<![A-Za-z0-9])(?=([A-Za-z]{2}\d{2}(?:[ -]?[A-Za-z0-9]){11,30}))")


class Effort:
    """How many candidates of one text may be tried: a share of its length, so that no text can take long for its size.

    The same candidate is tried once. Raises `Unreadable` past it; what was not looked through is not to be stored.
    """

    def __init__(self, length: int) -> None:
        self._length = length
        self._limit = _LEAST_TRIES + length
        self._tried: dict[tuple[str, str], Any] = {}

    def once(self, candidate: str, tried: Callable[[str], _Told]) -> _Told:
        key = (tried.__name__, candidate)
        if key not in self._tried:
            if len(self._tried) >= self._limit:
                raise Unreadable(
                    f"the search for private data ends after {self._limit:,} tries in {self._length:,} characters: "
                    "it is a heap of digits that look like phone numbers and are not; remove it, or leave "
                    "PHONE_NUMBER out of "
                    "piiEntities where nobody's number can be"
                )
            self._tried[key] = tried(candidate)
        told: _Told = self._tried[key]
        return told


_LEAST_TRIES = 200
"""Tries that every text has, and one more for each of its characters; a list of nothing but phone numbers takes half.

One try takes up to 0.1 ms for each region.
"""


def phones(found_by: Any, worth: Callable[[str], bool]) -> Finder:
    """Presidio's recognizer, on one row of digits at a time: libphonenumber gives up on a text after 65,535 tries.

    It takes long with rows of many numbers, and finds those in them that hold no space or slash: so do we, one by one. A
    number with a beginning that can be told (`+49 …`, `(212) …`, `030 …`) is found with other digits behind it, too.
    Raises `Unreadable` when a text holds more candidates than `Effort` lets be tried.
    """
    import phonenumbers

    def valid(number: str) -> bool:
        """Whether digits, with a + or not, are a number of a region: quick, and the recognizer finds no other."""
        for region in found_by.supported_regions:
            with suppress(phonenumbers.NumberParseException):
                if phonenumbers.is_valid_number(phonenumbers.parse(number, region)):
                    return True
        return False

    def recognized(window: str) -> list[Span]:
        found = []
        for one in found_by.analyze(window, ["PHONE_NUMBER"]):
            value = window[one.start : one.end]
            unclosed = value[0] in "([" and sum(map(value.count, "([")) > sum(map(value.count, ")]"))
            found.append((one.start + unclosed, one.end, one.score))
        return found

    def spans(text: str, first: int, end: int, effort: Effort) -> Iterator[Span]:
        for start, last, score in effort.once(text[first:end], recognized):
            yield first + start, first + last, score

    def find(text: str) -> Iterator[Span]:
        effort = Effort(len(text))
        for row in _ROW.finditer(text):
            whole: list[Span] = []
            if len(row.group()) > _LONGEST_NUMBER:
                for piece in _PIECE.finditer(text, *row.span()):
                    if len(piece.group()) <= _LONGEST_NUMBER and worth(piece.group()):
                        yield from spans(text, max(0, piece.start() - 1), piece.end() + 1, effort)
            elif worth(row.group()):
                reach = _EXTENSION if _EXTENDED.match(text, row.end()) else 1
                whole = list(spans(text, max(0, row.start() - 1), row.end() + reach, effort))
                yield from whole
            end = row.start()
            for start in (begins.start() for begins in _BEGINS.finditer(text, *row.span())):
                if start >= end and not any(first <= start < last for first, last, _ in whole):
                    for span in longest(text, start, min(row.end(), start + _LONGEST_NUMBER), effort):
                        end = span[1]
                        yield span

    def longest(text: str, start: int, end: int, effort: Effort) -> Iterator[Span]:
        row = text[start:end]
        for size in reversed([group.end() for group in _GROUP.finditer(row)]):
            digits = re.sub(r"\D", "", row[:size])
            if len(digits) < _FEWEST_DIGITS:
                return
            plain = len(digits) <= _MOST_DIGITS and "~" not in row[:size]  # what follows a ~ is an extension
            number = f"+{digits}" if "+" in row[:size] else digits
            if ("~" in row[:size] or (plain and effort.once(number, valid))) and worth(row[:size]):
                for span in spans(text, start, start + size, effort):
                    if span[0] <= start + 1:
                        yield span
                        return

    return find


DIALLED = re.compile(r"(?:\d[-().\[\]/~ ]{0,4}){7}")
_ROW = re.compile(r"[+(\[]{0,3}\d+(?:[-().\[\]/~ ]{1,4}\d+)*")
_PIECE = re.compile(r"[^ /]+")
_BEGINS = re.compile(r"(?<![^ /])[+(0]")
_EXTENDED = re.compile(r"[ ,;\t]*(?:ext|x|#|~|int|anexo|доб)", re.IGNORECASE)
_GROUP = re.compile(r"\d(?![-.]{0,2}\d)")
_LONGEST_NUMBER, _EXTENSION = 32, 24
_FEWEST_DIGITS, _MOST_DIGITS = 7, 22
"""The digits of a dialed number: at most 17 of its own, and those that lead out of a country."""
