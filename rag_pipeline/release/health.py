"""Whether what the channels point at is still what was promoted, looked at on every refresh."""

from dataclasses import dataclass
from pathlib import Path

from rag_pipeline.errors import ReleaseError
from rag_pipeline.index.manifest import damaged_files, read_manifest
from rag_pipeline.release.audit import channel_now, moved_channels
from rag_pipeline.release.channels import all_channels, channel_names, read_channel


@dataclass(frozen=True, slots=True)
class Damage:
    """A release some channel points at whose files are not the ones it was built with."""

    channel: str
    release: str
    fingerprint: str
    what: tuple[str, ...]


def damaged_channels(home: Path) -> dict[str, str]:
    """Channels whose own file cannot be read, or is gone, and what is wrong with it."""
    found = {}
    for name in sorted({*channel_names(home), *moved_channels(home)}):
        try:
            channel_now(home, name)
        except ReleaseError as error:
            found[name] = str(error)
    return found


def channel_releases(home: Path) -> set[str]:
    """Ids of the releases that readable channels point at, whether they are there or not."""
    broken = damaged_channels(home)
    found = {name: read_channel(home, name) for name in channel_names(home) if name not in broken}
    return {channel.release for channel in found.values() if channel}


def damage_in_use(home: Path) -> tuple[Damage, ...]:
    """Every channel's release, held against its manifest to the byte."""
    found = []
    for name, channel in all_channels(home).items():
        release = home / "releases" / channel.release
        try:
            what = damaged_files(release, read_manifest(release))
        except ReleaseError as error:
            what = (str(error),)
        if what:
            found.append(Damage(name, channel.release, channel.fingerprint, what))
    return tuple(found)
