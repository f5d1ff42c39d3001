"""What the gate says: a verdict, and the reasons for it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Outcome = Literal["passed", "regressed", "inconclusive", "could not be evaluated", "held"]
"""`regressed`: measured, and short of a demand. `inconclusive`: too few queries to tell. `held`: nothing speaks against the
release, but a rollback holds the channel. Only `passed` promotes."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that speaks against promotion: the policy line it breaks, and the figure behind it."""

    outcome: Outcome
    line: str
    message: str

    def __str__(self) -> str:
        return f"{self.message} ({self.line})" if self.line else self.message


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision. Only `passed` promotes; warnings are what a person should look at all the same.

    Notes say on what it passed where that is not plain: that judged queries were too few and unjudged ones told it.
    """

    release: str
    outcome: Outcome
    reasons: tuple[Reason, ...]
    warnings: tuple[Reason, ...] = ()
    notes: tuple[Reason, ...] = ()
    anchor: tuple[str, ...] = ()
    """How it does against the channel's anchor, where nothing speaks against it there."""

    @property
    def passed(self) -> bool:
        return self.outcome == "passed"


def outcome_of(reasons: Iterable[Reason]) -> Outcome:
    """What is said of something that these reasons speak against: the first of the order that one of them has."""
    order: tuple[Outcome, ...] = ("could not be evaluated", "regressed", "inconclusive", "held")
    found = {reason.outcome for reason in reasons}
    return next((one for one in order if one in found), "passed")


def invalid(message: str, line: str = "") -> Reason:
    """Something without which nothing can be said about a release."""
    return Reason("could not be evaluated", line, message)
