"""Channels: small files that name a release. The only thing in `RAG_HOME` that ever changes in place."""

from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from rag_pipeline.errors import ReleaseError
from rag_pipeline.files import exclusive, write_json

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
        raise ReleaseError(f"{path} is damaged: {error}; restore it from the audit table") from error


def serving(home: Path) -> str | None:
    """The release id in production, None when there is none yet."""
    channel = read_channel(home, PRODUCTION)
    return channel.release if channel else None


def all_channels(home: Path) -> dict[str, Channel]:
    folder = home / "channels"
    names = sorted(path.stem for path in folder.glob("[!.]*.json")) if folder.is_dir() else []
    return {name: channel for name in names if (channel := read_channel(home, name))}


def move_channel(home: Path, name: str, target: Channel, *, expected: Channel | None) -> None:
    """Point a channel at `target.release` if it still is as `expected`: compare-and-swap, atomic and durable.

    Raises `ReleaseError` when somebody else moved it in between.
    """
    folder = home / "channels"
    with exclusive(folder, name, wait_s=30):
        found = read_channel(home, name)
        if (found.sequence if found else 0) != (expected.sequence if expected else 0):
            raise ReleaseError(
                f"channel {name} was moved to {found.release if found else 'nothing'} by "
                f"{found.by if found else 'nobody'} in the meantime; decide again"
            )
        write_json(folder / f"{name}.json", target.model_dump(mode="json"))
