"""Room to write in: checked before a run starts, and explained in plain words when it runs out all the same."""

import os
import shutil
from pathlib import Path

from rag_pipeline.errors import PipelineError

_FULL = ("no space left on device", "os error 28", "errno 28", "disk is full", "disk quota exceeded")
_READ_ONLY = ("read-only file system", "errno 30", "os error 30", "readonly database", "attempt to write a readonly")


def require_space(home: Path, wanted_bytes: int) -> None:
    """Raises `PipelineError` when `home` cannot be written to, or its disk has less than that free."""
    existing = next(path for path in (home, *home.parents) if path.is_dir())
    if not os.access(existing, os.W_OK):
        raise PipelineError(f"{existing} cannot be written to: {_AFTER_READ_ONLY}")
    free = shutil.disk_usage(existing).free
    if free < wanted_bytes:
        raise PipelineError(
            f"no space left on the disk of {existing}: {free / 1e6:.1f} MB are free, about {wanted_bytes / 1e6:.0f} MB are "
            f"needed; {_AFTER_FULL}"
        )


_AFTER_FULL = "production still serves. Free some space (`rag gc` removes what nobody needs), then run this again"
_AFTER_READ_ONLY = (
    "production still serves. Make it writable, or point RAG_HOME and DAGSTER_HOME elsewhere, and run this again"
)


def storage_error(error: BaseException | str, *folders: Path) -> str | None:
    """What to tell a person when an error, of whatever library, comes of a full or read-only disk; None if it does not.

    Many libraries lose the system's own words (SQLite says "disk I/O error"), so the disks of `folders` are looked at too.
    """
    texts = [error] if isinstance(error, str) else [str(one) for one in _chain(error)]
    for text in texts:
        if any(sign in text.lower() for sign in _FULL):
            return f"no space left on device ({_one_line(text)}); {_AFTER_FULL}"
        if any(sign in text.lower() for sign in _READ_ONLY):
            return f"read-only file system ({_one_line(text)}); {_AFTER_READ_ONLY}"
    for folder in folders:
        try:
            require_space(folder, _BARELY)
        except PipelineError as trouble:
            return f"{trouble} ({_one_line(texts[0])})"
    return None


_BARELY = 1_000_000
"""Bytes: with less than that free, whatever failed has failed for want of them."""


def _chain(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    following: BaseException | None = error
    while following is not None and following not in found:
        found.append(following)
        following = following.__cause__ or following.__context__
    return found


def _one_line(text: str) -> str:
    return (text.strip().splitlines() or ["no message"])[0][:200]
