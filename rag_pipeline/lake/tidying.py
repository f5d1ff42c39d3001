"""Which files of a table only old versions need. We find them ourselves: Delta would remove a user's file too."""

import shutil
from pathlib import Path

from deltalake import DeltaTable

from rag_pipeline.lake.log import LOG
from rag_pipeline.lake.place import plain_room
from rag_pipeline.ours import DATA_FILE


def keep_for(table: DeltaTable, days: int) -> None:
    """Have Delta keep old versions so long; by its own defaults it would clean the log sooner."""
    kept = dict.fromkeys(("delta.logRetentionDuration", "delta.deletedFileRetentionDuration"), f"interval {days} days")
    if kept.items() - table.metadata().configuration.items():
        table.alter.set_table_properties(kept)


def unneeded_data(table: DeltaTable, path: Path, days: int) -> list[str]:
    """Data files that no version of the last days needs: those the log names, and of others those called as ours are.

    Delta's own vacuum would take every file in the folder. It is asked, and removes nothing itself.
    """
    hours = 24 * days
    named = table.vacuum(retention_hours=hours, dry_run=True, enforce_retention_duration=False, full=False)
    every = table.vacuum(retention_hours=hours, dry_run=True, enforce_retention_duration=False, full=True)
    names = {name.rpartition("/")[2] for name in (*named, *every)}  # a file's name is never escaped, unlike its folder's
    log = {name.rpartition("/")[2] for name in named}
    lying = (file for file in path.rglob("*.parquet") if file.name in names and LOG not in file.parts)
    return sorted(file.relative_to(path).as_posix() for file in lying if file.name in log or DATA_FILE.made(file))


def log_files(path: Path) -> set[str]:
    """Entries and checkpoints of a table's log, by their path below it."""
    return {f"{LOG}/{file.name}" for file in (path / LOG).iterdir() if file.is_file()}


def unneeded_log(path: Path, days: int) -> list[str]:
    """Entries of the log that tidying would remove: asked of a copy of it, for Delta has no way to say it beforehand."""
    with plain_room() as room:
        shutil.copytree(path / LOG, room / LOG)  # with the times of the files
        table = DeltaTable(str(room))
        keep_for(table, days)
        table.create_checkpoint()
        before = log_files(room)
        table.cleanup_metadata()
        return sorted(before - log_files(room))
