"""`RAG_HOME` belongs to this pipeline: a mark in the folder says so, and it is written before anything else.

The mark is written only into a folder that holds nothing else. Code that writes or removes below the folder may then rely on
it. A home that an older pipeline made has no mark yet, and is known by what is in it.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from rag_pipeline.errors import PipelineError
from rag_pipeline.files import write_json
from rag_pipeline.home import Home
from rag_pipeline.ours import EXPORT, HALF_EXPORT, RELEASE, found
from rag_pipeline.settings import Settings, dagster_home

_FORMAT = 1

_OF_SYSTEMS = {"lost+found", ".DS_Store", ".snapshot"}
"""What systems put into every folder, or at the top of a disk."""

State = Literal["ours", "empty", "foreign"]


def claim_home(settings: Settings) -> None:
    """Mark RAG_HOME as this pipeline's home, made if need be, unless it is marked already.

    Raises `PipelineError` when it holds other things than a pipeline's, so that nothing of theirs is written to or removed.
    """
    home = settings.home
    check_home(settings)
    if home.mark.is_file():
        return
    try:
        with home.exclusive("home", wait_s=30):
            if not home.mark.is_file():
                write_json(home.mark, {"format": _FORMAT, "what": "home of a release pipeline for retrieval indexes"})
    except OSError:  # full or read-only: an older pipeline's home can be marked later, and is known without
        if not _of_an_older_pipeline(home):
            raise


def check_home(settings: Settings) -> None:
    """Raises `PipelineError` when RAG_HOME is a folder that holds other things than a pipeline's. Writes nothing."""
    home, beside = settings.home, _beside(settings)
    if _state(home, beside) == "foreign":
        seen = _others(home, beside)
        told = ", ".join(seen[:3]) + (f" and {len(seen) - 3} more" if len(seen) > 3 else "")
        raise PipelineError(
            f"RAG_HOME={home} is not a pipeline's home: it holds {told} and no {home.mark.name}; name an empty folder, or a "
            "new one"
        )


def no_home_says(settings: Settings) -> str | None:
    """What to tell who looks into a home that is not there; None when it is there. Raises as `check_home`."""
    check_home(settings)
    if _state(settings.home, _beside(settings)) == "ours":
        return None
    return f"there is no pipeline home at {settings.home}; `rag refresh` makes one, if RAG_HOME is what you meant"


def _beside(settings: Settings) -> tuple[Path, ...]:
    """Folders of other uses that may lie in a home."""
    return (dagster_home(settings.home), settings.contracts, settings.evals)


def _state(home: Home, beside: tuple[Path, ...]) -> State:
    """Says whose folder this is; a missing one is empty. Raises `PipelineError` for a file, or a newer pipeline's home."""
    if home.mark.is_file():
        _check_mark(home)
        return "ours"
    if not home.root.exists():
        return "empty"
    if not home.root.is_dir():
        raise PipelineError(f"RAG_HOME={home} is a file; name a folder")
    if _of_an_older_pipeline(home):
        return "ours"
    return "foreign" if _others(home, beside) else "empty"


def _check_mark(home: Home) -> None:
    try:
        said: Any = json.loads(home.mark.read_text(encoding="utf-8"))
        number = said["format"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise PipelineError(
            f'{home.mark} is damaged; if this is the pipeline\'s home, write {{"format": {_FORMAT}}} into it'
        ) from error
    if number != _FORMAT:
        raise PipelineError(
            f"{home.mark} says format {number!r}, this pipeline knows {_FORMAT}; use the version that wrote it"
        )


def _of_an_older_pipeline(home: Home) -> bool:
    logs = (path for depth in ("*", "*/*") for path in home.lake.glob(f"{depth}/_delta_log"))
    channels = home.channels.glob("[!.]*.json")
    return any(True for _ in logs) or any(True for _ in channels) or bool(found(home.releases, RELEASE))


def _others(home: Home, beside: tuple[Path, ...]) -> list[str]:
    return sorted(path.name for path in _entries(home) if not any(one == path or path in one.parents for one in beside))


def _entries(home: Home) -> Iterator[Path]:
    """What lies in a folder, apart from what systems and locks of ours put there, and models that a program loaded."""
    for path in home.root.iterdir():
        if path.name not in _OF_SYSTEMS and not _is_a_lock(path) and not _holds_only_models(home, path):
            yield path


def _is_a_lock(path: Path) -> bool:
    return path.name.startswith(".") and path.name.endswith(".lock")


def _holds_only_models(home: Home, path: Path) -> bool:
    """Whether a program that uses the pipeline as a library kept graphs of models there, and made no home of it."""
    if path != home.models or path.is_symlink() or not path.is_dir():
        return False
    ours = found(path, EXPORT, HALF_EXPORT)
    return all(one in ours or _is_a_lock(one) for one in path.iterdir())
