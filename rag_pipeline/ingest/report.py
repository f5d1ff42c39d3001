"""What a load of one source did, for people and for the checks. Never holds a raw value."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

Outcome = Literal["accepted", "unchanged", "held"]


@dataclass(frozen=True, slots=True)
class Refusal:
    """One quarantined row, without its values: where it is, and the rules it broke."""

    item: str
    row: int
    kind: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LoadReport:
    """One load of one source."""

    source: str
    outcome: Outcome
    at: datetime
    data_version: str
    documents: int
    reason: str = ""
    items_listed: int = 0
    items_read: int = 0
    rows_in: int = 0
    good: int = 0
    refused: int = 0
    superseded: int = 0
    unreadable: int = 0
    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    open_refusals: int = 0
    refusals: tuple[Refusal, ...] = field(default=())
    unknown_columns: tuple[str, ...] = ()

    @property
    def held(self) -> bool:
        return self.outcome == "held"
