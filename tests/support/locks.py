"""Whether somebody holds a lock, as another process would find it."""

from pathlib import Path

from filelock import FileLock, Timeout


def is_locked(path: Path) -> bool:
    try:
        with FileLock(path).acquire(timeout=0):
            return False
    except Timeout:
        return True
