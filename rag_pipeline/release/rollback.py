"""Which release a rollback goes back to, and whether this gate knows it already."""

from rag_pipeline.channels.audit import moves, settle
from rag_pipeline.errors import ReleaseError
from rag_pipeline.home import Home
from rag_pipeline.index.manifest import Manifest, read_manifest


def release_before(home: Home, name: str) -> str:
    """The last release a channel pointed at before the one it points at, if it is kept and was not rolled back itself.

    So a second rollback goes further back, and never forward to what the first one left. Raises `ReleaseError` when
    there is none.
    """
    channel = settle(home, name)
    if channel is None:
        raise ReleaseError(f"there is nothing to go back to: {name} points at nothing yet")
    gone_back_from = {*channel.withdrawn, channel.fingerprint}
    for release in dict.fromkeys(row["release"] for row in moves(home, name)):
        if release != channel.release and _fingerprint(home, str(release)) not in {None, *gone_back_from}:
            return str(release)
    raise ReleaseError(
        f"there is nothing to go back to: {name} has never served another release that is kept and was not rolled back; "
        "`rag releases` lists what is kept, `rag rollback --to ID` names one"
    )


def promoted_before(home: Home, name: str, manifest: Manifest) -> bool:
    """Whether the gate of a channel once let a release pass, or a twin of it; an override does not count."""
    return any(
        row["action"] == "promoted" and (row["release"] == manifest.id or row["fingerprint"] == manifest.fingerprint)
        for row in moves(home, name)
    )


def _fingerprint(home: Home, release: str) -> str | None:
    """The fingerprint of a kept release; None when it is not kept, or its manifest cannot be read."""
    try:
        return read_manifest(home.release(release)).fingerprint
    except ReleaseError:
        return None
