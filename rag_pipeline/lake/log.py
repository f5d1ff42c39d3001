"""The log of a Delta table as files: finding what a power cut or a bad disk did to it, and going back from there.

delta-rs takes an empty log entry for a commit that changed nothing, so a table whose last entry was lost silently looks
like its version before. Nothing here opens the table.
"""

import json
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rag_pipeline.files import sync
from rag_pipeline.lake.notes import EMPTY, OTHER_BYTES, forget_notes, note_of, noted_versions

LOG = "_delta_log"
DAMAGED = "_damaged"
"""Folder of a table for data files that were set aside; Delta does not look into one whose name begins so."""

ASIDE = ".damaged"
"""Ending of what was set aside: no name Delta knows, so nobody reads it; kept for whoever finds out why."""

_ENTRY = re.compile(r"(\d{20})\.json")
_CHECKPOINT = re.compile(r"(\d{20})\.checkpoint(\..+)?\.parquet")
_HINT = "_last_checkpoint"


@dataclass(frozen=True, slots=True)
class Lost:
    """What is wrong with a table's log. `version`: it, and what was written upon it, cannot be read.

    None: only a checkpoint is damaged, the log says the same without it. `last`: nothing whole comes after it, as after a
    power cut.
    """

    version: int | None
    what: str
    last: bool = True

    def __str__(self) -> str:
        return self.what


def entry(path: Path, version: int) -> Path:
    return path / LOG / f"{version:020d}.json"


def entries(path: Path) -> list[int]:
    """Versions with a log entry, in ascending order."""
    return sorted(_numbers(path, _ENTRY))


def is_table(path: Path) -> bool:
    return any(True for pattern in (_ENTRY, _CHECKPOINT) for _ in _numbers(path, pattern))


def lost_commit(path: Path, *, deep: bool = False) -> Lost | None:
    """The first thing since the newest checkpoint that was lost; None when the log is whole.

    The newest entry is parsed, of the others the size is looked at; `deep`: all are read and held against their notes.
    """
    found, checkpoints = entries(path), sorted(set(_numbers(path, _CHECKPOINT)))
    whole = [version for version in checkpoints if _whole(path, version, deep=deep)]
    start = max(whole, default=-1)
    needed = [version for version in found if version > start]
    hinted = _hinted(path)
    if bad := [version for version in {*checkpoints, *hinted} if version > start]:
        what = f"the checkpoint of version {max(bad)} in its log is damaged"
        covered = found and (start >= 0 or found[0] == 0)
        if covered:
            return Lost(None, what)
        return Lost(min(found, default=0), f"{what}, and no log goes before it", last=False)
    for place, version in enumerate(needed, start=start + 1):
        if version != place:
            return Lost(place, f"{entry(path, place).name} is missing from its log", last=False)
        if problem := _problem(path, version, deep=deep or version == needed[-1]):
            last = all(_problem(path, later, deep=True) for later in needed if later > version)
            return Lost(version, f"{entry(path, version).name} of its log {problem}", last)
    newest = max(start, *found) if found else start
    if newest >= 0 and (behind := [version for version in noted_versions(path) if version > newest]):
        return Lost(min(behind), f"{entry(path, min(behind)).name} is gone from its log")
    return None


def go_back(path: Path, lost: Lost) -> str:
    """Set aside what cannot be read of the log, so that the table is its last readable version again; what was lost."""
    if lost.version is None:
        for file in checkpoints(path, 0):
            if not _whole(path, int(file.name[:20]), deep=True):
                _set_aside(file)
        (path / LOG / _HINT).unlink(missing_ok=True)
        sync(path / LOG)
        return f"{lost.what}; the log says the same without it, nothing is lost"
    notes = [note_of(path, version) for version in noted_versions(path) if version >= lost.version]
    rows = sum(note.rows for note in notes if note)
    gone = [version for version in entries(path) if version >= lost.version]
    when = max((entry(path, version).stat().st_mtime for version in gone), default=None)
    for file in (*(entry(path, version) for version in gone), *checkpoints(path, lost.version)):
        _set_aside(file)
    (path / LOG / _HINT).unlink(missing_ok=True)
    forget_notes(path, lost.version)
    sync(path / LOG)
    commits = f"version {lost.version}" if len(gone) < 2 else f"versions {lost.version} to {gone[-1]}"
    at = f" of {datetime.fromtimestamp(when, UTC):%Y-%m-%d %H:%M}" if when else ""
    wrote = f", which wrote {rows:,} rows," if rows else ""
    now = f"the table is version {lost.version - 1} again" if lost.version else "the table is empty"
    return f"{lost.what}; {commits}{at}{wrote} is lost, {now}"


def was_set_aside(path: Path) -> bool:
    """Whether a table that is none any more lost its log to a repair: it begins anew, and nothing is wrong with that."""
    try:
        return any(ASIDE in one.name for one in (path / LOG).iterdir())
    except OSError:
        return True


def tables_aside(lake: Path) -> list[Path]:
    """Whole tables that were set aside, below a folder."""
    named = re.compile(rf"\..+{re.escape(ASIDE)}-\d{{8}}-\d{{6}}")
    return sorted(path for path in lake.rglob(f".*{ASIDE}-*") if named.fullmatch(path.name) and (path / LOG).is_dir())


def forget_aside(path: Path, days: int) -> None:
    """Remove what was set aside of a table longer ago than that: it holds what the table held."""
    oldest = time.time() - 86_400 * days
    whole = (one for one in path.parent.iterdir() if one.name.startswith(f".{path.name}{ASIDE}-"))
    parts = (*(path / DAMAGED).glob("*"), *(one for one in (path / LOG).iterdir() if ASIDE in one.name), *whole)
    for one in parts:
        if one.stat().st_mtime < oldest:
            shutil.rmtree(one) if one.is_dir() else one.unlink()


def parse(path: Path, version: int) -> list[dict[str, dict[str, object]]]:
    """The actions of a commit. Raises `ValueError` when its entry is no log entry."""
    lines = entry(path, version).read_text(encoding="utf-8").split("\n")  # a value may hold other line ends
    return [json.loads(line) for line in lines if line.strip()]


def _problem(path: Path, version: int, *, deep: bool) -> str | None:
    """What is wrong with one entry of the log, or None."""
    file, note = entry(path, version), note_of(path, version)
    size = file.stat().st_size
    if size == 0:
        return EMPTY
    if note and size != note.log.bytes:
        return f"has {size:,} bytes instead of {note.log.bytes:,}"
    if not deep:
        return None
    try:
        actions = parse(path, version)
    except (ValueError, OSError):
        return "is not JSON"
    if not actions or not all(isinstance(action, dict) for action in actions):
        return "holds no commit"
    if note and not note.log.is_of(file):
        return OTHER_BYTES
    return None


def _hinted(path: Path) -> list[int]:
    """The version whose checkpoint the log says it has."""
    try:
        return [int(json.loads((path / LOG / _HINT).read_text(encoding="utf-8"))["version"])]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _whole(path: Path, version: int, *, deep: bool) -> bool:
    """Whether every file of a checkpoint is what was written, as far as its end and its note tell."""
    note = note_of(path, version)
    for file in checkpoints(path, version, version):
        known = note.files.get(f"{LOG}/{file.name}") if note else None
        if known and (file.stat().st_size != known.bytes or (deep and not known.is_of(file))):
            return False
        with file.open("rb") as opened:
            opened.seek(max(0, file.stat().st_size - 4))
            if opened.read() != b"PAR1":
                return False
    return True


def checkpoints(path: Path, first: int, last: int | None = None) -> list[Path]:
    found = [(file, _CHECKPOINT.fullmatch(file.name)) for file in sorted((path / LOG).iterdir())]
    return [file for file, known in found if known and first <= int(known[1]) <= (int(known[1]) if last is None else last)]


def _numbers(path: Path, pattern: re.Pattern[str]) -> Iterator[int]:
    try:
        names = [file.name for file in (path / LOG).iterdir()]
    except OSError:
        return
    yield from (int(known[1]) for name in names if (known := pattern.fullmatch(name)))


def _set_aside(file: Path) -> None:
    target, number = file.with_name(f"{file.name}{ASIDE}"), 1
    while target.exists():
        number += 1
        target = file.with_name(f"{file.name}{ASIDE}.{number}")
    file.rename(target)
