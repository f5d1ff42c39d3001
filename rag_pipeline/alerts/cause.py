"""What an alert is about: one cause, with everything a person needs to act on it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "refused",
    "frozen",
    "held source",
    "stale source",
    "broken data",
    "production got worse",
    "production is not refreshed",
    "channel is held",
    "damaged channel",
    "failed check",
    "failed run",
    "cannot be looked at",
]
"""Every kind has an entry in docs/runbook.md."""


@dataclass(frozen=True, slots=True)
class Cause:
    """One thing that is wrong now. The same kind and subject is the same cause, as long as it lasts."""

    kind: Kind
    subject: str
    title: str
    reasons: tuple[str, ...]
    owner: str
    next: tuple[str, ...]
    """What to do, most likely first."""
    marks: frozenset[str] = frozenset()
    """What makes it news again while it lasts: reasons without their figures. Fewer of them are no news."""
    run_id: str = ""

    @property
    def key(self) -> str:
        return key_of(self.kind, self.subject)


@dataclass(frozen=True, slots=True)
class Findings:
    """What is wrong, what was looked at and is well, and what there is at all. What could not be looked at is in neither."""

    causes: tuple[Cause, ...] = ()
    well: frozenset[str] = frozenset()
    """Keys of causes that are not there."""
    possible: frozenset[str] = frozenset()
    """Keys that may be known another time: a source, step or check that is not defined any more is in none of the three."""

    def __add__(self, other: "Findings") -> "Findings":
        causes = self.causes + other.causes
        well = (self.well | other.well) - {cause.key for cause in causes}
        return Findings(causes, well, self.possible | other.possible)

    def over(self, key: str) -> bool:
        """Whether a cause that was told is over: it is well, or there is nothing left that it could be about."""
        if key in self.well:
            return True
        blind = any(cause.kind == "cannot be looked at" for cause in self.causes)
        return not blind and key not in self.possible and key not in {cause.key for cause in self.causes}


def key_of(kind: Kind, subject: str) -> str:
    return f"{kind}: {subject}"


def marks_of(reasons: Iterable[str]) -> frozenset[str]:
    """Reasons without what changes every night: figures, ages, line numbers, ids of releases and runs."""
    return frozenset(_NUMBER.sub("#", _ID.sub("#", reason)) for reason in reasons)


_ID = re.compile(r"\b(?:\d{8}-\d{6}-[0-9a-f]{8}(?:-\d+)?|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\b")
"""The id of a release or a run."""

_NUMBER = re.compile(r"(?<![\w@.+-])[+-]?\d+(?:[.,:]\d+)*(?![\w@])")
"""A number that stands alone: not the 10 of nDCG@10, nor the 2 of a column called price2."""
