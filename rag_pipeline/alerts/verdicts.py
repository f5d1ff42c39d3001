"""The last word on each channel, written down where an alert can find it: no audit row holds a refusal before the gate.

There is one small file for each channel, which the next refresh overwrites. It decides nothing: the gate never reads it.
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import BaseModel, ConfigDict

from rag_pipeline.channels.pointer import PRODUCTION
from rag_pipeline.errors import PipelineError
from rag_pipeline.files import write_json
from rag_pipeline.gate.verdict import Verdict
from rag_pipeline.home import Home
from rag_pipeline.index.candidate import read_candidate
from rag_pipeline.release.watch import Degradation

_A_NIGHT = timedelta(hours=12)
"""Verdicts nearer to each other are of one night."""

_NIGHTS = 100
"""That are remembered at most."""

log = logging.getLogger("rag_pipeline")

WATCH = f"{PRODUCTION}.watch"
"""What the last look at the serving release found; no channel can have this name."""


class LastVerdict(BaseModel):
    """What was said last. `passed_at`: when the last word was yes, also if it is no now."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    release: str
    outcome: str
    reasons: tuple[str, ...]
    at: datetime
    run_id: str
    passed_at: datetime | None = None
    inconclusive: tuple[datetime, ...] = ()
    """When it was inconclusive, one time a night, as often as it was so running. A day with many refreshes is one night."""

    @property
    def passed(self) -> bool:
        return self.outcome == "passed"


@dataclass(frozen=True, slots=True)
class Word:
    """What is said of a release: that it passed, or why it did not."""

    release: str
    outcome: str
    reasons: Iterable[object] = ()


def note_verdict(home: Home, name: str, word: Word, *, run_id: str, now: datetime) -> None:
    """Write the last word on a channel down, if it is about the candidate. A word on another release is for who asked.

    Never fails the run it is written by: what cannot be written is told in the log.
    """
    if name == WATCH or word.release == _candidate(home):
        before = last_verdict(home, name)
        last = LastVerdict(
            release=word.release,
            outcome=word.outcome,
            reasons=tuple(str(reason) for reason in word.reasons),
            at=now,
            run_id=run_id,
            passed_at=now if word.outcome == "passed" else before.passed_at if before else None,
            inconclusive=_inconclusive(before, word.outcome, now),
        )
        try:
            write_json(home.verdict(name), last.model_dump(mode="json"))
        except OSError as error:
            log.warning("the verdict on %s could not be written down for the alerts: %s", name, error)


def _inconclusive(before: LastVerdict | None, outcome: str, now: datetime) -> tuple[datetime, ...]:
    """The inconclusive nights running, this one included. `refused` is the word of the channel's own step, after the
    evaluation's, and tells no more than that."""
    nights = before.inconclusive if before else ()
    if outcome == "refused":
        return nights
    if outcome != "inconclusive":
        return ()
    return nights if nights and now - nights[-1] < _A_NIGHT else (*nights, now)[-_NIGHTS:]


def note_verdicts(home: Home, verdicts: dict[str, Verdict], *, run_id: str, now: datetime) -> None:
    """The same of several channels."""
    for name, verdict in verdicts.items():
        note_verdict(home, name, Word(verdict.release, verdict.outcome, verdict.reasons), run_id=run_id, now=now)


def note_watch(home: Home, verdict: Verdict, rots: Sequence[Degradation], *, run_id: str, now: datetime) -> None:
    """The same for what serves. Stale sources are reported as sources."""
    reasons = [str(reason) for reason in verdict.reasons] + [one.says for one in rots if one.what != "stale sources"]
    outcome = "passed" if verdict.passed and not reasons else "regressed" if verdict.passed else verdict.outcome
    note_verdict(home, WATCH, Word(verdict.release, outcome, dict.fromkeys(reasons)), run_id=run_id, now=now)


def last_verdict(home: Home, name: str) -> LastVerdict | None:
    """None when nothing was said yet, or what was said cannot be read: the next refresh says it again."""
    try:
        return LastVerdict.model_validate_json(home.verdict(name).read_bytes())
    except (OSError, ValueError):
        return None


def last_words(home: Home, name: str) -> dict[str, str]:
    """release -> the last word on it, of the one release that word is on; what its gate said is in the audit table."""
    last = last_verdict(home, name)
    return {last.release: last.outcome} if last and last.outcome != "refused" else {}


def _candidate(home: Home) -> str | None:
    try:
        return read_candidate(home).release
    except (PipelineError, OSError, ValueError):
        return None
