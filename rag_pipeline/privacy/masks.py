"""Masks in place of private values. No value goes into a message.

Masks are keyed with a salt, so that the same value has the same mask in every document and every night, and nobody
without the salt can try values out. `contracts/entities.py` lists what is looked for, `recognizers.py` finds it.
"""

import hmac
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from rag_pipeline.contracts.contract import Privacy
from rag_pipeline.contracts.entities import ENTITIES
from rag_pipeline.privacy.recognizers import Find, finds, international

_MASK = re.compile(rf"(<(?:{'|'.join(ENTITIES)})(?::[0-9a-f]{{8}})?>|<KEY:[0-9a-f]{{16}}>)")


def holds_mask(text: str) -> bool:
    """Whether something private was taken out of a text."""
    return bool(_MASK.search(text))


_ROUNDS = 10
"""A mask ends the word beside it, which may bring a number to light; one more round finds it."""


class Masks:
    """The masks of one installation, by its salt ("" for none: a mask tells the kind of a value only)."""

    def __init__(self, salt: str) -> None:
        self._salt = salt.encode("utf-8", "surrogatepass")

    def __bool__(self) -> bool:
        """Whether the masks of two values can be told apart."""
        return bool(self._salt)

    def masked(self, text: str, privacy: Privacy, found: Counter[str]) -> str | None:
        """The text with every find replaced, so that nothing is found in it any more; None when that has no end.

        Raises `Unreadable` when the search itself has none, see `finders.py`.
        """
        for _ in range(_ROUNDS):
            pieces = _MASK.split(text)
            before = found.total()
            pieces[::2] = ["".join(self._mask_piece(piece, privacy, found)) for piece in pieces[::2]]
            if found.total() == before:
                return text
            text = "".join(pieces)
        return None

    def _mask_piece(self, text: str, privacy: Privacy, found: Counter[str]) -> Iterator[str]:
        end = 0
        for find in _settled(finds(text, privacy.entities, privacy.regions)):
            found[find.entity] += 1
            yield text[end : find.start]
            yield f"<{find.entity}:{self.keyed(_normal(find, privacy))[:8]}>" if self._salt else f"<{find.entity}>"
            end = find.end
        yield text[end:]

    def keyed(self, text: str) -> str:
        return hmac.new(self._salt, text.encode("utf-8", "surrogatepass"), "sha256").hexdigest()


def held(value: Any, privacy: Privacy) -> Counter[str]:
    """What a text or a whole number holds, by entity; values of other types hold nothing."""
    if not isinstance(value, str | int) or isinstance(value, bool):
        return Counter()
    pieces = _MASK.split(str(value))[::2]
    return Counter(find.entity for piece in pieces for find in _settled(finds(piece, privacy.entities, privacy.regions)))


def _settled(found: Sequence[Find]) -> list[Find]:
    """Finds that overlap, as one: from the start of the first to the end of the last, named by the longest, then surest."""
    groups: list[list[Find]] = []
    end = -1
    for find in sorted(found, key=lambda find: find.start):
        if find.start >= end:
            groups.append([])
        groups[-1].append(find)
        end = max(end, find.end)
    settled = []
    for group in groups:
        best = min(group, key=lambda find: (find.start - find.end, -find.score, find.entity, find.start))
        settled.append(replace(best, start=group[0].start, end=max(find.end for find in group)))
    return settled


def _normal(find: Find, privacy: Privacy) -> str:
    """What all ways to write one value have in common, with its entity; never the same for two mailboxes or addresses."""
    value = unicodedata.normalize("NFKC", find.value).casefold()
    if find.entity == "PHONE_NUMBER":
        value = international(find.value, privacy.regions)
    elif find.entity not in ("EMAIL_ADDRESS", "IP_ADDRESS", "CRYPTO"):
        value = "".join(filter(str.isalnum, value))
    return f"{find.entity} {find.value if find.entity == 'CRYPTO' else value}"
