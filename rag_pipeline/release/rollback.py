"""Which release a rollback goes back to."""

from pathlib import Path

import polars as pl

from rag_pipeline.errors import ReleaseError
from rag_pipeline.index.manifest import read_manifest
from rag_pipeline.lake import collected
from rag_pipeline.release.audit import audit_table, settle
from rag_pipeline.release.channels import read_channel


def release_before(home: Path, name: str) -> str:
    """The last release a channel pointed at before the one it points at, if it is kept and was not rolled back itself.

    So a second rollback goes further back, and never forward to what the first one left. Raises `ReleaseError` when
    there is none.
    """
    channel = read_channel(home, name)
    if channel is None:
        raise ReleaseError(f"there is nothing to go back to: {name} points at nothing yet")
    settle(home, name, channel)
    moves = audit_table(home).scan().filter((pl.col("channel") == name) & (pl.col("action") != "refused"))
    gone_back_from = {*channel.withdrawn, channel.fingerprint}
    for release in moves.sort("sequence", descending=True).select("release").pipe(collected)["release"]:
        if release != channel.release and _fingerprint(home, str(release)) not in {None, *gone_back_from}:
            return str(release)
    raise ReleaseError(
        f"there is nothing to go back to: {name} has never served another release that is kept and was not rolled back; "
        "`rag releases` lists what is kept, `rag rollback --to ID` names one"
    )


def _fingerprint(home: Path, release: str) -> str | None:
    """Of a kept release; None when it is not kept, or its manifest cannot be read."""
    try:
        return read_manifest(home / "releases" / release).fingerprint
    except ReleaseError:
        return None
