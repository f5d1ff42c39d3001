"""Whether what the channels point at is still what was promoted, looked at on every refresh."""

from dataclasses import dataclass
from pathlib import Path

from rag_pipeline.errors import ReleaseError
from rag_pipeline.index.manifest import damaged_files, read_manifest
from rag_pipeline.release.channels import all_channels, channel_names, read_channel


@dataclass(frozen=True, slots=True)
class Damage:
    """A release some channel points at whose files are not the ones it was built with."""

    channel: str
    release: str
    fingerprint: str
    what: tuple[str, ...]


def damaged_channels(home: Path) -> dict[str, str]:
    """Channels whose own file cannot be read, and what is wrong with it."""
    found = {}
    for name in channel_names(home):
        try:
            read_channel(home, name)
        except ReleaseError as error:
            found[name] = str(error)
    return found


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
