"""Notes of what was written, beside the table: size and checksum of every file of a commit, taken when it became durable.

Parquet's own page checksums would do, but delta-rs writes none. Delta does not look into folders whose name begins with
`_`. A lost note is no damage: its files are then examined without it.
"""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rag_pipeline.files import file_sha256

FOLDER = "_checksums"
EMPTY = "is empty, as a power cut leaves a file"
OTHER_BYTES = "has other bytes than were written"


@dataclass(frozen=True, slots=True)
class Sum:
    """A file's size and checksum."""

    bytes: int
    sha256: str

    def is_of(self, file: Path) -> bool:
        return file.is_file() and file.stat().st_size == self.bytes and file_sha256(file) == self.sha256


@dataclass(frozen=True, slots=True)
class Note:
    """One commit. `files`: path below the table -> sum, of data files it added and checkpoints made with it."""

    log: Sum
    rows: int
    files: dict[str, Sum] = field(default_factory=dict)


def sum_of(file: Path) -> Sum:
    with file.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
        return Sum(opened.tell(), digest)


def write_note(path: Path, version: int, note: Note) -> None:
    """Writes a note without syncing it: losing one to a power cut is no damage, and syncing costs as much as the commit."""
    folder = path / FOLDER
    folder.mkdir(exist_ok=True)
    value: dict[str, Any] = {"log": _plain(note.log), "rows": note.rows}
    value["files"] = {name: _plain(one) for name, one in note.files.items()}
    temporary = folder / f".{version:020d}.json"
    temporary.write_text(json.dumps(value), encoding="utf-8")
    temporary.replace(folder / f"{version:020d}.json")


def note_of(path: Path, version: int) -> Note | None:
    """The note of a commit; None when there is none that can be read."""
    try:
        value = json.loads((path / FOLDER / f"{version:020d}.json").read_text(encoding="utf-8"))
        files = {name: Sum(**one) for name, one in value["files"].items()}
        return Note(Sum(**value["log"]), int(value["rows"]), files)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def noted_versions(path: Path) -> list[int]:
    """Versions with a note, in ascending order."""
    try:
        names = [file.stem for file in (path / FOLDER).iterdir() if file.suffix == ".json" and file.stem.isdigit()]
    except OSError:
        return []
    return sorted(map(int, names))


def noted_files(path: Path) -> dict[str, Sum]:
    """Every noted file of a table."""
    return {
        name: one for version in noted_versions(path) if (note := note_of(path, version)) for name, one in note.files.items()
    }


def forget_notes(path: Path, since: int) -> None:
    """Remove the notes of a version and all after it."""
    for version in noted_versions(path):
        if version >= since:
            (path / FOLDER / f"{version:020d}.json").unlink(missing_ok=True)


def tidy_notes(path: Path) -> None:
    """Remove notes of commits none of whose files is kept; the newest stays."""
    for version in noted_versions(path)[:-1]:
        note = note_of(path, version)
        kept = note and any((path / name).exists() for name in (*note.files, f"_delta_log/{version:020d}.json"))
        if not kept:
            (path / FOLDER / f"{version:020d}.json").unlink(missing_ok=True)


def _plain(one: Sum) -> dict[str, Any]:
    return {"bytes": one.bytes, "sha256": one.sha256}
