"""What may be kept of a text that somebody typed: private values are masked by the finders of contracts, every kind."""

import re
from collections import Counter

from rag_pipeline.contracts.contract import Privacy
from rag_pipeline.contracts.entities import ENTITIES
from rag_pipeline.contracts.read import read_contracts
from rag_pipeline.errors import PipelineError, Unreadable
from rag_pipeline.privacy.masks import Masks, held
from rag_pipeline.settings import Settings
from rag_pipeline.urls import without_secrets

_OWN_KEY = re.compile(r"rag_[A-Za-z0-9_-]{20,}")
"""A key of `rag serve`, or the most of one, that somebody typed where a question goes."""


class Words:
    """Masks as documents have them: the same salt, every kind of private value, the countries that contracts name."""

    def __init__(self, salt: str, regions: tuple[str, ...] = ()) -> None:
        self._masks = Masks(salt)
        self._privacy = Privacy("scan-and-mask", tuple(ENTITIES), regions)

    def kept(self, text: str) -> str | None:
        """The text without private values; None when it cannot be looked through, or not masked."""
        plain = _OWN_KEY.sub("<KEY>", without_secrets(text))
        try:
            return self._masks.masked(plain, self._privacy, Counter())
        except Unreadable:
            return None

    def held(self, text: str) -> int:
        """How many private values are found in a text that should hold none."""
        try:
            return held(text, self._privacy).total() + len(_OWN_KEY.findall(text))
        except Unreadable:
            return 1


def words_of(settings: Settings, salt: str) -> Words:
    """With the countries of all contracts that can be read here; a replica may have none, and answers all the same."""
    try:
        contracts = read_contracts(settings.contracts)
    except (PipelineError, OSError):
        contracts = ()
    return Words(
        salt, tuple(sorted({region for one in contracts for column in one.columns for region in column.privacy.regions}))
    )
