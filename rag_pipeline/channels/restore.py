"""`rag verify --repair` of a channel: writes its file again from the audit table, or takes the channel as it is."""

from datetime import UTC, datetime

from rag_pipeline.channels.audit import audit_held, settled, standing
from rag_pipeline.channels.audit_rows import Row, channel_of, is_old, moves, record
from rag_pipeline.channels.pointer import Channel, Hold, read_channel, write_pointer
from rag_pipeline.channels.proof import proved_answers, unproved
from rag_pipeline.errors import ReleaseError
from rag_pipeline.home import Home
from rag_pipeline.index.manifest import read_manifest

BY = "rag verify --repair"


def restore_channel(home: Home, name: str, *, rows_lost: bool = False) -> Channel:
    """Make a channel's file say what its newest audit row says; whole: withdrawals and hold too.

    `rows_lost`: the table just lost its newest rows. A file that is further than what is left is then not put back to an
    earlier move, which a rollback may have left for good, but taken as it is.

    Where the table cannot say it (its rows are gone or were edited, or the evidence is), the channel is taken as it is, and
    a row `restored` tells that: nobody knows then whether a gate let it pass. Raises `ReleaseError` when neither table nor
    file know a release.
    """
    with audit_held(home):
        found = standing(home, name)
        if not found.trouble:
            channel = settled(home, name)
            if channel is None:
                raise ReleaseError(f"channel {name} never pointed anywhere; promote a release")
            return channel
        told = moves(home, name)
        if rows_lost and _is_ahead(_readable(home, name), told):
            channel = _as_it_is(home, name, told, "the audit table lost the row of this move")
        else:
            channel = _from_rows(home, name, told) or _as_it_is(home, name, told, found.trouble)
        if problem := unproved(home, name, channel):
            channel = _taken(channel, channel.sequence + 1, problem)
        if channel.action == "restored" and not proved_answers(home, channel):
            channel = channel.model_copy(update={"answers": None})  # whole sentences are the safe side
        if not told or is_old(told[0]) or channel.sequence != told[0]["sequence"]:
            record(home, name, channel)
        write_pointer(home, name, channel)
        return channel


def as_restored(channel: Channel) -> str:
    """What became of a channel that was repaired; loud where nothing shows that a gate let its release pass."""
    if channel.action != "restored":
        return f"{channel.release}, as move {channel.sequence} of the audit table has it"
    return (
        f"{channel.release}, TAKEN AS IT IS and written down as move {channel.sequence} (restored): nothing shows that the "
        "gate let it pass. If it should not serve: rag rollback"
    )


def _from_rows(home: Home, name: str, told: list[Row]) -> Channel | None:
    """The channel from the newest row that is whole; an older pipeline's row is completed from the file and the release."""
    for place, row in enumerate(told):
        try:
            channel = channel_of(row, name)
        except ReleaseError:
            continue
        if is_old(row):
            channel = _completed(home, name, channel)
        if place:
            return _taken(channel, told[0]["sequence"] + 1, "later rows of the audit table were changed")
        return channel
    return None


def _completed(home: Home, name: str, channel: Channel) -> Channel:
    """A row of an older pipeline knows neither the fingerprint nor what was rolled back."""
    pointer = _readable(home, name)
    hold = None
    if pointer is None:
        hold = Hold(at=datetime.now(UTC), by=BY, why="what had been rolled back before is not known any more")
    return channel.model_copy(
        update={
            "sequence": channel.sequence + 1,
            "action": "adopted",
            "fingerprint": read_manifest(home.release(channel.release)).fingerprint,
            "withdrawn": pointer.withdrawn if pointer else {},
            "hold": hold,
        }
    )


def _as_it_is(home: Home, name: str, told: list[Row], problem: str) -> Channel:
    pointer = _readable(home, name)
    if pointer is None:
        raise ReleaseError(f"channel {name} cannot be restored: the audit table knows no move of it; promote a release")
    last = told[0]["sequence"] if told else 0
    return _taken(pointer, max(last, pointer.sequence) + 1, problem)


def _taken(channel: Channel, sequence: int, problem: str) -> Channel:
    return channel.model_copy(
        update={
            "sequence": sequence,
            "at": datetime.now(UTC),
            "by": BY,
            "why": problem,
            "action": "restored",
            "outcome": "not known",
            "reasons": (),
        }
    )


def _is_ahead(pointer: Channel | None, told: list[Row]) -> bool:
    return pointer is not None and bool(told) and pointer.sequence > told[0]["sequence"]


def _readable(home: Home, name: str) -> Channel | None:
    try:
        return read_channel(home, name)
    except ReleaseError:
        return None
