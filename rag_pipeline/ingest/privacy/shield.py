"""What a contract does with private data before anything is stored: mask, hash, drop, refuse. No value goes into a message.

Masks are keyed with a salt, so that the same value has the same mask in every document and every night, and nobody without
the salt can try values out. What is looked for is in `contracts/entities.py`, finding it in `recognizers.py`.
"""

import hmac
import importlib.metadata
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from rag_pipeline.contracts.contract import Column, Contract, Privacy
from rag_pipeline.contracts.entities import ENTITIES
from rag_pipeline.errors import ContractError
from rag_pipeline.files import fingerprint
from rag_pipeline.ingest.privacy.recognizers import Find, finds, international, unknown_regions

_VERSION = 3
"""Raise it when this module, `recognizers.py`, `normal_form.py` or `escapes.py` finds or masks differently.

Every item is read again then.
"""

_MASK = re.compile(rf"(<(?:{'|'.join(ENTITIES)})(?::[0-9a-f]{{8}})?>|<KEY:[0-9a-f]{{16}}>)")

_ROUNDS = 10
"""A mask ends the word beside it, which may bring a number to light; one more round finds it."""


@dataclass(frozen=True, slots=True)
class Protected:
    """A row as it may be stored; where there are `reasons`, none of it may be, and the row is as it was.

    `found` counts what was masked or refused, by entity.
    """

    row: dict[str, Any]
    found: dict[str, int] = field(default_factory=dict)
    reasons: list[dict[str, str]] = field(default_factory=list)


class Shield:
    """One contract's policies for private data, with the salt of this installation (`RAG_PII_SALT`, "" for none).

    Raises `ContractError` when values are to be hashed and there is no salt, or when a region has no known phone numbers;
    `protect` and `name` raise it when a key holds private data and there is no salt to tell masked keys apart. `shown` and
    `message` never do.
    """

    def __init__(self, contract: Contract, salt: str) -> None:
        self._file = contract.file
        self._salt = salt.encode("utf-8", "surrogatepass")
        self._columns = [column for column in contract.columns if column.privacy.policy != "allow"]
        self._keys = [column for column in self._columns if column.role == "key"]
        for column in self._columns:
            policy = column.privacy.policy
            if policy == "hash" or (policy == "drop" and column in self._keys):
                self._need_salt(f"piiPolicy {policy} of column {column.name}")
            unknown = unknown_regions(column.privacy.regions)
            if unknown:
                hint = " (the United Kingdom is GB)" if "UK" in unknown else ""
                raise ContractError(f"{self._file}: piiRegions names {', '.join(unknown)}, which is no country{hint}")

    @property
    def active(self) -> bool:
        """Whether any column has a policy other than `allow`."""
        return bool(self._columns)

    @cached_property
    def fingerprint(self) -> str:
        """Changes when the same row would be protected differently. Nobody learns anything of the salt from it."""
        if not self.active:
            return "allow"
        policies = [
            (c.name, c.role, c.privacy.policy, sorted(c.privacy.entities), sorted(c.privacy.regions)) for c in self._columns
        ]
        versions = [importlib.metadata.version(name) for name in ("presidio-analyzer", "phonenumbers", "tldextract")]
        return fingerprint(_VERSION, policies, versions, self._keyed("the salt's fingerprint") if self._salt else "")

    def protect(self, row: dict[str, Any]) -> Protected:
        """Apply every column's policy to one accepted row: column name -> typed value; null stays null."""
        kept, found, reasons = dict(row), Counter[str](), []
        for column in self._columns:
            value, privacy = row.get(column.name), column.privacy
            if value is None:
                continue
            if privacy.policy == "drop":
                kept[column.name] = None
            elif privacy.policy == "hash":
                kept[column.name] = self._hashed(value)
            elif privacy.policy == "refuse":
                if holds := _held(value, privacy):
                    found += holds
                    said = "; ".join(f"{entity}, {count} found" for entity, count in sorted(holds.items()))
                    reasons.append(_reason(column, f"holds private data ({said}), which the contract refuses"))
            elif isinstance(value, str):
                masked = self._masked(value, privacy, found)
                if masked is None:
                    reasons.append(_reason(column, "holds private data that cannot be masked; correct it in the source"))
                else:
                    kept[column.name] = self._told_apart(value, masked) if column in self._keys else masked
            elif column not in self._keys and (holds := _held(value, privacy)):
                found += holds
                kept[column.name] = None  # a number has no room for a mask
        return Protected(dict(row) if reasons else kept, dict(found), reasons)

    def name(self, key: str) -> str:
        """An item's or a row's key as it may be stored and shown: always the same for a key, and never the same for two.

        It is the key itself unless the policies of the key columns hash or drop, or find something in it.
        """
        return self._named(key, self._told_apart)

    def shown(self, name: str) -> str:
        """What a feed calls a thing of it, as a message may hold it: like `name`, and without a salt masks only."""
        return self._named(name, self._told_apart if self._salt else lambda _, masked: masked)

    def message(self, text: str) -> str:
        """A message in which something of a feed may stand: a host it leads to, a type it says it has."""
        if not self._columns:
            return text
        masked = self._masked(text, self._looked_for(self._columns), Counter())
        return "(not shown: it holds private data that cannot be masked)" if masked is None else masked

    def _named(self, name: str, told_apart: Callable[[str, str], str]) -> str:
        if not self._keys:
            return name
        if any(column.privacy.policy in ("hash", "drop") for column in self._keys):
            return self._hashed(name)
        masked = self._masked(name, self._looked_for(self._keys), Counter())
        if masked is None:
            return self._hashed(name) if self._salt else told_apart(name, "(a name that cannot be masked)")
        return told_apart(name, masked)

    def _looked_for(self, columns: Sequence[Column]) -> Privacy:
        entities = {entity for column in columns for entity in column.privacy.entities}
        regions = {region for column in columns for region in column.privacy.regions}
        return Privacy("scan-and-mask", tuple(sorted(entities)), tuple(sorted(regions)))

    def _masked(self, text: str, privacy: Privacy, found: Counter[str]) -> str | None:
        """The text with every find replaced, so that nothing is found in it any more; None when that has no end."""
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
            yield f"<{find.entity}:{self._keyed(_normal(find, privacy))[:8]}>" if self._salt else f"<{find.entity}>"
            end = find.end
        yield text[end:]

    def _told_apart(self, key: str, masked: str) -> str:
        if key == masked:
            return key
        self._need_salt("a key that holds private data")
        return f"{masked}<KEY:{self._keyed(key)[:16]}>"

    def _need_salt(self, what: str) -> None:
        if not self._salt:
            raise ContractError(f"{self._file}: {what} needs a secret that this installation keeps: set RAG_PII_SALT")

    def _hashed(self, value: Any) -> str:
        return self._keyed(str(value))[:32]

    def _keyed(self, text: str) -> str:
        return hmac.new(self._salt, text.encode("utf-8", "surrogatepass"), "sha256").hexdigest()


def _held(value: Any, privacy: Privacy) -> Counter[str]:
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


def _reason(column: Column, message: str) -> dict[str, str]:
    return {"rule": "privacy", "column": column.name, "message": message}
