"""What a load of one source did, for people and for the checks. It never holds a raw value."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from rag_pipeline.extraction.account import Account
from rag_pipeline.extraction.kinds import unread
from rag_pipeline.ingest.quality import QualityResult

Outcome = Literal["accepted", "unchanged", "held"]


@dataclass(frozen=True, slots=True)
class Refusal:
    """One quarantined row, without its values: where it is, and the rules it broke."""

    item: str
    row: int
    kind: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Batch:
    """What a batch makes of its source, in rows: what the limits of the contract are held against."""

    before: int = 0
    """Documents that were stored."""
    after: int = 0
    """Documents that are stored with the batch."""
    refused: int = 0
    """Rows in quarantine with the batch, without those that a later row supersedes."""

    @property
    def refused_percent(self) -> float:
        rows = self.after + self.refused
        return 100 * self.refused / rows if rows else 0.0

    @property
    def drop_percent(self) -> float:
        """How much fewer documents there are; below zero where there are more."""
        return 100 * (self.before - self.after) / self.before if self.before else 0.0


@dataclass(frozen=True, slots=True)
class Losses:
    """What all documents that are stored now lack, whenever they were read."""

    total: Account = Account()
    accounted: int = 0
    """Documents whose kind has an account of words."""
    lossy: int = 0
    """Documents that lack more than their contract allows."""
    examples: tuple[tuple[str, Account], ...] = ()
    """Item and account of those that lack something, the worst first."""
    not_read: Mapping[str, int] | None = None
    """Files no connector reads, by suffix, and those that came with mails; None when the feed could not be listed."""
    new_suffixes: tuple[str, ...] = ()
    """Suffixes of such files that the load before did not see."""

    @property
    def unread(self) -> str:
        """Files that no connector reads, for people: `12 of .png, 1 of .pptx`."""
        return unread(self.not_read or {})


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
    items_unreachable: int = 0
    """Items that could not be asked for now (a page that answers 500): they stay as they were last read."""
    items_lost: int = 0
    """Items that were read again only because the tables do not hold any more what was stored of them."""
    batch: Batch = Batch()
    """What was held against the limits of the contract; where no batch was read, the source as it stands."""
    usual_drop_percent: float = 0.0
    """Up to where it is usual for the source that documents leave."""
    unusual_drop: str = ""
    """What is unusual about the number of documents that left, far below what would hold the source."""
    clock_doubt: str = ""
    """Why the clock of the machine cannot be believed."""
    implausible: tuple[str, ...] = ()
    """What is stored and hardly meant: one sentence for each column and kind of date."""
    rows_in: int = 0
    good: int = 0
    refused: int = 0
    superseded: int = 0
    unreadable: int = 0
    expired: int = 0
    """Rows that were older than the contract lets them be kept."""
    purged: int = 0
    """Documents and refused rows that have become older than that since."""
    pii_found: dict[str, int] = field(default_factory=dict)
    """Private data found in the rows read, by entity; masked or refused as the contract says."""
    quality: tuple[QualityResult, ...] = ()
    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    open_refusals: int = 0
    refusals: tuple[Refusal, ...] = field(default=())
    unknown_columns: tuple[str, ...] = ()
    losses: Losses = Losses()
    """What the documents lack of what their files show, and which files no connector reads."""

    @property
    def held(self) -> bool:
        return self.outcome == "held"
