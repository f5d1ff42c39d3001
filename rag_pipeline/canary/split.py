"""Which part of a channel's traffic another channel answers: one small file of a home, which people and replicas write.

Who is in the part hangs on a hash alone, so it stays the same from one question to the next, on every replica.
"""

import hashlib
import secrets
from datetime import datetime, timedelta

from pydantic import Field, ValidationError

from rag_pipeline.canary.arms import Arm, Arms
from rag_pipeline.channels.pointer import release_in
from rag_pipeline.errors import PipelineError, first_problem
from rag_pipeline.files import write_json
from rag_pipeline.home import Home
from rag_pipeline.mirrored import seen
from rag_pipeline.records import Record

PARTS = 10_000
"""A share is told in so many parts: hundredths of a percent."""
MOST_PERCENT, MOST_HOURS = 50.0, 24 * 28


class SplitMoved(PipelineError):
    """Somebody else changed the split meanwhile."""


class Split(Record):
    """The split as it is now; `number` grows by one with each change of it."""

    number: int
    channel: str
    """The channel whose traffic is split: its release is the stable one."""
    canary: str
    """The channel whose release answers the part."""
    percent: float = Field(ge=0, le=MOST_PERCENT)
    """0 once it was stopped."""
    salt: str
    since: datetime
    until: datetime
    at: datetime
    """When this was written."""
    by: str
    why: str
    by_replica: bool = False
    """Whether a replica stopped it by itself."""
    arms: Arms = Arms()
    """What replicas had counted when it was stopped."""

    def is_on(self, now: datetime) -> bool:
        return self.percent > 0 and self.since <= now < self.until

    def arm_of(self, who: str, now: datetime) -> Arm:
        """The arm of somebody: a principal, or one session of it."""
        return "canary" if self.is_on(now) and part_of(self.salt, who) < self.percent * PARTS / 100 else "stable"


class Wanted(Record):
    """What somebody who starts a split says."""

    channel: str
    canary: str
    percent: float
    hours: float
    by: str
    why: str


def part_of(salt: str, name: str) -> int:
    """Which of `PARTS` equal parts a name falls into."""
    digest = hashlib.sha256(f"{salt}\0{name}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:4], "big") % PARTS


def read_split(home: Home) -> Split | None:
    """The split, None where none was ever started. Raises `PipelineError` when its file is damaged."""
    seen(home.split)
    try:
        return Split.model_validate_json(home.split.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise PipelineError(
            f"{home.split} is damaged: {first_problem(error)}; remove it: all traffic stays with the stable release, and "
            "`rag canary start` begins anew"
        ) from error


def change_split(home: Home, new: Split, *, expected: Split | None) -> None:
    """Write the split if it still is as `expected`. Raises `SplitMoved` when it is not."""
    with home.exclusive("split", wait_s=20):
        if read_split(home) != expected:
            raise SplitMoved("the split was changed by somebody else in the meantime; look at it (`rag canary show`)")
        write_json(home.split, new.model_dump(mode="json"))


def started(home: Home, wanted: Wanted, before: Split | None, now: datetime) -> Split:
    """The split that somebody wants. Who was in the part of a split that is on is in that of a larger one.

    Raises `PipelineError` for what cannot be, and `ReleaseError` for a channel that names no release.
    """
    channel, canary = wanted.channel, wanted.canary
    if not (wanted.by.strip() and wanted.why.strip()):
        raise PipelineError("say who starts the split and why: `rag canary start --percent 5 --by NAME --reason WHY`")
    if not 1 / 100 <= wanted.percent <= MOST_PERCENT:
        raise PipelineError(f"--percent {wanted.percent:g}: from 0.01 to {MOST_PERCENT:g} percent can be split")
    if not 0 < wanted.hours <= MOST_HOURS:
        raise PipelineError(f"--hours {wanted.hours:g}: a split lasts {MOST_HOURS} hours at most, and more than none")
    if release_in(home, channel) == release_in(home, canary):
        raise PipelineError(
            f"{channel} and {canary} name the same release, so there is nothing to try; promote another one to {canary} "
            f"first: `rag promote ID --channel {canary}`"
        )
    goes_on = before is not None and before.is_on(now) and (before.channel, before.canary) == (channel, canary)
    return Split(
        number=before.number + 1 if before else 1,
        channel=channel,
        canary=canary,
        percent=wanted.percent,
        salt=before.salt if before and goes_on else secrets.token_hex(16),
        since=now,
        until=now + timedelta(hours=wanted.hours),
        at=now,
        by=wanted.by,
        why=wanted.why,
    )


def stopped(split: Split, now: datetime, *, by: str, why: str, arms: Arms, by_replica: bool = False) -> Split:
    """The split after it was stopped."""
    said = {"percent": 0.0, "at": now, "by": by, "why": why, "arms": arms, "by_replica": by_replica}
    return split.model_copy(update={**said, "number": split.number + 1})
