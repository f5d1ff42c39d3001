"""What replicas count of each arm while a split is on: sums that add up over replicas, whatever the load."""

import math
from collections import Counter
from collections.abc import Iterable
from typing import Literal

from pydantic import Field

from rag_pipeline.records import Record

Arm = Literal["stable", "canary"]
"""Which of two releases answers somebody: the one most get, or the one that is tried on a part of the traffic."""

STEP = 1.05
"""How many times as long the next bucket of milliseconds is: quantiles are off by less than five percent."""
_MOST = 10_000.0 * 60


class ArmCounts(Record):
    """One arm: how long its answers took, and what failed. What a caller did wrong, or was too much, is not counted."""

    answered: dict[int, int] = Field(default={})
    """bucket -> answers: bucket n ends at `STEP` to the n milliseconds"""
    errors: int = 0

    @property
    def answers(self) -> int:
        return sum(self.answered.values())

    @property
    def queries(self) -> int:
        return self.answers + self.errors

    @property
    def errors_percent(self) -> float:
        return 100 * self.errors / self.queries if self.queries else 0.0

    def bucket_at(self, share: float) -> int | None:
        """The bucket in which a quantile lies; None without answers."""
        rank, seen = share * self.answers, 0
        for bucket in sorted(self.answered):
            seen += self.answered[bucket]
            if seen >= rank:
                return bucket
        return None

    def quantile_ms(self, share: float) -> float | None:
        """The upper end of the bucket in which a quantile lies; None without answers."""
        bucket = self.bucket_at(share)
        return None if bucket is None else round(STEP**bucket, 2)

    def slower_than(self, bucket: int) -> int:
        """Answers of later buckets."""
        return sum(count for place, count in self.answered.items() if place > bucket)


class Arms(Record):
    """Both arms. `unopened`: questions of the canary arm that the stable one answered, as nothing else was open."""

    stable: ArmCounts = ArmCounts()
    canary: ArmCounts = ArmCounts()
    unopened: int = 0


class Trial(Record):
    """What is compared: the split of one number, and both releases. After a promotion it is another trial."""

    number: int
    channel: str
    stable: str
    """Release that `channel` answers from."""
    canary_channel: str
    canary: str
    """Release that `canary_channel` answers from; empty as long as none is open."""


class Tried(Record):
    """What one replica counted of a trial. `looked`: queries of the canary arm at the last look that it took of the sum."""

    trial: Trial
    arms: Arms
    looked: int = 0


def bucket_of(milliseconds: float) -> int:
    """The bucket of a time; everything below a millisecond is in the first."""
    return max(0, math.ceil(math.log(min(max(milliseconds, 1.0), _MOST)) / math.log(STEP)))


def summed(parts: Iterable[Arms]) -> Arms:
    """What several replicas counted together."""
    found = list(parts)
    return Arms(
        stable=_added(one.stable for one in found),
        canary=_added(one.canary for one in found),
        unopened=sum(one.unopened for one in found),
    )


def _added(parts: Iterable[ArmCounts]) -> ArmCounts:
    answered: Counter[int] = Counter()
    errors = 0
    for one in parts:
        answered.update(one.answered)
        errors += one.errors
    return ArmCounts(answered=dict(answered), errors=errors)
