"""Audit first, pointer second: a channel is what its newest row in the audit table says, and its file is a copy for readers.

Every row carries the whole channel. The row is written before the file, so the file may be one move behind when a process
died in between; the next decision finishes that. A file that says anything else is an error for everybody but readers.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rag_pipeline.channels.audit_rows import (
    AUDIT,
    Row,
    all_rows,
    audit_table,
    channel_of,
    in_order,
    is_old,
    moved_channels,
    moves,
    record,
)
from rag_pipeline.channels.pointer import Channel, channels_held, read_channel, write_pointer
from rag_pipeline.channels.proof import unproved
from rag_pipeline.errors import ChannelError, LakeError, ReleaseError
from rag_pipeline.home import Home

__all__ = ["AUDIT", "all_rows", "audit_table", "in_order", "moved_channels", "moves", "record"]

_REPAIR = "`rag verify --repair` writes the file again as the newest row has it"


@dataclass(frozen=True, slots=True)
class Standing:
    """A channel as the audit table has it, and what is to be done before anybody may go on from there."""

    channel: Channel | None
    todo: Literal["", "write the pointer", "tell the move", "adopt"] = ""
    """`tell the move`, `adopt`: an older pipeline left the channel, whose rows said less than its file."""
    trouble: str = ""
    """Why the file cannot be believed."""


def standing(home: Home, name: str) -> Standing:
    """What is true of a channel. Reads, never writes."""
    try:
        pointer, told = read_channel(home, name), moves(home, name)
        found = _held_against(home, name, pointer, told)
    except (ReleaseError, LakeError) as error:
        return Standing(None, trouble=str(error))
    if found.channel and not found.trouble and (problem := unproved(home, name, found.channel)):
        return Standing(None, trouble=problem)
    return found


def _held_against(home: Home, name: str, pointer: Channel | None, told: list[Row]) -> Standing:
    path = home.channel(name)
    if not told:
        if pointer is None:
            return Standing(None)
        if _of_an_older_pipeline(pointer) and pointer.sequence == 1 and pointer.action == "promoted":
            return Standing(pointer, "tell the move")
        return Standing(
            None,
            trouble=f"{path} points at {pointer.release}, but the audit table knows no move of {name}; "
            "`rag verify --repair` takes the file as it is, and writes that down",
        )
    newest = told[0]
    if pointer and _of_an_older_pipeline(pointer) and is_old(newest):
        if any(_tells(row, name, pointer) for row in told if row["sequence"] == newest["sequence"]):
            return Standing(pointer, "adopt")
        follows = (pointer.sequence, pointer.previous) == (newest["sequence"] + 1, newest["release"])
        if follows and pointer.action == "promoted":
            return Standing(pointer, "tell the move")
    if is_old(newest):
        return Standing(None, trouble=_differs(path, name, pointer, newest))
    target = channel_of(newest, name)
    if pointer == target:
        return Standing(target)
    before = told[1] if len(told) > 1 else None
    if (before is None and pointer is None) or (before and pointer and _tells(before, name, pointer)):
        return Standing(target, "write the pointer")
    return Standing(None, trouble=_differs(path, name, pointer, newest))


def _of_an_older_pipeline(pointer: Channel) -> bool:
    """Its files do not say whether the channel is held."""
    return "hold" not in pointer.model_fields_set


def _tells(row: Row, name: str, pointer: Channel) -> bool:
    """Whether a row tells the very move a file holds; a row of an older pipeline as far as it goes."""
    if not is_old(row):
        return pointer == channel_of(row, name)
    unsaid = {"fingerprint", "withdrawn"}
    return pointer.model_dump(exclude=unsaid) == channel_of(row, name).model_dump(exclude=unsaid)


def _differs(path: Path, name: str, pointer: Channel | None, newest: Row) -> str:
    last = f"the newest of {name} in the audit table is move {newest['sequence']}, to {newest['release']}"
    if pointer is None:
        return f"{path} is gone, but {last}; `rag verify --repair` restores it"
    how = f"move {pointer.sequence}, to {pointer.release}"
    if pointer.sequence < newest["sequence"]:
        return f"{path} is an older copy ({how}): {last}; {_REPAIR}"
    return f"{path} was not written by this pipeline ({how}): {last}; {_REPAIR}"


def channel_now(home: Home, name: str) -> Channel | None:
    """The channel as its newest audit row has it, None only if it never pointed anywhere. Changes nothing.

    Raises `ChannelError` when its file is damaged or gone, says anything but that row (or the one before it, where a
    process died in between), or the evidence of its move is not there: nobody knows then what users were meant to get.
    """
    found = standing(home, name)
    if found.trouble:
        raise ChannelError(found.trouble)
    return found.channel


def settle(home: Home, name: str) -> Channel | None:
    """The channel (see `channel_now`), after what a process left undone that died between row and file was done.

    Called before every decision. It also takes over what an older pipeline left: from then on the table says it all.
    """
    found = standing(home, name)
    if not found.trouble and not found.todo:
        return found.channel
    with audit_held(home):
        return settled(home, name)


def settled(home: Home, name: str) -> Channel | None:
    """`settle`, for whoever holds the audit table."""
    found = standing(home, name)
    if found.trouble:
        raise ChannelError(found.trouble)
    channel = found.channel
    if channel is None or not found.todo:
        return channel
    if found.todo == "adopt":
        channel = channel.model_copy(update={"sequence": channel.sequence + 1, "action": "adopted"})
    if found.todo in ("tell the move", "adopt"):
        record(home, name, channel)
    write_pointer(home, name, channel)
    return channel


def move_and_record(home: Home, name: str, move: Channel, *, expected: Channel | None) -> None:
    """Move a channel if it still is as `expected`: the row first, then the file. Whoever dies in between is finished for.

    Raises `ReleaseError` when somebody else moved it meanwhile, or the release is not there any more.
    """
    with audit_held(home):
        found = settled(home, name)
        if (found.sequence if found else 0) != (expected.sequence if expected else 0):
            raise ReleaseError(
                f"channel {name} was moved to {found.release if found else 'nothing'} by "
                f"{found.by if found else 'nobody'} in the meantime; decide again"
            )
        if not home.manifest(move.release).is_file():
            raise ReleaseError(f"{move.release} was removed in the meantime; `rag releases` lists what is kept")
        record(home, name, move)
        write_pointer(home, name, move)


def note_refusal(home: Home, name: str, refused: Channel) -> None:
    """Write down a refusal that came before there was anything to decide on (`audit_rows.refusal`)."""
    with audit_held(home):
        record(home, name, refused)


@contextmanager
def audit_held(home: Home) -> Iterator[None]:
    """While this is held nobody writes to the audit table, and no channel moves."""
    with home.exclusive_table(home.audit, wait_s=60), channels_held(home):
        yield
