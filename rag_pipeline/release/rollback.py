"""Which release and answer version a rollback goes back to, and whether this gate knows the release already."""

from rag_pipeline.channels.audit import moves, settle
from rag_pipeline.errors import ReleaseError
from rag_pipeline.home import Home
from rag_pipeline.index.manifest import Manifest, read_manifest
from rag_pipeline.release.answers import version_of


def release_before(home: Home, name: str, *, answers_too: bool = True) -> str:
    """The last release that a channel pointed at before, if it is kept and was not rolled back itself.

    It is the release that serves, where the last move named another answer version beside it: then that one comes back
    (`answers.version_beside`); with `answers_too` false it is always another release. So a second rollback goes further
    back, and never forward to what the first one left. Raises `ReleaseError` when there is none.
    """
    channel = settle(home, name)
    if channel is None:
        raise ReleaseError(f"there is nothing to go back to: {name} points at nothing yet")
    known: dict[str, str | None] = {}
    for row in moves(home, name):
        release, version = str(row["release"]), version_of(row, name)
        if release not in known:
            known[release] = _fingerprint(home, release)
        found = known[release]
        if found is None or found in channel.withdrawn or version in channel.withdrawn:
            continue
        if found != channel.fingerprint:
            return release
        if answers_too and version != channel.version:
            return channel.release
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
