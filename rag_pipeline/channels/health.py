"""Whether what the channels point at is still what was promoted; every refresh checks it."""

from contextlib import suppress
from dataclasses import dataclass

from rag_pipeline.channels.audit import moved_channels, standing
from rag_pipeline.channels.pointer import Channel, channel_names, read_channel
from rag_pipeline.errors import LakeError, ReleaseError
from rag_pipeline.home import Home
from rag_pipeline.index.manifest import damaged_files, read_manifest


@dataclass(frozen=True, slots=True)
class Damage:
    """A release some channel points at whose files are not the ones it was built with."""

    channel: str
    release: str
    fingerprint: str
    what: tuple[str, ...]


def damaged_channels(home: Home) -> dict[str, str]:
    """Channels that cannot be believed, and why: the file is damaged, gone, or says other than the audit table."""
    return {name: found.trouble for name in _names(home) if (found := standing(home, name)).trouble}


def unfinished_channels(home: Home) -> dict[str, str]:
    """Channels whose last move is recorded and not yet made: a process died in between. No damage; readers continue."""
    found = {name: standing(home, name) for name in _names(home)}
    return {
        name: f"its last move, to {one.channel.release}, is not finished: the next refresh finishes it"
        for name, one in found.items()
        if one.channel and one.todo == "write the pointer"
    }


def _names(home: Home) -> list[str]:
    """The same as `known_channels`; those that have a file, where the table that knows the others is what is damaged."""
    try:
        return known_channels(home)
    except LakeError:
        return channel_names(home)


def known_channels(home: Home) -> list[str]:
    """Channels that have a file, and those the audit table knows a move of."""
    return sorted({*channel_names(home), *moved_channels(home)})


def channel_releases(home: Home) -> set[str]:
    """Ids of the releases that readable channels point at, whether they are there or not."""
    return {channel.release for channel in readable_channels(home).values()}


def readable_channels(home: Home) -> dict[str, Channel]:
    """Channels as readers find them, those that cannot be read left out: `damaged_channels` names them."""
    found = {}
    for name in channel_names(home):
        with suppress(ReleaseError):
            if channel := read_channel(home, name):
                found[name] = channel
    return found


def damage_in_use(home: Home) -> tuple[Damage, ...]:
    """Every channel's release, held against its manifest to the byte."""
    found = []
    for name, channel in readable_channels(home).items():
        release = home.release(channel.release)
        try:
            what = damaged_files(release, read_manifest(release))
        except ReleaseError as error:
            what = (str(error),)
        if what:
            found.append(Damage(name, channel.release, channel.fingerprint, what))
    return tuple(found)
