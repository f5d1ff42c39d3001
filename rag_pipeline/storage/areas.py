"""What of a home lies in the bucket, in which order it is carried, and what is written as one.

A key is a path below the home. What is not named here is of one machine: views, scratch, graphs, locks, staging.
"""

from pathlib import Path, PurePosixPath

from rag_pipeline.home import LAKE, MANIFEST_FILE, RELEASES, Home

_HOME = Home(Path())

_ALONE = (_HOME.scratch, _HOME.views, _HOME.models, _HOME.runs, _HOME.dagster, _HOME.traffic, _HOME.spent)
OF_ONE_MACHINE = frozenset({*(one.name for one in _ALONE), "golden"})
"""What of a home is this machine's alone; where attempts are made is another. Segments of the log of questions are in the
bucket, and parts of texts that workers embed below scratch, and no machine has copies of them (`exchange`); what models cost
is in the PostgreSQL of the locks."""

_BUT = frozenset({f"{_HOME.traffic.name}/marks.key"})
"""What lies among such files and is the same for all machines."""

OBJECTS = "objects"
"""Folder of what each release's objects were when they were carried there: `objects/<id>.json`."""

LAST_WINS = (
    _HOME.clock.name,
    *(f"{one.name}/" for one in (_HOME.replicas, _HOME.reports, _HOME.verdicts, _HOME.tries)),
)
"""What says how things stand and is written by whoever knows: nothing is decided on what it replaces."""

MARK = _HOME.mark.name

_SOURCES = tuple(one.name for one in (_HOME.documents, _HOME.quarantine, _HOME.listings, _HOME.loads, _HOME.erased))
"""Folders of the lake with one table a source."""

_LOG = "_delta_log"
_ASIDE = ".damaged"


def is_carried(key: str) -> bool:
    """Whether what has this key lies in the bucket."""
    parts = PurePosixPath(key).parts
    if key in _BUT:
        return True
    if not parts or parts[0] in OF_ONE_MACHINE or parts[:2] == _HOME.workshop.root.parts:
        return False
    return key == MARK or not any(part.startswith(".") and _ASIDE not in part for part in parts)


def is_of_a_release(key: str) -> bool:
    """Whether it is a file of a release, its manifest apart: those come when they are wanted."""
    parts = PurePosixPath(key).parts
    return parts[0] == RELEASES and len(parts) > 2 and parts[2:] != (MANIFEST_FILE,)


def unit_of(key: str) -> str:
    """What is written as one, and so under one lock of this machine: a table, a release, or all small files."""
    parts = PurePosixPath(key).parts
    if parts and parts[0] == LAKE:
        return "/".join(parts[: 3 if len(parts) > 1 and parts[1] in _SOURCES else 2])
    if parts and parts[0] == RELEASES:
        return "/".join(parts[:2])
    return "files"


def is_of_a_table(key: str) -> bool:
    return key == LAKE or key.startswith(f"{LAKE}/")


def rank(key: str) -> tuple[int, str]:
    """What is named comes before what names it: data, checkpoints, the log in order, the rest."""
    path = PurePosixPath(key)
    if path.parent.name == _LOG:
        return (2 if path.suffix == ".json" and path.stem.isdigit() else 1 if path.suffix == ".parquet" else 3), key
    if path.name == MANIFEST_FILE:
        return 3, key
    return (0 if path.suffix == ".parquet" else 3), key


def is_a_commit(key: str) -> bool:
    """Whether it is an entry of a table's log: the one thing that makes a version of it."""
    return rank(key)[0] == 2


def prefixes_of(folder: str, lock: str) -> list[str]:
    """What the holder of a lock relies on: keys begin so. `folder`: where the lock lies, below the home."""
    if folder == LAKE:
        source = lock.removeprefix("source-")
        return [f"{LAKE}/{lock}"] if source == lock else [f"{LAKE}/{one}/{source}" for one in _SOURCES]
    alone = {"keys": _HOME.keys.name, "split": _HOME.split.name}
    return [alone[lock] if not folder and lock in alone else ""]
