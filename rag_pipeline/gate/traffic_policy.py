"""What gate.yaml says of serving: what replicas promise, and what a release must have shown on another channel before.

`serving` is watched in any case. It binds the gate only where `after` names a channel that serves before: without one there
is no traffic of a release to hold against it.
"""

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from rag_pipeline.errors import did_you_mean, unknown_name

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


class Strict(BaseModel):
    """A part of gate.yaml: a name that nobody knows is an error, and so is a number of the wrong kind."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class AfterPolicy(Strict):
    """So much must have been answered before, on another channel, from exactly this content."""

    channel: str
    """The channel that serves it first, as gate.yaml names it."""
    hours: int = Field(default=24, ge=1, le=336)
    """Different hours of the clock in which questions were answered; hours without one do not count."""
    queries: int = Field(default=2_000, ge=1, le=1_000_000)
    """Answered questions that count: see `most_of_one`."""
    principals: int = Field(default=5, ge=1, le=10_000)
    """Who asked them, at least. 1 where one application asks for everybody."""

    @property
    def most_of_one(self) -> int:
        """How many questions of one principal count in an hour, each of them once: as many as an even stream would have."""
        return math.ceil(self.queries / self.hours)


class ShadowPairs(Strict):
    """What people must have judged of questions that both releases answered."""

    judged: int = Field(default=59, ge=1, le=100_000)
    """Pairs that differ; where fewer differ, all of those, and so many pairs in all."""
    lost_max_percent: float = Field(default=5.0, gt=0, le=100)
    """Pairs that are worse than what production answered, of all that were sampled up to the last one judged."""


class ServingPolicy(Strict):
    """What replicas (`rag serve`) promise over the last hour. It is watched, and where `after` stands, a release must have
    kept it on that channel: shares are then shown by a one-sided 95 % bound, over all its questions that count."""

    p50_ms: float | None = Field(default=None, gt=0)
    p95_ms: float | None = Field(default=None, gt=0)
    errors_max_percent: float | None = Field(default=1.0, ge=0, le=100)
    """Requests that a replica failed (status 500 and more, but for those it refused), of all; null: no limit."""
    refused_max_percent: float | None = Field(default=None, ge=0, le=100)
    """Requests that were too many for its limits, of all. It says nothing of a release, and is watched only."""
    degraded_max_percent: float | None = Field(default=None, ge=0, le=100)
    """Answers that were degraded, of all requests."""
    least: int = Field(default=100, ge=1)
    """Requests in the hour below which no share and no percentile says anything. Watched only."""
    zero_hits_not_worse: float | None = Field(default=None, gt=0, le=1)
    """By how much the share of answers without a chunk may be above production's in the same hours; for the gate only."""
    shadow_pairs: ShadowPairs | None = None
    """For the gate only."""


_Steps = tuple[str, ...]


def strange_demands(channels: Mapping[str, tuple[AfterPolicy | None, ServingPolicy]]) -> Iterator[tuple[_Steps, str]]:
    """Where below `channels` something cannot be meant, and what."""
    for name, (after, serving) in channels.items():
        if after is None:
            for field in ("zero_hits_not_worse", "shadow_pairs"):
                if getattr(serving, field) is not None:
                    says = "binds the gate, which needs `after`: the channel that serves a release before this one"
                    yield (name, "serving", field), says
        elif after.channel == name:
            yield (name, "after", "channel"), "a channel cannot come after itself; name the one that serves a release before"
        elif after.channel not in channels:
            known = [one for one in channels if one != name]
            yield (name, "after", "channel"), unknown_name("channel", after.channel, known)
        elif _comes_after(channels, after.channel, name):
            yield (name, "after", "channel"), f"{after.channel} itself comes after {name}, so no release could reach either"
        elif after.principals > after.queries:
            yield (name, "after", "principals"), f"cannot be more than the {after.queries} queries that they ask"


def _comes_after(channels: Mapping[str, tuple[AfterPolicy | None, ServingPolicy]], channel: str, other: str) -> bool:
    seen = set()
    while channel in channels and channel not in seen:
        seen.add(channel)
        after = channels[channel][0]
        if after is None:
            return False
        if after.channel == other:
            return True
        channel = after.channel
    return False


_FIELDS = {name for part in (AfterPolicy, ShadowPairs, ServingPolicy) for name in part.model_fields}


def said(entry: "ErrorDetails") -> str:
    """The words for what does not fit; for a field that nobody knows, the one that is probably meant."""
    if entry["type"] != "extra_forbidden":
        return entry["msg"]
    hint = did_you_mean(str(entry["loc"][-1]), _FIELDS | {"after", "serving"})
    return f"{entry['msg']}; {hint}" if hint.startswith("did you mean") else entry["msg"]
