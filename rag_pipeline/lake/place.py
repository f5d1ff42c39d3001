"""Where delta-rs works on a table: in its folder, or in a room of links, below a folder whose name delta-rs cannot write.

delta-rs makes URLs of paths, and follows links to where they lead. Below a folder called `[2024]`, `a|b` or `%41` it
fails, or works somewhere else. There it gets a folder with a plain name that holds links to the table's files. What it
makes is carried home afterwards: the data first, the log last, each entry only where there is none.
"""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rag_pipeline.errors import LakeError
from rag_pipeline.files import sync
from rag_pipeline.lake.log import LOG

_HARD = re.compile(r"[\[\]^|\\\x00-\x1f\x7f]|%[0-9A-Fa-f]{2}")
"""What may stand in the name of a folder, but not in that of one that delta-rs works in."""


def is_plain(path: Path) -> bool:
    """Whether delta-rs works in a folder."""
    return not _HARD.search(os.path.realpath(path))


@contextmanager
def read_place(path: Path) -> Iterator[str]:
    """A folder in which delta-rs finds the log of a table; its data files lie where they lay."""
    if is_plain(path):
        yield str(path)
        return
    with plain_room() as room:
        _link(path / LOG, room / LOG)
        yield str(room)


@contextmanager
def write_place(path: Path) -> Iterator[str]:
    """A folder in which delta-rs may change a table. Raises `LakeError` when another process changed it meanwhile."""
    path.mkdir(parents=True, exist_ok=True)
    if is_plain(path):
        yield str(path)
        return
    with plain_room() as room:
        _link(path, room)
        linked = {file for file in _files(room) if file.is_symlink()}
        yield str(room)
        made = [file for file in _files(room) if not file.is_symlink()]
        for file in sorted(made, key=lambda one: (LOG in one.parts, one.suffix == ".json", one)):
            _carry(file, path / file.relative_to(room))
        for file in linked:
            if not os.path.lexists(file):
                (path / file.relative_to(room)).unlink(missing_ok=True)


def _carry(file: Path, home: Path) -> None:
    home.parent.mkdir(parents=True, exist_ok=True)
    carried = home.with_name(f".{home.name}.carried")
    try:
        shutil.copyfile(file, carried)
        sync(carried)
        if home.parent.name == LOG and home.suffix == ".json":
            os.link(carried, home)  # unlike a rename, it does not replace an entry that came meanwhile
        else:
            carried.replace(home)
    except FileExistsError as error:
        raise LakeError(
            f"the table {home.parents[1].name} was changed by another process meanwhile; wait for that run to end, try again"
        ) from error
    finally:
        carried.unlink(missing_ok=True)


@contextmanager
def plain_room() -> Iterator[Path]:
    """An empty folder that nobody else can look into, and that goes afterwards. Raises `LakeError` when there is none."""
    places = (Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp"), Path("/dev/shm"))
    place = next((one for one in places if is_plain(one) and os.access(one, os.W_OK | os.X_OK)), None)
    if place is None:
        raise LakeError(
            "RAG_HOME lies below a folder whose name Delta cannot write, and TMPDIR does too; set TMPDIR elsewhere"
        )
    with tempfile.TemporaryDirectory(prefix="rag-lake-", dir=place) as room:
        yield Path(os.path.realpath(room))


def _link(folder: Path, room: Path) -> None:
    """Make `room` hold what `folder` holds, as links; notes and what was set aside apart."""
    room.mkdir(exist_ok=True)
    for one in folder.iterdir() if folder.is_dir() else ():
        if one.is_dir() and (one.name == LOG or not one.name.startswith(("_", "."))):
            _link(one, room / one.name)
        elif one.is_file():
            (room / one.name).symlink_to(os.path.realpath(one))


def _files(folder: Path) -> list[Path]:
    return [Path(at) / name for at, _, names in os.walk(folder) for name in names]
