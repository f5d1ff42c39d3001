"""Channels: small files that name a release. The only thing in `RAG_HOME` that ever changes in place."""

from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from rag_pipeline.errors import ReleaseError
from rag_pipeline.files import exclusive, write_json
from rag_pipeline.index.manifest import FILE as MANIFEST

PRODUCTION = "production"
"""The channel users are answered from."""


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
    """With `action`, `outcome` and `reasons`: this move as the audit table tells it, so that no move is ever untold."""
    withdrawn: dict[str, str] = {}
    """Fingerprints of releases that were rolled back -> who, when and why. No refresh promotes them by itself."""


def read_channel(home: Path, name: str) -> Channel | None:
    """The channel, or None when it was never set. Raises `ReleaseError` when its file is damaged."""
    path = home / "channels" / f"{name}.json"
    try:
        return Channel.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ReleaseError(f"{path} is damaged: {error}; `rag verify --repair` restores it from the audit table") from error


def serving(home: Path) -> str | None:
    """The release id in production, None when there is none yet."""
    channel = read_channel(home, PRODUCTION)
    return channel.release if channel else None


def release_in(home: Path, name: str) -> str:
    """The release a channel points at. Raises `ReleaseError` when it points at none, naming those that do."""
    channel = read_channel(home, name)
    if channel is None:
        known = ", ".join(all_channels(home)) or "none yet; run `rag refresh`"
        raise ReleaseError(f"no channel {name!r} in {home}; known: {known}")
    return channel.release


def all_channels(home: Path) -> dict[str, Channel]:
    return {name: channel for name in channel_names(home) if (channel := read_channel(home, name))}


def channel_names(home: Path) -> list[str]:
    """Channels that have a file, readable or not."""
    folder = home / "channels"
    return sorted(path.stem for path in folder.glob("[!.]*.json")) if folder.is_dir() else []


def move_channel(home: Path, name: str, target: Channel, *, expected: Channel | None) -> None:
    """Point a channel at `target.release` if it still is as `expected`: compare-and-swap, atomic and durable.

    Raises `ReleaseError` when somebody else moved it in between, or the release is not there any more.
    """
    with channels_held(home):
        found = read_channel(home, name)
        if (found.sequence if found else 0) != (expected.sequence if expected else 0):
            raise ReleaseError(
                f"channel {name} was moved to {found.release if found else 'nothing'} by "
                f"{found.by if found else 'nobody'} in the meantime; decide again"
            )
        if not (home / "releases" / target.release / MANIFEST).is_file():
            raise ReleaseError(f"{target.release} was removed in the meantime; `rag releases` lists what is kept")
        write_json(home / "channels" / f"{name}.json", target.model_dump(mode="json"))


def channels_held(home: Path) -> AbstractContextManager[None]:
    """While this is held no channel moves, so that what they point at can be told from what may go."""
    return exclusive(home / "channels", "move", wait_s=30)
