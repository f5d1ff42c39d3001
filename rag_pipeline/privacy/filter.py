"""What a contract does with private data before anything is stored: mask, hash, drop, refuse. No value goes into a message.

Masks are keyed with a salt, so that the same value has the same mask in every document and every night, and nobody
without the salt can try values out. `contracts/entities.py` lists what is looked for, `recognizers.py` finds it.
"""

import importlib.metadata
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from rag_pipeline.contracts.contract import Column, Contract, Privacy
from rag_pipeline.errors import ContractError, Unreadable
from rag_pipeline.files import fingerprint
from rag_pipeline.privacy.masks import Masks, held
from rag_pipeline.privacy.recognizers import unknown_regions
from rag_pipeline.urls import without_secrets

_VERSION = 4
"""Raise it when a module of this package finds or masks differently.

Every item is read again then.
"""


@dataclass(frozen=True, slots=True)
class Protected:
    """A row as it may be stored; where there are `reasons`, none of it may be, and the row is as it was.

    `found` counts what was masked or refused, by entity.
    """

    row: dict[str, Any]
    found: dict[str, int] = field(default_factory=dict)
    reasons: list[dict[str, str]] = field(default_factory=list)


class PrivacyFilter:
    """One contract's policies for private data, with the salt of this installation (`RAG_PII_SALT`, "" for none).

    Raises `ContractError` when values are to be hashed and there is no salt, or when a region has no known phone numbers;
    `protect` and `name` raise it when a key holds private data and there is no salt to tell masked keys apart. `shown` and
    `message` never do.
    """

    def __init__(self, contract: Contract, salt: str) -> None:
        self._file = contract.file
        self._masks = Masks(salt)
        self._columns = [column for column in contract.columns if column.privacy.policy != "allow"]
        self._keys = [column for column in self._columns if column.role == "key"]
        for column in self._columns:
            policy = column.privacy.policy
            if policy == "hash" or (policy == "drop" and column in self._keys):
                self._need_salt(f"piiPolicy {policy} of column {column.name}")
            unknown = unknown_regions(column.privacy.regions)
            if unknown:
                hint = " (the United Kingdom is GB)" if "UK" in unknown else ""
                raise ContractError(f"{self._file}: piiRegions names {', '.join(unknown)}, which is not a country{hint}")

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
        return fingerprint(_VERSION, policies, versions, self._masks.keyed("the salt's fingerprint") if self._masks else "")

    def protect(self, row: dict[str, Any]) -> Protected:
        """Apply every column's policy to one accepted row: column name -> typed value; null stays null.

        Raises `Unreadable`, naming the column, when a text is such that the search for private data in it has no end.
        """
        kept, found, reasons = dict(row), Counter[str](), list[dict[str, str]]()
        for column in self._columns:
            value = row.get(column.name)
            if value is None:
                continue
            try:
                kept[column.name] = self._protected(column, value, found, reasons)
            except Unreadable as error:
                raise Unreadable(f"column {column.name}: {error}") from error
        return Protected(dict(row) if reasons else kept, dict(found), reasons)

    def _protected(self, column: Column, value: Any, found: Counter[str], reasons: list[dict[str, str]]) -> Any:
        """One value as it may be stored; what was found in it, and why it may not be, is added."""
        privacy = column.privacy
        if privacy.policy == "drop":
            return None
        if privacy.policy == "hash":
            return self._hashed(value)
        if privacy.policy == "refuse":
            if holds := held(value, privacy):
                found.update(holds)
                said = "; ".join(f"{entity}, {count} found" for entity, count in sorted(holds.items()))
                reasons.append(_reason(column, f"holds private data ({said}), which the contract refuses"))
        elif isinstance(value, str):
            masked = self._masks.masked(value, privacy, found)
            if masked is None:
                reasons.append(_reason(column, "holds private data that cannot be masked; correct it in the source"))
            else:
                return self._told_apart(value, masked) if column in self._keys else masked
        elif column not in self._keys and (holds := held(value, privacy)):
            found.update(holds)
            return None  # a number has no room for a mask
        return value

    def name(self, key: str) -> str:
        """An item's or a row's key as it may be stored and shown: always the same for a key, and never the same for two.

        It is the key itself unless the policies of the key columns hash or drop, or find something in it.
        """
        return self._named(key, self._told_apart)

    def shown(self, name: str) -> str:
        """What a feed calls a thing of it, as a message may hold it: like `name`, and without a salt masks only."""
        return self._named(name, self._told_apart if self._masks else lambda _, masked: masked)

    def message(self, text: str) -> str:
        """A message in which something of a feed may stand: a host it leads to, a type it says it has. No secret stays."""
        text = without_secrets(text)
        if not self._columns:
            return text
        masked = self._masked(text, self._columns)
        return "(not shown: it holds private data that cannot be masked)" if masked is None else masked

    def _named(self, name: str, told_apart: Callable[[str, str], str]) -> str:
        if not self._keys:
            return name
        if any(column.privacy.policy in ("hash", "drop") for column in self._keys):
            return self._hashed(name)
        masked = self._masked(name, self._keys)
        if masked is None:
            return self._hashed(name) if self._masks else told_apart(name, "(a name that cannot be masked)")
        return told_apart(name, masked)

    def _masked(self, text: str, columns: Sequence[Column]) -> str | None:
        with suppress(Unreadable):  # it cannot be looked through, and so not be shown
            return self._masks.masked(text, self._looked_for(columns), Counter())
        return None

    def _looked_for(self, columns: Sequence[Column]) -> Privacy:
        entities = {entity for column in columns for entity in column.privacy.entities}
        regions = {region for column in columns for region in column.privacy.regions}
        return Privacy("scan-and-mask", tuple(sorted(entities)), tuple(sorted(regions)))

    def _told_apart(self, key: str, masked: str) -> str:
        if key == masked:
            return key
        self._need_salt("a key that holds private data")
        return f"{masked}<KEY:{self._masks.keyed(key)[:16]}>"

    def _need_salt(self, what: str) -> None:
        if not self._masks:
            raise ContractError(f"{self._file}: {what} needs a secret that this installation keeps: set RAG_PII_SALT")

    def _hashed(self, value: Any) -> str:
        return self._masks.keyed(str(value))[:32]


def _reason(column: Column, message: str) -> dict[str, str]:
    return {"rule": "privacy", "column": column.name, "message": message}
