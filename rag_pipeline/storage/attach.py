"""Making a folder of this machine the copy of a home in a bucket, once in a process."""

from pathlib import Path

from rag_pipeline.errors import PipelineError
from rag_pipeline.mirrored import keep, keeper_of
from rag_pipeline.storage.locks import PostgresLocks
from rag_pipeline.storage.objects import in_bucket
from rag_pipeline.storage.releases import HomeMirror


def attach(root: Path, uri: str, locks: str, *, poll_s: float, limit_gb: float) -> None:
    """From here on `root` is kept as the bucket has it. `locks`: the URL of the PostgreSQL that gives them.

    Raises `PipelineError` when the bucket cannot be read, or its prefix is somebody else's.
    """
    if keeper_of(root) is not None:
        return
    mirror = HomeMirror(
        root, in_bucket(uri), PostgresLocks(locks, uri), poll_s=poll_s, limit_bytes=int(limit_gb * 1_000_000_000)
    )
    mirror.start()
    keep(root, mirror)


def mirror_of(path: Path) -> HomeMirror:
    """The mirror that keeps a folder. Raises `PipelineError` when it is no copy of a home."""
    keeper = keeper_of(path)
    if not isinstance(keeper, HomeMirror):
        raise PipelineError(f"{path} is no copy of a home in a bucket")
    return keeper
