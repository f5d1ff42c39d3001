"""The copy of a home that this machine works on, and the bucket: kept alike, the bucket first.

Small files go to the bucket before they are renamed here, tables after their commit here and before the call returns: data,
checkpoints, then each entry of the log, which the store makes only if there is none. Whoever takes a lock gets what the
bucket has; what is only here by then was left by a process that died, and goes.
"""

import logging
import os
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import Timeout

from rag_pipeline.errors import HomeUnreachable, Overtaken, PipelineError
from rag_pipeline.home import MANIFEST_FILE, RELEASES
from rag_pipeline.storage.areas import (
    LAST_WINS,
    MARK,
    is_a_commit,
    is_carried,
    is_of_a_release,
    is_of_a_table,
    prefixes_of,
    rank,
    unit_of,
)
from rag_pipeline.storage.known import KnownFiles, looks_so
from rag_pipeline.storage.locks import Locks
from rag_pipeline.storage.objects import Known, Listed, Objects
from rag_pipeline.storage.writers import Writers

log = logging.getLogger("rag_pipeline")

AT_ONCE = 4
"""Transfers under way at a time."""

_QUIET_S = 15.0
"""For how long a store that did not answer is not asked again by readers, who have what they need to go on."""

_TABLES_S = 60.0
"""How old a reader's idea of a table may be, in seconds. Whoever holds its lock has it as it is."""


class Mirror:
    """One home's copy at `root`, and its objects. What is beside `root` is this machine's own bookkeeping.

    `poll_s`: how old a reader's idea of a small file may be.
    """

    def __init__(self, root: Path, objects: Objects, locks: Locks, *, poll_s: float) -> None:
        self.root, self.objects, self.locks = root, objects, locks
        self._poll_s = poll_s
        self._asked: dict[str, float] = {}
        self._silent, self._quiet_until = False, 0.0
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.known = KnownFiles(root.parent / "known.sqlite3")
        self.writers = Writers(root.parent / "sync")

    def start(self) -> None:
        """Have what the bucket has here, tables and releases apart. Raises `PipelineError` for somebody else's prefix."""
        try:
            there = self.pull("", tables=False)
        except HomeUnreachable as error:
            if not self.known.below(MARK):
                raise
            self._went_silent(error)
            return
        if there and MARK not in there:
            told = ", ".join(sorted(there)[:3])
            raise PipelineError(
                f"RAG_HOME={self.objects.name} is not a pipeline's home: it holds {told} and no {MARK}; name an empty "
                "prefix, or a new one"
            )

    def key_of(self, path: Path) -> str | None:
        """The key of a file or a folder; None for what is this machine's alone."""
        key = path.relative_to(self.root).as_posix()
        return key if key != "." and is_carried(key) else None

    @contextmanager
    def everywhere(self, folder: Path, name: str, wait_s: float) -> Iterator[None]:
        inside = "" if folder == self.root else folder.relative_to(self.root).as_posix()
        if inside and not is_carried(inside):
            yield
            return
        with self.locks.holding(f"{inside}/{name}", wait_s) as held:
            if not held:
                raise PipelineError(
                    f"another machine has been writing {name} in {self.objects.name}/{inside} for {wait_s:.0f} s; wait for "
                    "that run to end, or stop it, and try again"
                )
            for prefix in prefixes_of(inside, name):
                if prefix.endswith(".json"):
                    self._poll(prefix, wait=True)
                else:
                    self.pull(prefix)
            yield

    def seen(self, path: Path) -> None:
        key = self.key_of(path)
        if key is None:
            return
        table = is_of_a_table(key)
        if key.startswith(f"{RELEASES}/") and path.exists():
            return  # it never changes
        asked, now = self._asked.get(key), time.monotonic()
        if asked is not None and now - asked < (_TABLES_S if table else self._poll_s):
            return
        if asked is not None and now < self._quiet_until:
            return
        try:
            if table or not path.suffix:  # a folder
                self.pull(key, wait=asked is None)
            else:
                self._poll(key, soon=asked is not None)
            self._silent = False
        except HomeUnreachable as error:
            if table and asked is None and not self.known.below(key):
                raise
            self._went_silent(error)
        self._asked[key] = now  # not before: a thread beside this one must not read what is only coming

    @contextmanager
    def published(self, path: Path, new: Path) -> Iterator[None]:
        if (key := self.key_of(path)) is None:
            yield
            return
        with self.writers.alone("files"):
            self.locks.check()
            try:
                version = self._put(key, new)
            except Overtaken:
                self._take([key])
                raise
            yield
            self.known.note(key, version, path)

    @contextmanager
    def changing(self, folder: Path) -> Iterator[None]:
        if (key := self.key_of(folder)) is None:
            yield
            return
        with self.writers.alone(unit_of(key)):
            before = set(self._here(key))
            yield
            self._push(key, before)

    @contextmanager
    def removing(self, path: Path) -> Iterator[None]:
        if (key := self.key_of(path)) is None:
            yield
            return
        with self.writers.alone(unit_of(key)):
            self.locks.check()
            self.remove(key)
            yield

    def remove(self, key: str) -> None:
        """Remove an object, or all below it; what names the others goes first."""
        below = {one.key for one in self.objects.list(key)} or {key}
        names_them = f"{key}/{MANIFEST_FILE}"
        if names_them in below:
            self.objects.remove([names_them])
        self.objects.remove(sorted(below - {names_them}))
        self.known.forget(below)

    # --- both ways --------------------------------------------------------------------------------------------------------

    def pull(self, prefix: str, *, wait: bool = True, tables: bool = True) -> set[str]:
        """Make what is here of a folder what the bucket has; the keys there. Skips what this thread is writing."""
        listed = {one.key: one for one in self.objects.list(prefix)}
        units: dict[str, list[str]] = {}
        for key in self._differing(prefix, listed):
            units.setdefault(unit_of(key), []).append(key)
        for unit, keys in units.items():
            if tables or not is_of_a_table(unit):
                with suppress(Timeout), self.writers.alone_unless_writing(unit, wait=wait) as alone:
                    if alone:
                        self._take(keys)
        return set(listed)

    def _differing(self, prefix: str, listed: Mapping[str, Listed]) -> list[str]:
        """Keys of what is here otherwise than there, or in one place only."""
        rows, differing = self.known.below(prefix), []
        for key, one in listed.items():
            row = rows.get(key)
            same = row is not None and row.version == one.version and looks_so(self.root / key, row)
            if not same and _may_be_new(key):
                differing.append(key)
        return [*differing, *(key for key in self._here(prefix) if key not in listed)]

    def _take(self, keys: Sequence[str]) -> None:
        """Have these objects here as they are now; what is not there goes here too."""
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="fetch") as threads:
            came = list(threads.map(self._fetched, keys))
        for _, key, temporary, version in sorted((rank(key), key, file, version) for key, file, version in came if file):
            temporary.replace(self.root / key)
            self.known.note(key, version, self.root / key)
        gone = sorted((key for key, file, _ in came if not file), key=rank, reverse=True)
        for key in gone:
            file = self.root / key
            file.unlink(missing_ok=True)
            if file.name == MANIFEST_FILE and key.startswith(f"{RELEASES}/"):
                shutil.rmtree(file.parent, ignore_errors=True)
        self.known.forget(gone)

    def _fetched(self, key: str) -> tuple[str, Path | None, str]:
        """An object in a file beside the one that it becomes; no file where there is no object."""
        path = self.root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        try:
            told, _ = self.objects.download(key, temporary)
        except FileNotFoundError:
            temporary.unlink(missing_ok=True)
            return key, None, ""
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        written = told.modified_at.timestamp()
        os.utime(temporary, (written, written))  # Delta tells by it how old an entry of its log is
        return key, temporary, told.version

    def _push(self, prefix: str, before: set[str]) -> None:
        """Carry over what was added or changed below a prefix, and then what went."""
        here, rows = self._here(prefix), self.known.below(prefix)
        new = sorted((key for key in here if not looks_so(self.root / key, rows.get(key))), key=rank)
        gone = sorted(before - set(here), key=rank, reverse=True)
        if not new and not gone:
            return
        self.locks.check()
        try:
            first = [key for key in new if rank(key)[0] < 2]
            with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="carry") as threads:
                list(threads.map(self._carried, first))
            if any(map(is_a_commit, new)):
                self.locks.check()
            for key in new[len(first) :]:
                self._carried(key)
        except Overtaken as error:
            self._take(self._differing(prefix, {one.key: one for one in self.objects.list(prefix)}))
            raise Overtaken(
                f"{self.objects.name}/{prefix} was changed by another machine meanwhile ({error}); it is as that one left it"
            ) from None
        if gone and here:  # a folder that is gone altogether was not emptied by us
            self.objects.remove(gone)
            self.known.forget(gone)

    def _carried(self, key: str) -> None:
        self.known.note(key, self._put(key, self.root / key), self.root / key)

    def _put(self, key: str, file: Path) -> str:
        if key.startswith(LAST_WINS):
            return self.objects.put(key, file)
        row = None if is_a_commit(key) else self.known.get(key)
        return self.objects.swap(key, file, row.version) if row else self.objects.create(key, file)

    def _poll(self, key: str, *, wait: bool = False, soon: bool = False) -> None:
        """One small file as the bucket has it now, if it changed since, there or here. `soon`: as `Objects.read`."""
        row = self.known.get(key)
        with suppress(Timeout), self.writers.alone_unless_writing(unit_of(key), wait=wait) as alone:
            if not alone:
                return
            try:
                known = row.version if row and looks_so(self.root / key, row) else None
                found = self.objects.read(key, known, soon=soon)
            except Known:
                return
            if found or (self.root / key).exists():
                self._take([key])

    def _here(self, prefix: str) -> list[str]:
        """Keys of the files here that belong into the bucket, those of releases apart."""
        top = self.root / prefix if prefix else self.root
        if top.is_file():
            return [prefix]
        found = []
        for at, folders, files in os.walk(top):
            inside = Path(at).relative_to(self.root).as_posix()
            inside = "" if inside == "." else f"{inside}/"
            folders[:] = [name for name in folders if _may_be_new(f"{inside}{name}")]
            found += [f"{inside}{name}" for name in files]
        return [key for key in found if _may_be_new(key)]

    def _went_silent(self, error: HomeUnreachable) -> None:
        if not self._silent:
            log.warning("%s; readers go on with what is here: %s", error, self.root)
        self._silent = True
        self._quiet_until = time.monotonic() + _QUIET_S


def _may_be_new(key: str) -> bool:
    """Whether what has this key is looked for here, to be carried: files of a release go there together."""
    return is_carried(key) and not is_of_a_release(key)
