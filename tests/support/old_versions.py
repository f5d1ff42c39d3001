"""Versions of tables that grew old, and which files they need."""

import json
import os
import shutil

from rag_pipeline.home import Home
from rag_pipeline.lake import Table

_MOMENTS = ("timestamp", "deletionTimestamp", "modificationTime", "createdTime")


def grow_older(home: Home, days: int) -> None:
    """As if that many days had passed since every commit: in the log, and in the times of the files."""
    for log in home.lake.rglob("_delta_log/*.json"):
        entries = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
        for entry in entries:
            for action in entry.values():
                for moment in _MOMENTS:
                    if isinstance(action.get(moment), int):
                        action[moment] -= days * 86_400_000
        log.write_text("".join(json.dumps(entry) + "\n" for entry in entries), encoding="utf-8")
        shutil.rmtree(log.parents[1] / "_checksums", ignore_errors=True)  # of the log as it was
    for path in home.lake.rglob("*"):
        if path.is_file():
            then = path.stat().st_mtime - days * 86_400
            os.utime(path, (then, then))


def on_disk(table: Table) -> set[str]:
    found = table.path.rglob("*.parquet")
    return {path.relative_to(table.path).as_posix() for path in found if "_delta_log" not in path.parts}


def needed(table: Table) -> set[str]:
    return {path.relative_to(table.path).as_posix() for path in table.files()}
