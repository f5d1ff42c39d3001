"""Private copies of a release's folders, to be opened in its place: both Chroma and tantivy write to what they open.

Copying 100 MB takes about 0.1 s. A view outlives its release, so that collecting old releases never disturbs a reader.
"""

import errno
import os
import re
import shutil
import stat
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from rag_pipeline.errors import ReleaseError
from rag_pipeline.home import CHROMA_FOLDER, DATABASE, SEALED_DATABASE, Home
from rag_pipeline.index.manifest import Manifest, holds_nothing, of_a_client
from rag_pipeline.mirrored import brought, fetched_again, seen
from rag_pipeline.ours import ALIVE, VIEW, VIEW_LOCK, found, remove


def is_kept(home: Home, release_id: str) -> bool:
    """Whether there is a release of this id, which is neither a path nor the name of a staging directory."""
    if not re.fullmatch(r"\w[\w-]*", release_id):
        return False
    seen(home.manifest(release_id))
    return home.release(release_id).is_dir()


@contextmanager
def intact_view(home: Home, manifest: Manifest, folder: str) -> Iterator[Path]:
    """A view of one folder of a release, held against the manifest before anybody opens it.

    Raises `ReleaseError` when the bytes are not the ones the manifest names: better no answer than a wrong one.
    """
    with ExitStack() as stack:
        copied = _opened(home, manifest, folder, stack)
        release = home.release(manifest.id)
        damaged = _damaged(copied, manifest, folder)
        if {name for name in damaged if fetched_again(release, name)}:
            copied = _opened(home, manifest, folder, stack)
            damaged = _damaged(copied, manifest, folder)
        if damaged:
            raise ReleaseError(
                f"release {manifest.id} is damaged ({', '.join(damaged)}) and cannot answer; `rag refresh` rebuilds it, "
                "`rag rollback` goes back to the release before"
            )
        yield copied


def _opened(home: Home, manifest: Manifest, folder: str, stack: ExitStack) -> Path:
    try:
        return stack.enter_context(view(home, manifest, folder))
    except FileNotFoundError as error:
        raise ReleaseError(f"release {manifest.id} was removed while it was being opened") from error


def _damaged(view: Path, manifest: Manifest, folder: str) -> list[str]:
    """Files of a view that are not the manifest's; one too many may be a journal, which SQLite would replay."""
    wanted = {name: entry for name, entry in manifest.files.items() if name.startswith(f"{folder}/")}
    files = (path for path in view.rglob("*") if path.is_file() and not holds_nothing(path))
    there = {name_in_release(f"{folder}/{path.relative_to(view).as_posix()}", manifest): path for path in files}
    odd = wanted.keys() ^ there.keys()
    return sorted(odd | {name for name in wanted.keys() & there.keys() if not wanted[name].is_of(there[name])})


@contextmanager
def view(home: Home, manifest: Manifest, folder: str) -> Iterator[Path]:
    """A copy of one folder of a release to open, removed when the block ends, or by the next reader if this process dies.

    It lies below `home`; where that is full, or not ours to write to, in a folder of the system's temporary one that is
    made for this view alone, so that readers go on.
    """
    with ExitStack() as stack:
        try:
            target = _copied(home.release(manifest.id), manifest, folder, home.views, stack)
        except OSError as error:
            if error.errno not in _NO_PLACE:
                raise
            target = _copied(home.release(manifest.id), manifest, folder, _elsewhere(stack), stack)
        yield target


def _elsewhere(stack: ExitStack) -> Path:
    """A new folder in the system's temporary one, which nobody else can have put there: mode 0700, and of this account."""
    temporary, beginning = Path(tempfile.gettempdir()), f"rag-views-{os.getuid()}-"
    for left in temporary.glob(f"{beginning}*"):
        with suppress(OSError):
            _clear(left)
    made = Path(tempfile.mkdtemp(prefix=beginning, dir=temporary))
    stack.callback(_remove_empty, made)
    return made


_JUST_MADE_S = 3600
"""An empty folder younger than this may be about to be used."""


def _clear(left: Path) -> None:
    """Remove a folder of a reader that is no more: of this account, closed to others, and empty but for dead views."""
    said = left.lstat()
    if not stat.S_ISDIR(said.st_mode) or said.st_uid != os.getuid() or said.st_mode & 0o077:
        return
    if sweep(left) or abs(time.time() - said.st_mtime) > _JUST_MADE_S:
        _remove_empty(left)


def _remove_empty(folder: Path) -> None:
    with suppress(OSError):  # it holds a view that lives, or a file of somebody's
        folder.rmdir()


_ROOM_TO_OPEN = 4_000_000
"""Bytes: Chroma writes to what it opens."""

_NO_PLACE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}


def _copied(release: Path, manifest: Manifest, folder: str, views: Path, stack: ExitStack) -> Path:
    views.mkdir(parents=True, exist_ok=True, mode=0o700)
    sweep(views)
    needed = sum(path.stat().st_size for path in _files_of(release, manifest, folder)) + _ROOM_TO_OPEN
    if shutil.disk_usage(views).free < needed:
        raise OSError(errno.ENOSPC, f"No space left on device: {needed:,} bytes are needed to open a release", str(views))
    target = views / uuid.uuid4().hex
    lock = FileLock(target.with_suffix(ALIVE))
    stack.enter_context(lock)
    stack.callback(target.with_suffix(ALIVE).unlink, missing_ok=True)
    stack.callback(shutil.rmtree, target, ignore_errors=True)
    try:
        copy_part(release, manifest, folder, target)
    except OSError:
        shutil.rmtree(target, ignore_errors=True)  # a full disk needs the room now
        raise
    return target


def sweep(views: Path, *, dry_run: bool = False) -> list[str]:
    """Remove the views of processes that are no more; their names. A view is known by its name and its lock.

    The lock is made before the view and removed after it, so that what has none is not a reader's.
    """
    gone = []
    for alive in found(views, VIEW_LOCK):
        path = alive.with_suffix("")
        with suppress(OSError, Timeout), FileLock(alive, timeout=0):
            if not dry_run:
                if VIEW.made(path):
                    remove(path, VIEW)
                alive.unlink(missing_ok=True)
            gone.append(path.name)
    return gone


def copy_part(release: Path, manifest: Manifest, folder: str, target: Path) -> None:
    """Copy one folder of a release to where it may be opened: writable, its database under the name Chroma looks for.

    What a client made beside it stays there.
    """
    target.mkdir(parents=True, exist_ok=True)
    for path in _files_of(release, manifest, folder):
        copy = target / name_to_open(path.relative_to(release / folder).as_posix(), manifest)
        copy.parent.mkdir(parents=True, exist_ok=True)
        _copy(path, copy)


def _files_of(release: Path, manifest: Manifest, folder: str) -> list[Path]:
    """Raises `FileNotFoundError` when the folder is gone, as after a collection."""
    brought(release, folder)
    if not (release / folder).is_dir():
        raise FileNotFoundError(errno.ENOENT, "No such folder", str(release / folder))
    files = (path for path in sorted((release / folder).rglob("*")) if path.is_file())
    return [path for path in files if not of_a_client(path.relative_to(release).as_posix(), manifest.files)]


def name_to_open(name: str, manifest: Manifest) -> str:
    """What a file of a release is called where it is opened."""
    is_sealed = f"{CHROMA_FOLDER}/{SEALED_DATABASE}" in manifest.files
    return name.replace(SEALED_DATABASE, DATABASE) if is_sealed and name.endswith(SEALED_DATABASE) else name


def name_in_release(name: str, manifest: Manifest) -> str:
    """What a file that is opened, by its name below the release, is called there."""
    sealed = f"{CHROMA_FOLDER}/{SEALED_DATABASE}"
    return sealed if sealed in manifest.files and name == f"{CHROMA_FOLDER}/{DATABASE}" else name


def copy_files(folder: Path, target: Path) -> None:
    """Copy a directory's files (in the file system itself where it can share them), writable whatever they were."""
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            copy_files(path, target / path.name)
        else:
            _copy(path, target / path.name)


def _copy(source: Path, target: Path) -> None:
    with source.open("rb") as reading, target.open("wb") as writing:
        try:
            while os.copy_file_range(reading.fileno(), writing.fileno(), 1 << 30):
                pass
        except (OSError, AttributeError):  # across file systems, or not on Linux
            reading.seek(0)
            writing.seek(0)
            writing.truncate()
            shutil.copyfileobj(reading, writing, 1 << 20)
