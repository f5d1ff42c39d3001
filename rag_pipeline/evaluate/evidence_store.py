"""Where evidence is kept: one folder for each release's content, append-only, one file for each evaluation.

Evidence on one release forms a chain: each file names the seal of the one before. A table outside the folder names its
head, so that a file that was removed, added, copied to a newer name or sealed anew is found.
"""

import logging
import os
import re
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import polars as pl
import pyarrow as pa

from rag_pipeline.evaluate.evidence import Evidence
from rag_pipeline.evaluate.evidence_texts import SUFFIX, keep_texts
from rag_pipeline.evaluate.retrieved import Lists, checksum, packed, unpacked
from rag_pipeline.files import sync, write_json
from rag_pipeline.home import Home
from rag_pipeline.lake import Table, collected
from rag_pipeline.mirrored import published, seen

log = logging.getLogger("rag_pipeline")

STAMP = "%Y%m%dT%H%M%S.%f"
"""How a file of evidence begins, so that names sort as they were written."""

_LISTS = ".parquet"
_NAME = re.compile(rf"(?P<stamp>\d{{8}}T\d{{6}}\.\d{{6}})-[0-9a-f]{{8}}(\.json|{re.escape(SUFFIX)}|{re.escape(_LISTS)})")
OF_TRAFFIC = re.compile(r"traffic-\d{8}T\d{6}\.\d{6}-[0-9a-f]{8}\.json")
"""What evidence of traffic is called, which lies beside it and is another module's."""

HEADS = pa.schema(
    [
        ("at", pa.timestamp("us", "UTC")),  # of the evaluation
        ("release", pa.string()),
        ("release_fingerprint", pa.string()),
        ("sequence", pa.int64()),  # from 1, for each fingerprint
        ("seal", pa.string()),
        ("previous", pa.string()),  # seal of the one before; empty for the first
        ("file", pa.string()),
    ]
)
_NONE = "there is no evidence on this release"


def heads_table(home: Home) -> Table:
    """One row a kept evidence; the last of a fingerprint is the head of its chain."""
    return Table(home.evidence_heads, HEADS)


@dataclass(frozen=True, slots=True)
class Standing:
    """The newest evidence on a release, and why it does not count, if it does not."""

    evidence: Evidence | None
    problem: str = ""


def keep(home: Home, evidence: Evidence, lists: Lists) -> Evidence:
    """Append evidence to what is known of its release and return it as it was kept; earlier evidence is never touched.

    Its name comes after those of all that is there, also when the clock was set back meanwhile: a failed evaluation
    must not lose to an older one that passed. The table is told first: killed in between, the release counts as not
    evaluated, and the next refresh measures it again.
    """
    folder = home.evidence_on(evidence.release_fingerprint)
    with home.exclusive("evidence", wait_s=60):
        head, names = head_of(home, evidence.release_fingerprint), [path.name for path in files_of(folder)]
        data = packed(lists)
        kept = evidence.model_copy(
            update={
                "sequence": head["sequence"] + 1 if head else 1,
                "previous": head["seal"] if head else "",
                "kept_at": after(evidence.created_at, [*names, head["file"]] if head else names),
                "lists": checksum(data),
            }
        ).sealed()
        path = folder / name_of(kept)
        _write(_lists_path(path), data)
        keep_texts(path, kept)
        row = kept.model_dump(include={"release", "release_fingerprint", "sequence", "seal", "previous"})
        heads_table(home).append(pa.Table.from_pylist([row | {"at": kept.created_at, "file": path.name}], HEADS))
        write_json(path, kept.model_dump(mode="json"))
    return kept


def heal_heads(home: Home) -> None:
    """Go back from a lost commit of the table of evidence: what it told of is measured again, as nothing bears it out."""
    if heads_table(home).lost():
        with home.exclusive("evidence", wait_s=60):
            heads_table(home).heal()


def standing(home: Home, release_fingerprint: str) -> Standing:
    """The newest evidence on a release; it must be what the table of evidence says was kept last.

    Evidence of an older pipeline counts as none: it cannot be computed again, so the release is evaluated again.
    """
    folder = home.evidence_on(release_fingerprint)
    files, head = files_of(folder), head_of(home, release_fingerprint)
    for name in strays(folder):
        log.warning("%s is not evidence and is ignored", folder / name)
    if head is None and not files:
        return Standing(None, f"{_NONE}; evaluate it first")
    newest_file = folder / head["file"] if head else files[-1]
    if not newest_file.is_file():
        return Standing(None, f"{_NONE} that counts: the newest, {newest_file.name}, is gone; evaluate it again")
    try:
        found = Evidence.model_validate_json(newest_file.read_bytes())
    except ValueError:  # older evidence must not stand in for it
        of_before = re.search(rb'"format": [123]\b', newest_file.read_bytes())
        why = "is of an older pipeline" if of_before else "is damaged"
        return Standing(None, f"{_NONE} that counts: {newest_file.name} {why}; evaluate it again")
    return Standing(found, out_of_line(found, newest_file, files, head))


def newest(home: Home, release_fingerprint: str) -> Evidence | None:
    """The latest evidence on a release; None when there is none, it is not what was kept last, or its seal does not hold."""
    found = standing(home, release_fingerprint)
    return found.evidence if found.evidence and found.evidence.intact and not found.problem else None


def at_promotion(home: Home, release_fingerprint: str, seal: str | None) -> Evidence | None:
    """The evidence a release was promoted on, by its seal; None when it is not there or was changed since.

    None too for evidence of an older pipeline: what became of the release since is told from its next promotion on.
    """
    folder = home.evidence_on(release_fingerprint)
    for path in sorted(folder.glob(f"*-{seal[:8]}.json")) if seal and folder.is_dir() else ():
        try:
            found = Evidence.model_validate_json(path.read_bytes())
        except ValueError:
            continue
        if found.seal == seal and path.name == name_of(found) and found.intact:
            return found
    return None


def read_lists(home: Home, evidence: Evidence) -> Lists | None:
    """What was retrieved, as it was when the evidence was sealed; None when the file is gone or holds other bytes."""
    try:
        data = _lists_path(home.evidence_on(evidence.release_fingerprint) / name_of(evidence)).read_bytes()
    except OSError:
        return None
    return unpacked(data) if checksum(data) == evidence.lists else None


def strays(folder: Path) -> list[str]:
    """Names in a folder of evidence that nobody of this pipeline gave: a backup of an editor, `.DS_Store`, a folder."""
    if not folder.is_dir():
        return []
    return sorted(path.name for path in folder.iterdir() if not (_is_named(path.name) and path.is_file()))


def all_strays(home: Home) -> list[str]:
    """The same of every folder, below `evidence/`."""
    folders = sorted(path for path in home.evidence.glob("*") if path.is_dir())
    return [f"{folder.name}/{name}" for folder in folders for name in strays(folder)]


class Kept(Protocol):
    """What evidence of any kind says of its place among the others."""

    @property
    def created_at(self) -> datetime: ...
    @property
    def kept_at(self) -> datetime | None: ...
    @property
    def sequence(self) -> int: ...
    @property
    def previous(self) -> str: ...
    @property
    def seal(self) -> str: ...


def out_of_line(found: Kept, path: Path, files: list[Path], head: dict[str, Any] | None) -> str:
    """Why evidence is not the head of its chain; empty when it is."""
    if head is None:
        return f"the table of evidence does not know {path.name}: it was put there, or the table was lost; evaluate again"
    if files[-1] != path:
        return f"{files[-1].name} was put beside the evidence that was kept last, {path.name}; remove it, or evaluate again"
    if path.name != name_of(found):
        return f"{path.name} holds other evidence than its name says; evaluate again"
    if (found.seal, found.sequence, found.previous) != (head["seal"], head["sequence"], head["previous"]):
        return f"{path.name} is not what was kept: it was sealed anew since; evaluate again"
    return ""


def head_of(home: Home, release_fingerprint: str) -> dict[str, Any] | None:
    mine = heads_table(home).scan().filter(pl.col("release_fingerprint") == release_fingerprint)
    rows = mine.sort("sequence").tail(1).pipe(collected).to_dicts()
    return rows[0] if rows else None


def files_of(folder: Path) -> list[Path]:
    """Files of a folder that are called as evidence is, in the order in which they were kept."""
    seen(folder)
    if not folder.is_dir():
        return []
    files = (path for path in folder.iterdir() if path.suffix == ".json" and not path.name.endswith(SUFFIX))
    return sorted(path for path in files if _stamp(path.name) and path.is_file())


def name_of(evidence: Kept) -> str:
    """What the file of kept evidence is called."""
    at = evidence.kept_at or evidence.created_at
    return f"{at.astimezone(UTC):{STAMP}}-{evidence.seal[:8]}.json"


def after(at: datetime, names: Iterable[str]) -> datetime:
    """`at`, or just after the latest of these files' names."""
    kept = [stamp + timedelta(microseconds=1) for name in names if (stamp := _stamp(name))]
    return max([at.astimezone(UTC), *kept])


def _stamp(name: str) -> datetime | None:
    """When the file of a name was kept; None for a name that this pipeline does not give."""
    if not (named := _NAME.fullmatch(name)) or named["stamp"].startswith("9999"):
        return None
    try:
        return datetime.strptime(named["stamp"], STAMP).replace(tzinfo=UTC)
    except ValueError:
        return None


def _is_named(name: str) -> bool:
    return bool(_stamp(name) or OF_TRAFFIC.fullmatch(name))


def _lists_path(evidence_file: Path) -> Path:
    return evidence_file.with_suffix(_LISTS)


def _write(path: Path, data: bytes) -> None:
    """Atomically and durably, as `write_json`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        with published(path, Path(temporary)):
            Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    sync(path.parent)
