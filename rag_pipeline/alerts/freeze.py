"""A freeze: the gate keeps production where it is, night after night. Nobody may notice, because every night looks harmless.

It is derived from the last word on a channel (`alerts.verdicts`) and from what its sources promise; it decides nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from rag_pipeline.alerts.verdicts import LastVerdict, last_verdict
from rag_pipeline.channels.pointer import Channel, signed_command
from rag_pipeline.home import Home
from rag_pipeline.ingest.state import SourceState

NIGHTS = 3
"""Inconclusive nights running that make a freeze."""


@dataclass(frozen=True, slots=True)
class Freeze:
    """Since when a channel stands still because its gate says no, and why that is more than one bad night."""

    since: datetime
    says: str


def frozen(home: Home, name: str, channel: Channel | None, states: Sequence[SourceState], now: datetime) -> Freeze | None:
    """Whether a channel is frozen: so many inconclusive nights running, or what it serves is older than a source promises
    although that source is fresh. A hold is a person's choice, and a late source is told as that: neither is a freeze.
    """
    word = last_verdict(home, name)
    if channel is None or channel.hold or word is None or word.outcome in ("passed", "held"):
        return None
    if word.release == channel.release:  # nothing newer waits
        return None
    nights, since = len(word.inconclusive), word.passed_at or channel.at
    hours = (now - since).total_seconds() / 3600
    if nights >= NIGHTS:
        says = f"the gate could not tell on {nights} nights running (since {_when(word.inconclusive[0])})"
        return Freeze(word.inconclusive[0], _what_to_do(name, word, says))
    late = [one for one in states if one.within_sla and one.max_age_hours is not None and hours > one.max_age_hours]
    if not late:
        return None
    first = min(late, key=lambda one: (one.max_age_hours or 0.0, one.source))
    says = (
        f"the gate let nothing pass for {hours:.0f} h (since {_when(since)}), and source {first.source}, which is fresh, "
        f"promises {first.max_age_hours:g} h"
    )
    return Freeze(since, _what_to_do(name, word, says))


def _what_to_do(name: str, word: LastVerdict, says: str) -> str:
    return (
        f"{name} is frozen: {says}. Its last word on {word.release} was {word.outcome}. `rag report` shows what changed; "
        "fix it, judge what the reasons ask for, or override the gate: "
        f"`{signed_command(f'rag promote {word.release}', name, override=True)}`"
    )


def _when(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
