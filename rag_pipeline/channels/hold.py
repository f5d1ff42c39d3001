"""Lifting a hold: what a person does once the reason for a rollback is gone."""

from datetime import datetime

from rag_pipeline.channels.audit import channel_now, move_and_record, settle
from rag_pipeline.channels.pointer import Channel, Hold
from rag_pipeline.errors import PipelineError, ReleaseError
from rag_pipeline.home import Home


def hold_on(home: Home, name: str) -> Hold | None:
    """Who holds a channel, if anybody does. Raises `ReleaseError` when the channel cannot be believed."""
    channel = channel_now(home, name)
    return channel.hold if channel else None


def resume(home: Home, name: str, *, by: str, why: str, run_id: str, now: datetime) -> Channel:
    """Lift the hold on a channel, which stays where it is; what was rolled back stays withdrawn.

    Raises `PipelineError` when it is not held, or nobody says who lifts it and why.
    """
    if not (by.strip() and why.strip()):
        raise PipelineError(f"the hold on {name} was not lifted: it needs a name (by) and a reason (why)")
    held = settle(home, name)
    if held is None or held.hold is None:
        raise ReleaseError(f"{name} is not held; there is nothing to lift")
    said = {"at": now, "by": by, "why": why, "run_id": run_id, "action": "resumed"}
    lifted = held.model_copy(update={**said, "sequence": held.sequence + 1, "hold": None})
    move_and_record(home, name, lifted, expected=held)
    return lifted
