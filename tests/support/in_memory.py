"""The folders of tests, in memory where there is room: tables and Dagster's records wait for a disk hundreds of times a run.

What a test proves does not depend on it: a process that is killed leaves the same files in memory as on a disk.
The slow tests stay on the disk, for some of them are large.
"""

import os
import shutil
from pathlib import Path

MEMORY = Path("/dev/shm")
ROOM = 8 * 2**30
"""Bytes that must be free; all tests together leave less than three GB behind them."""

_VARIABLE = "PYTEST_DEBUG_TEMPROOT"


def keep_in_memory() -> None:
    """Have pytest make its folders in memory, unless somebody said where it should make them, or there is no room."""
    if _VARIABLE not in os.environ and _free_bytes() >= ROOM:
        root = MEMORY / f"rag-pipeline-tests-{os.getuid()}"
        root.mkdir(mode=0o700, exist_ok=True)
        os.environ[_VARIABLE] = str(root)


def forget(folder: Path) -> None:
    """Give the memory back: called when every test has passed."""
    if MEMORY in folder.parents:
        shutil.rmtree(folder, ignore_errors=True)


def _free_bytes() -> int:
    """What may be written to memory without crowding the tests themselves out of it."""
    try:
        told = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines())
        available = int(told["MemAvailable"].split()[0]) * 1024
        return min(shutil.disk_usage(MEMORY).free, available) if os.access(MEMORY, os.W_OK) else 0
    except (OSError, KeyError, ValueError):  # another kind of system
        return 0
