"""Channels: small files that name a release. They are the only things in `RAG_HOME` that ever change in place.

A reader looks here and nowhere else. Code that moves a channel, or removes what one may need, asks `audit.channel_now`: the
audit table is the truth, and a channel's file is its copy for readers.
"""

from contextlib import AbstractContextManager
from datetime import datetime

from pydantic import BaseModel, ConfigDict, ValidationError

from rag_pipeline.errors import ChannelError, ReleaseError, first_problem
from rag_pipeline.files import write_json
from rag_pipeline.home import Home
from rag_pipeline.mirrored import seen

PRODUCTION = "production"
"""The channel users are answered from."""


class Hold(BaseModel):
    """A person's word, or the watch's, that nothing automatic moves a channel: since when, whose and why."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    at: datetime
    by: str
    why: str

    def says(self, channel: str) -> str:
        """The one sentence everything tells it in, with what lifts it."""
        return (
            f"held since {self.at:%Y-%m-%d %H:%M} UTC by {self.by} ({self.why}): nothing automatic moves {channel}; "
            f"`{signed_command('rag resume', channel)}` lifts the hold, and so does promoting a release by name"
        )


class Anchor(BaseModel):
    """The release a channel is held against over many nights: what a person last accepted, or a gain that was shown."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    release: str
    fingerprint: str
    evidence: str
    """Seal of the evidence it was accepted on: its lists are what later releases are held against."""
    documents: str = ""
    """SHA-256 of the file that names its documents by hashes, so that its release may go; empty: the release still tells."""
    at: datetime
    by: str
    why: str

    @property
    def says(self) -> str:
        """The one sentence everything tells it in."""
        return f"{self.release}, accepted {self.at:%Y-%m-%d %H:%M} UTC by {self.by} ({self.why})"


class Answers(BaseModel):
    """The answer version that a channel names, and what it was let pass on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str
    evidence: str | None = None
    """Seal of the evidence of answers that it was let pass on; None where none was asked for, or a person overrode."""
    on: str = ""
    """Fingerprint of the release that this evidence is on."""
    outcome: str = ""
    """What the gate said of it; only `passed` lets a rollback bring it back without new evidence."""


def option(channel: str) -> str:
    """` --channel NAME` as a command needs it; nothing for production."""
    return "" if channel == PRODUCTION else f" --channel {channel}"


def signed_command(command: str, channel: str, *, override: bool = False) -> str:
    """A command about a channel, as a person types it: with the name and the reason that it needs."""
    return f"{command}{option(channel)}{' --override' if override else ''} --by NAME --reason WHY"


class Channel(BaseModel):
    """Where a channel points, since when, by whom and why. `sequence` grows by one with every move."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    release: str
    fingerprint: str
    previous: str | None
    sequence: int
    at: datetime
    by: str
    why: str
    run_id: str
    action: str = "promoted"
    outcome: str = ""
    reasons: tuple[str, ...] = ()
    evidence: str | None = None
    """This move as the audit table has it, with `action`, `outcome` and `reasons`, so that no move is ever left out."""
    withdrawn: dict[str, str] = {}
    """Fingerprints of releases that were rolled back, and answer versions likewise -> who, when and why. No refresh promotes
    them by itself."""
    hold: Hold | None = None
    """Set by a rollback: nothing automatic moves the channel until a person lifts it."""
    anchor: Anchor | None = None
    """None in what an older pipeline wrote: then it is the first release that was promoted (`gate.anchor`)."""
    answers: Answers | None = None
    """None: no answer version was promoted, so answers are whole sentences."""

    @property
    def version(self) -> str | None:
        """Id of the answer version."""
        return self.answers.version if self.answers else None


def read_channel(home: Home, name: str) -> Channel | None:
    """The channel, or None when it was never set. Raises `ChannelError` when its file is damaged."""
    path = home.channel(name)
    seen(path)
    try:
        return Channel.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        says = first_problem(error)
        raise ChannelError(f"{path} is damaged: {says}; `rag verify --repair` restores it from the audit table") from error


def serving(home: Home) -> str | None:
    """The release id in production, None when there is none yet."""
    channel = read_channel(home, PRODUCTION)
    return channel.release if channel else None


def release_in(home: Home, name: str) -> str:
    """The release a channel points at. Raises `ReleaseError` when it points at none, naming those that do."""
    channel = read_channel(home, name)
    if channel is None:
        known = ", ".join(all_channels(home))
        says = f"known: {known}" if known else "run `rag refresh`, or, if users were served before, `rag verify --repair`"
        raise ReleaseError(f"no channel {name!r} in {home}; {says}")
    return channel.release


def all_channels(home: Home) -> dict[str, Channel]:
    return {name: channel for name in channel_names(home) if (channel := read_channel(home, name))}


def channel_names(home: Home) -> list[str]:
    """Channels that have a file, readable or not."""
    folder = home.channels
    return sorted(path.stem for path in folder.glob("[!.]*.json")) if folder.is_dir() else []


def write_pointer(home: Home, name: str, target: Channel) -> None:
    """Point a channel at what its newest audit row tells: atomic and durable. Written after the row, under its lock."""
    write_json(home.channel(name), target.model_dump(mode="json"))


def channels_held(home: Home) -> AbstractContextManager[None]:
    """While this is held no channel moves, so that what they point at can be told from what may go."""
    return home.exclusive("channels", wait_s=30)
