"""Releases in the bucket: carried there file by file, the manifest last; brought here when somebody opens one.

The manifest is the commit: a prefix without one is no release. What each object was when it was carried stands beside the
releases, so that one listing tells whether the bucket still has those very bytes. Where it tells of another object, that one
is fetched and held against the manifest.
"""

import json
import secrets
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rag_pipeline.errors import HomeUnreachable, LockLost, Overtaken, ReleaseError
from rag_pipeline.home import MANIFEST_FILE, RELEASES, Home
from rag_pipeline.storage.areas import OBJECTS, unit_of
from rag_pipeline.storage.exchange import BucketExchange
from rag_pipeline.storage.known import looks_so
from rag_pipeline.storage.locks import Locks
from rag_pipeline.storage.mirror import AT_ONCE, Mirror
from rag_pipeline.storage.objects import Objects

_HALF = timedelta(days=1)
"""A prefix without a manifest that is younger may be one that is being carried."""

_IN_USE_S = 3600.0
"""A copy that was asked for later than that many seconds ago stays, whatever `RAG_CACHE_GB` says."""


class HomeMirror(Mirror):
    """A mirror that knows releases. `limit_bytes`: what copies of releases may take here; 0 for no limit."""

    def __init__(self, root: Path, objects: Objects, locks: Locks, *, poll_s: float = 5.0, limit_bytes: int = 0) -> None:
        super().__init__(root, objects, locks, poll_s=poll_s)
        self._limit_bytes = limit_bytes

    def looked_up(self, folder: Path) -> None:
        """Raises `HomeUnreachable`, as no reader is stopped by that, but nothing is decided upon what may be old."""
        if (key := self.key_of(folder)) is not None:
            self.pull(key)

    def exchange(self, folder: Path) -> BucketExchange:
        return BucketExchange(self.objects, self.locks, folder.relative_to(self.root).as_posix())

    def came(self, file: Path) -> None:
        if (key := self.key_of(file)) is None:
            return
        with self.writers.alone(unit_of(key)):
            if not looks_so(file, self.known.get(key)):
                self._take([key])

    def released(self, staging: Path, release: Path) -> None:
        """Raises `Overtaken` when another machine has this release, `LockLost` before anything could tell of it."""
        if self.key_of(release) is None:
            return
        prefix = f"{RELEASES}/{release.name}"
        with self.writers.alone(prefix):
            self.locks.check()
            left = [one.key for one in self.objects.list(prefix)]
            if f"{prefix}/{MANIFEST_FILE}" in left:
                raise Overtaken(f"{self.objects.name}/{prefix} is a release of another machine; run the command again")
            self.objects.remove(left)  # of a process that died: nobody knows it
            files = sorted(path for path in staging.rglob("*") if path.is_file() and path != staging / MANIFEST_FILE)
            names = [path.relative_to(staging).as_posix() for path in files]
            with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="carry") as threads:
                versions = list(threads.map(self.objects.create, [f"{prefix}/{name}" for name in names], files))
            carried = dict(zip(names, versions, strict=True))
            if carried != self._listed(prefix):
                raise LockLost(f"{self.objects.name}/{prefix} was written by another machine too; run the command again")
            self.objects.put(f"{OBJECTS}/{release.name}.json", json.dumps(carried, sort_keys=True).encode())
            self.locks.check()
            key = f"{prefix}/{MANIFEST_FILE}"
            self.known.note(key, self.objects.create(key, staging / MANIFEST_FILE), staging / MANIFEST_FILE)

    def brought(self, release: Path, parts: Sequence[str]) -> None:
        """Raises `ReleaseError` when the bucket has other bytes, or none. One that is not there is for who opens it."""
        if self.key_of(release) is None:
            return
        self.seen(release / MANIFEST_FILE)
        try:
            files = json.loads((release / MANIFEST_FILE).read_bytes())["files"]
        except (OSError, ValueError, KeyError, TypeError):
            return
        wanted = [name for name in files if name.startswith(tuple(parts) or "")]
        self._used(release.name)
        if all(_is_here(release / name, files[name]) for name in wanted):
            return
        with self.writers.alone(f"{RELEASES}/{release.name}"):
            missing = [name for name in wanted if not _is_here(release / name, files[name])]
            with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="fetch") as threads:
                good = list(threads.map(lambda name: self._copied(release, name), missing))
            bad = [name for name, came in zip(missing, good, strict=True) if not came]
        if bad:
            if not self.objects.is_there(f"{RELEASES}/{release.name}/{MANIFEST_FILE}"):
                raise ReleaseError(f"release {release.name} was removed while it was being opened")
            raise ReleaseError(
                f"release {release.name} is damaged ({', '.join(sorted(bad))}) in {self.objects.name} and cannot answer; "
                "`rag refresh` rebuilds it, `rag rollback` goes back to the release before"
            )
        self._make_room(release.name)

    def fetched_again(self, release: Path, name: str) -> bool:
        if self.key_of(release) is None:
            return False
        with self.writers.alone(f"{RELEASES}/{release.name}"):
            return self._copied(release, name)

    def damage(self, release: Path) -> list[str] | None:
        if self.key_of(release) is None:
            return []
        self._poll(f"{OBJECTS}/{release.name}.json")
        try:
            carried = json.loads((self.root / OBJECTS / f"{release.name}.json").read_bytes())
        except (OSError, ValueError):
            return None
        now = self._listed(f"{RELEASES}/{release.name}")
        other = sorted(name for name in carried.keys() | now.keys() if carried.get(name) != now.get(name))
        damaged = [name for name in other if not self.fetched_again(release, name)]
        if other and not damaged:  # the bytes are the release's own: they came from a backup, or another bucket
            with suppress(HomeUnreachable):  # who may not write it looks again the next time
                self.objects.put(f"{OBJECTS}/{release.name}.json", json.dumps(now, sort_keys=True).encode())
        return damaged

    def remove(self, key: str) -> None:
        super().remove(key)
        if key.startswith(f"{RELEASES}/"):
            self.objects.remove([f"{OBJECTS}/{key.removeprefix(f'{RELEASES}/')}.json"])

    def sweep(self, *, dry_run: bool) -> list[str]:
        """Remove what publications that died left: prefixes without a manifest that are older than a day; their names."""
        newest: dict[str, datetime] = {}
        whole = set()
        for one in self.objects.list(RELEASES):
            name = one.key.split("/")[1]
            newest[name] = max(newest.get(name, one.modified_at), one.modified_at)
            whole |= {name} if one.key == f"{RELEASES}/{name}/{MANIFEST_FILE}" else set()
        old = datetime.now(UTC) - _HALF
        halves = sorted(name for name, at in newest.items() if name not in whole and at < old)
        for name in halves if not dry_run else ():
            self.locks.check()
            self.remove(f"{RELEASES}/{name}")
        return halves

    def _listed(self, prefix: str) -> dict[str, str]:
        """Name of each file of a release, its manifest apart -> version."""
        found = {one.key.removeprefix(f"{prefix}/"): one.version for one in self.objects.list(prefix)}
        found.pop(MANIFEST_FILE, None)
        return found

    def _copied(self, release: Path, name: str) -> bool:
        """Fetch one file; whether the bucket had it with the bytes that the manifest names."""
        wanted = json.loads((release / MANIFEST_FILE).read_bytes())["files"].get(name)
        target = release / name
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Home(self.root).scratch / f".{secrets.token_hex(8)}"
        temporary.parent.mkdir(exist_ok=True)
        try:
            _, checksum = self.objects.download(f"{RELEASES}/{release.name}/{name}", temporary)
            if wanted is None or checksum != wanted["sha256"]:
                return False
            temporary.chmod(0o444)
            temporary.replace(target)
        except FileNotFoundError:
            return False
        finally:
            temporary.unlink(missing_ok=True)
        return True

    def _used(self, release_id: str) -> None:
        mark = self.root.parent / "used" / release_id
        mark.parent.mkdir(exist_ok=True)
        mark.touch()

    def _make_room(self, newest: str) -> None:
        """Let copies go that were not asked for longest, until the rest is within the limit."""
        if not self._limit_bytes:
            return
        sizes = {
            folder.name: sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
            for folder in (self.root / RELEASES).iterdir()
            if not folder.name.startswith(".")
        }
        marks = {name: self.root.parent / "used" / name for name in sizes}
        asked = {name: mark.stat().st_mtime if mark.exists() else 0.0 for name, mark in marks.items()}
        for name in sorted(sizes, key=lambda one: asked[one]):
            if sum(sizes.values()) <= self._limit_bytes or name == newest or time.time() - asked[name] < _IN_USE_S:
                continue
            with self.writers.alone(f"{RELEASES}/{name}"):
                for path in (self.root / RELEASES / name).rglob("*"):
                    if path.is_file() and path.name != MANIFEST_FILE:
                        path.unlink()
            sizes[name] = 0


def _is_here(path: Path, entry: dict[str, object]) -> bool:
    """Whether a copy is whole as far as its size tells; who opens it holds it against its checksum."""
    try:
        return path.stat().st_size == entry["size_bytes"]
    except OSError:
        return False
