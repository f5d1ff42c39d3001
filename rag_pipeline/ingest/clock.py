"""Whether the machine's clock can be believed, before anything is deleted because of its age.

The last time that was believed is kept in one small file. A clock far ahead of it, or behind it, is not believed: what
is removed by age (retention, old versions of tables) then stays at that time until the clock is right again, or a person
says that it is. So a wrong clock that stays wrong does not become believable by being seen twice.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import AwareDatetime, BaseModel, ConfigDict

from rag_pipeline.files import write_json
from rag_pipeline.home import Home
from rag_pipeline.ingest.loads import loads_in_order
from rag_pipeline.ingest.tables import source_tables
from rag_pipeline.mirrored import seen

log = logging.getLogger("rag_pipeline")

SKEW = timedelta(minutes=5)
"""Clocks of two machines differ by so much without anybody minding."""

A_DAY = timedelta(days=1)
"""A date has no time zone, and elsewhere the day began hours ago: a value of tomorrow is not from the future."""

LONGEST_PAUSE = timedelta(days=14)
"""A pipeline that was not run for longer is asked about: was it, or is the clock wrong?"""

_OFTEN = timedelta(hours=1)


class _Mark(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    believed: AwareDatetime
    by: str = ""
    """The person who said that the clock is right, if somebody did."""


@dataclass(frozen=True, slots=True)
class Clock:
    """What the machine's clock says, and the time to go by where something is deleted for its age."""

    says: datetime
    believed: datetime
    doubt: str = ""
    """Why the one is not the other; empty when it is."""

    @property
    def latest(self) -> datetime:
        """What is later than this comes from the future, whichever of the two is right."""
        return max(self.says, self.believed)


def clock_now(home: Home, now: datetime) -> Clock:
    """The clock, held against the last time that was believed. Reads only."""
    last = _last(home)
    if last is None or last - A_DAY <= now <= last + LONGEST_PAUSE:
        return Clock(now, now)
    days = abs(now - last) / A_DAY
    found = (
        f"the clock says {now:%Y-%m-%d %H:%M} UTC, {days:,.0f} days {'after' if now > last else 'before'} the last time "
        f"that was believed ({last:%Y-%m-%d %H:%M})"
    )
    return Clock(
        now,
        last,
        f"{found}; nothing is deleted for its age until the clock is right, or until `rag gc --clock-is-right` confirms it",
    )


def look_at_clock(home: Home, now: datetime) -> Clock:
    """The same, and a time that is believed is written down for whoever asks next."""
    clock, last = clock_now(home, now), _last(home)
    if clock.doubt:
        log.warning("%s", clock.doubt)
    elif last is None or now > last + _OFTEN or not home.clock.is_file():
        _write(home, _Mark(believed=max(now, last) if last else now))
    return clock


def believe_clock(home: Home, now: datetime, *, by: str) -> None:
    """A person says that the clock is right."""
    _write(home, _Mark(believed=now, by=by))


def _write(home: Home, mark: _Mark) -> None:
    write_json(home.clock, mark.model_dump(mode="json"))


def _last(home: Home) -> datetime | None:
    """The last time that was believed; without the file, of the last load of any source. None: there was no load yet."""
    try:
        return _Mark.model_validate_json(home.clock.read_bytes()).believed
    except FileNotFoundError:
        pass
    except ValueError as error:
        log.warning("%s is damaged, so the last loads say what time it was: %s", home.clock, error)
    seen(home.lake)
    sources = sorted(path.name for path in home.loads.glob("*") if path.is_dir())
    last = (loads_in_order(source_tables(home, source)).tail(1)["at"].to_list() for source in sources)
    return max((at for found in last for at in found), default=None)
