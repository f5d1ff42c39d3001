"""Making commits durable: delta-rs never calls fsync, so a power cut may leave any file it wrote empty."""

from pathlib import Path
from typing import Any
from urllib.parse import unquote

from rag_pipeline.files import sync
from rag_pipeline.lake.log import LOG, checkpoints, entries, entry, parse
from rag_pipeline.lake.notes import Note, Sum, sum_of, write_note


def make_durable(path: Path, since: int) -> None:
    """Have every commit after version `since` survive a power cut: the data first, its log entry, then the names of both.

    What each wrote is noted down with its checksum.
    """
    made = [version for version in entries(path) if version > since]
    folders: set[Path] = {path / LOG} if made else set()
    for version in made:
        added = [action["add"] for action in parse(path, version) if "add" in action]
        files = {unquote(str(one["path"])): path / unquote(str(one["path"])) for one in added}
        files |= {f"{LOG}/{file.name}": file for file in checkpoints(path, version, version)}
        sums: dict[str, Sum] = {}
        for name, file in files.items():
            if file.is_file():  # else a later commit of the same call removed it, and a vacuum took it
                sync(file)
                sums[name] = sum_of(file)
                folders |= {file.parent, *(folder for folder in file.parents if path in folder.parents), path}
        sync(entry(path, version))
        write_note(path, version, Note(sum_of(entry(path, version)), sum(map(_rows, added)), sums))
    for folder in sorted(folders, reverse=True):  # the deepest first
        sync(folder)
    if since < 0 and made:
        for folder in path.parents[:3]:  # the folders that were made for it: lake/documents/<source>
            sync(folder)


def sync_checkpoint(path: Path, version: int) -> None:
    """Make a checkpoint durable, with the hint at it, and note it down beside its commit."""
    found = checkpoints(path, version, version)
    for file in (*found, path / LOG / "_last_checkpoint"):
        if file.is_file():
            sync(file)
    sync(path / LOG)
    if entry(path, version).is_file():
        make_durable(path, version - 1)


def _rows(add: dict[str, Any]) -> int:
    """How many rows an added file holds, by the log."""
    import json

    try:
        return int(json.loads(add.get("stats") or "{}").get("numRecords") or 0)
    except (ValueError, TypeError):
        return 0
