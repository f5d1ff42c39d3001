"""What this pipeline made, known by name and mark. Nothing else is ever removed: this one module owns the rule.

Every kind of thing that is removed again has an exact pattern here. A user's own folder, a link, or a name that is
only similar stays where it is, whatever folder of ours it is in.
"""

import re
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rag_pipeline.errors import PipelineError
from rag_pipeline.home import MANIFEST_FILE
from rag_pipeline.mirrored import removing

STAGING, TRASH = ".staging-", ".trash-"
"""What a thing is called while it is made, and while it goes."""

ALIVE = ".lock"
"""A view's lock is held as long as its process lives, in whatever container; the system lets go of it."""

_RELEASE_ID = r"\d{8}-\d{6}-[0-9a-f]{8}(-\d+)?"
EXPORT_FILE = "export.json"
"""The mark of a kept graph: what was exported, and its checksums."""

_FINGERPRINT = r"[0-9a-f]{32}"
_UUID4 = r"[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}"
_BESIDE = rf"({re.escape(STAGING)}|{re.escape(TRASH)})"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of thing that the pipeline makes and removes: what it is, and the names it has."""

    what: str
    name: re.Pattern[str]
    mark: str = ""
    """A file in it that says so too."""
    lock: str = ""
    """Suffix of a file beside it that says so too."""

    def made(self, path: Path) -> bool:
        """Whether something of this kind lies at `path`. A link is never ours: what it leads to is somebody's."""
        if path.is_symlink() or not self.name.fullmatch(path.name):
            return False
        return (not self.mark or (path / self.mark).is_file()) and (
            not self.lock or path.with_name(path.name + self.lock).is_file()
        )


RELEASE = Kind("a release", re.compile(_RELEASE_ID), mark=MANIFEST_FILE)
HALF_RELEASE = Kind("what a killed build or collection left", re.compile(_BESIDE + _RELEASE_ID))
EXPORT = Kind("a kept graph of a model", re.compile(_FINGERPRINT), mark=EXPORT_FILE)
HALF_EXPORT = Kind("what a killed export or collection left", re.compile(_BESIDE + _FINGERPRINT))
VIEW = Kind("a reader's copy", re.compile(_UUID4), lock=ALIVE)
VIEW_LOCK = Kind("the lock of a reader's copy", re.compile(_UUID4 + re.escape(ALIVE)))
SCRATCH = Kind("the scratch folder of a load", re.compile(r"[a-z][a-z0-9_]{2,62}"))
PART = Kind("a part of texts to embed", re.compile(r"part-\d{6,}(-[0-9a-f]{8})?\.parquet"))
REPORT = Kind("the report of a release", re.compile(_RELEASE_ID + r"\.html"))
ANSWERS_REPORT = Kind("the page of a release's answers", re.compile(r"answers-" + _RELEASE_ID + r"\.html"))
TRIED = Kind("the figures of a try", re.compile(_RELEASE_ID + r"\.json"))
TRY_REPORT = Kind("the page of a try", re.compile(r"try-" + _RELEASE_ID + r"\.html"))
TRENDS = Kind("the page of trends of traffic", re.compile(r"traffic\.html"))
HALF_TRENDS = Kind("what a killed writer of it left", re.compile(r"\.traffic\.html\.[0-9a-f]{16}"))
STANDING = Kind("what a replica says of itself", re.compile(r"[\w.-]{1,60}-\d+-\d{8}-\d{6}\.json"))
SEGMENT = Kind(
    "a segment of the log of questions",
    re.compile(r"\.?[\w.-]{1,60}-\d+-\d{8}-\d{6}-\d{8}\.(queries|feedback|pairs)\.arrow(\.damaged|\.[0-9a-f]{16})?"),
)
MARKS = Kind("the key that marks who asked", re.compile(r"marks\.key"))
_UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
DATA_FILE = Kind("a data file of a table", re.compile(rf"part-\d{{5,}}-{_UUID}-c\d+(\.[a-z0-9]+)?\.parquet"))


def found(folder: Path, *kinds: Kind) -> list[Path]:
    """What of some kinds lies in a folder, in order."""
    return sorted(path for path in _inside(folder) if any(kind.made(path) for kind in kinds))


def remove(path: Path, *kinds: Kind) -> None:
    """Remove a file or a folder with all that is in it. Raises `PipelineError` for what is none of `kinds`."""
    if not any(kind.made(path) for kind in kinds):
        names = " or ".join(kind.what for kind in kinds)
        raise PipelineError(f"{path} is not {names} of this pipeline, so it is not removed; move it elsewhere")
    with removing(path):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def remove_files(folder: Path, names: Iterable[str]) -> None:
    """Remove the files of these names (`a/b` for one in a folder of it), then the folder, if nothing else is in it."""
    if folder.is_symlink() or not folder.is_dir():
        return
    folders = {folder}
    for name in names:
        path = folder / name
        if path.is_file() or path.is_symlink():
            with removing(path):
                path.unlink()
        folders |= {parent for parent in path.parents if parent.is_relative_to(folder)}
    for one in sorted(folders, key=lambda path: len(path.parts), reverse=True):
        if one.is_dir() and not any(one.iterdir()):
            one.rmdir()


def _inside(folder: Path) -> Iterator[Path]:
    if folder.is_dir() and not folder.is_symlink():
        yield from folder.iterdir()
