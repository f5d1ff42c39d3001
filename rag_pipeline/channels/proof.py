"""Whether the evidence a channel's move was decided on is still there, unchanged and about that very release."""

import json

from rag_pipeline.channels.pointer import Channel
from rag_pipeline.evaluate.evidence import Evidence
from rag_pipeline.evaluate.evidence_store import at_promotion
from rag_pipeline.evaluate.seal import key_name
from rag_pipeline.home import Home
from rag_pipeline.settings import seal_key
from rag_pipeline.versions.evidence_store import is_kept

PASSED = "passed"


def unproved(home: Home, name: str, channel: Channel) -> str:
    """Why a channel's move is not borne out by evidence; nothing when it is, or when a person took it upon them."""
    if problem := unproved_answers(home, name, channel):
        return problem
    if channel.action == "restored" or (channel.action != "promoted" and channel.outcome != "passed"):
        return ""
    if channel.evidence and _is_kept(home, channel):
        return ""
    return (
        f"{name} points at {channel.release}, but the evidence it was promoted on ({channel.evidence or 'none'}) is gone or "
        "was changed; `rag verify --repair` takes the channel as it is, and writes that down"
    )


def unproved_answers(home: Home, name: str, channel: Channel) -> str:
    """Why the answer version that a channel names is not borne out; empty when it is, or a person took it upon them."""
    said = channel.answers
    if said is None or said.outcome != PASSED or proved_answers(home, channel):
        return ""
    return (
        f"{name} names answer version {said.version[:12]}, but the evidence of answers that it was promoted on "
        f"({said.evidence or 'none'}) is gone or was changed; `rag verify --repair` takes the channel without a version"
    )


def proved_answers(home: Home, channel: Channel) -> bool:
    """Whether the gate let the version pass, on evidence that is there."""
    said = channel.answers
    return bool(said and said.outcome == PASSED and said.evidence and is_kept(home, said.on, said.version, said.evidence))


def _is_kept(home: Home, channel: Channel) -> bool:
    found = at_promotion(home, channel.fingerprint, channel.evidence)
    if found:
        return (found.release, found.release_fingerprint) == (channel.release, channel.fingerprint)
    folder = home.evidence_on(channel.fingerprint)
    contents = [path.read_bytes() for path in folder.glob("*.json")] if folder.is_dir() else []
    return any(_older(content, channel) or _of_another_key(content, channel) for content in contents)


def _of_another_key(content: bytes, channel: Channel) -> bool:
    """Evidence from before `RAG_SEAL_KEY` was set, or changed: a new key must not make production unbelievable.

    Sealed without a key its seal can be made again. Of one that was sealed with a key that is not here any more, the audit
    row's word is all there is.
    """
    try:
        found = Evidence.model_validate_json(content)
    except ValueError:
        return False
    if (found.release, found.release_fingerprint, found.seal) != (channel.release, channel.fingerprint, channel.evidence):
        return False
    return found.key != key_name(seal_key()) and (bool(found.key) or not found.seal_problem(""))


def _older(content: bytes, channel: Channel) -> bool:
    """Evidence in a format of an older pipeline: it can be read as JSON, but its seal cannot be made again."""
    try:
        told = json.loads(content)
        known = Evidence.model_fields["format"].default
        says = (told["release"], told["release_fingerprint"], told["seal"])
        return bool(told["format"] < known and says == (channel.release, channel.fingerprint, channel.evidence))
    except (ValueError, TypeError, LookupError):
        return False
