"""The objects of a home: read, made if they are not there, replaced if they are as they were, put, removed, listed.

Correctness rests on `create` and `swap` alone, which the store itself decides: of two machines one succeeds.
"""

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import obstore
from obstore.exceptions import AlreadyExistsError, NotModifiedError, PreconditionError
from obstore.store import MemoryStore

from rag_pipeline.errors import HomeUnreachable, Overtaken, PipelineError
from rag_pipeline.limits import Limits
from rag_pipeline.storage.stores import BUCKET_NAME, SCHEMES, open_store
from rag_pipeline.storage.trouble import CREDENTIALS, is_trouble, may_pass, no_bucket, of_a_home, told
from rag_pipeline.urls import BUCKETS, BucketScheme, scheme_of, without_secrets

_WHOLE = 64 * 1024 * 1024
"""A file up to this many bytes is sent in one request, which can be refused if the key is taken. A larger one in parts."""

_LIMITS = Limits(timeout_s=30, retries=4)
_SOON = Limits(timeout_s=3, retries=0)

SCHEMES_SAID = ", ".join(f"{scheme}://" for scheme in BUCKETS)


@dataclass(frozen=True, slots=True)
class Found:
    """An object as read. `version`: what the store calls these very bytes."""

    data: bytes
    version: str
    modified_at: datetime


@dataclass(frozen=True, slots=True)
class Listed:
    """One object of a listing."""

    key: str
    size_bytes: int
    version: str
    modified_at: datetime


class Objects(Protocol):
    """The objects below one prefix, by their keys there. All raise `HomeUnreachable` when the store does not do it."""

    name: str
    """What messages call the place: its URI."""

    def read(self, key: str, unless: str | None = None, *, soon: bool = False) -> Found | None:
        """An object; None when there is none. `unless`: a version that is known. Raises `Known` if it is still that.

        `soon`: somebody waits who can go on without it, so the store is asked once, for a few seconds.
        """
        ...

    def create(self, key: str, data: bytes | Path) -> str:
        """Make an object where there is none; its version. Raises `Overtaken` when there is another one."""
        ...

    def swap(self, key: str, data: bytes | Path, expected: str) -> str:
        """Replace an object that has this version still; the new one. Raises `Overtaken` when it has not."""
        ...

    def put(self, key: str, data: bytes | Path) -> str:
        """Write an object whatever was there; its version."""
        ...

    def is_there(self, key: str) -> bool: ...

    def download(self, key: str, target: Path) -> tuple[Listed, str]:
        """Write an object of any size to a file; what the store said of it, and the SHA-256 of its bytes.

        Raises `FileNotFoundError` when there is none.
        """
        ...

    def remove(self, keys: Sequence[str]) -> None:
        """Remove objects; one that is gone already is no trouble."""
        ...

    def list(self, prefix: str) -> Iterator[Listed]:
        """The objects whose keys begin with `prefix`, which is empty, or ends with a slash."""
        ...


class Known(Exception):
    """An object still has the version that the caller knows."""


class StoredObjects:
    """Objects of a store of the library `obstore`: a bucket's, or one in memory, for tests."""

    def __init__(self, store: Any, prefix: str, name: str, kind: BucketScheme = "s3", *, impatient: Any = None) -> None:
        """`impatient`: the same store, asked as `_SOON` says."""
        self._store, self._prefix, self.name, self._kind = store, prefix, name, kind
        self._impatient = impatient or store

    def read(self, key: str, unless: str | None = None, *, soon: bool = False) -> Found | None:
        store, limits = (self._impatient, _SOON) if soon else (self._store, _LIMITS)
        with self._told(key, limits):
            try:
                found = obstore.get(store, self._path(key), options={"if_none_match": unless} if unless else None)
                return Found(bytes(found.bytes()), self._version(found.meta), found.meta["last_modified"])
            except NotModifiedError:
                raise Known from None
            except FileNotFoundError as error:
                self._raise_if_no_bucket(error)
                return None

    def create(self, key: str, data: bytes | Path) -> str:
        return self._write(key, data, "create")

    def swap(self, key: str, data: bytes | Path, expected: str) -> str:
        return self._write(key, data, {"e_tag": expected} if self._kind != "gs" else self._generation(key, expected))

    def put(self, key: str, data: bytes | Path) -> str:
        with self._told(key):
            return self._version(obstore.put(self._store, self._path(key), data))

    def is_there(self, key: str) -> bool:
        with self._told(key):
            try:
                obstore.head(self._store, self._path(key))
            except FileNotFoundError:
                return False
        return True

    def download(self, key: str, target: Path) -> tuple[Listed, str]:
        digest = hashlib.sha256()
        with self._told(key):
            found = obstore.get(self._store, self._path(key))
            with target.open("wb") as file:
                for chunk in found.stream(min_chunk_size=1 << 20):
                    digest.update(chunk)
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
        return Listed(key, found.meta["size"], self._version(found.meta), found.meta["last_modified"]), digest.hexdigest()

    def remove(self, keys: Sequence[str]) -> None:
        for start in range(0, len(keys), 1_000):
            some = keys[start : start + 1_000]
            try:
                with self._told(some[0]):
                    obstore.delete(self._store, [self._path(key) for key in some])
            except FileNotFoundError:  # Azure and Google tell it, and what comes after it may be there still
                for key in some:
                    with suppress(FileNotFoundError), self._told(key):
                        obstore.delete(self._store, self._path(key))

    def list(self, prefix: str) -> Iterator[Listed]:
        with self._told(prefix):
            for page in obstore.list(self._store, self._path(prefix).rstrip("/") or None, chunk_size=1_000):
                for one in page:
                    key = one["path"].removeprefix(self._prefix).lstrip("/")
                    yield Listed(key, one["size"], self._version(one), one["last_modified"])

    def _generation(self, key: str, expected: str) -> Any:
        """What Google compares: it knows generations, which no listing tells. None when it is another object by now."""
        with self._told(key), suppress(FileNotFoundError):
            found = obstore.head(self._store, self._path(key))
            if self._version(found) == expected:
                return {"e_tag": expected, "version": found["version"]}
        return None

    def _write(self, key: str, data: bytes | Path, mode: Any) -> str:
        """`mode`: as the library has it, None for a condition that is known not to hold."""
        if isinstance(data, Path) and mode == "create" and data.stat().st_size > _WHOLE:
            return self._in_parts(key, data)
        with self._told(key):
            try:
                if mode is not None:
                    done = obstore.put(self._store, self._path(key), data, mode=mode, use_multipart=False)
                    return self._version(done)
            except (AlreadyExistsError, PreconditionError, FileNotFoundError):
                pass
        ours = data.read_bytes() if isinstance(data, Path) else data
        there = self.read(key)  # an answer that was lost on its way is asked for again, and then it is our own that is there
        if there and there.data == ours:
            return there.version
        raise Overtaken(
            f"{self.name}/{key} was written by another machine meanwhile; nothing was changed. Wait for that run to end, "
            "and try again"
        )

    def _in_parts(self, key: str, path: Path) -> str:
        """Large files cannot be refused by the store; under the locks nobody else writes, and the caller looks again."""
        if not self.is_there(key):
            with self._told(key):
                return self._version(obstore.put(self._store, self._path(key), path, max_concurrency=4))
        raise Overtaken(
            f"{self.name}/{key} was written by another machine meanwhile; wait for that run to end, and try again"
        )

    def _version(self, said: Any) -> str:
        """Azure's answers quote it and its listings do not: the same version is the same text here."""
        found = str(said.get("e_tag") or said.get("version"))
        return found if self._kind == "s3" or found.endswith('"') else f'"{found}"'

    def _path(self, key: str) -> str:
        return f"{self._prefix}/{key}".strip("/")

    def _raise_if_no_bucket(self, error: BaseException) -> None:
        if no_bucket(error):
            raise HomeUnreachable(f"{self.name}: {told(error, self._kind, _LIMITS, of_a_home(self._kind))}") from None

    @contextmanager
    def _told(self, key: str, limits: Limits = _LIMITS) -> Iterator[None]:
        """Whatever the library raises, in our words: its own hold addresses and answers of the store."""
        try:
            yield
        except (FileNotFoundError, NotModifiedError, AlreadyExistsError, PreconditionError) as error:
            self._raise_if_no_bucket(error)
            raise
        except BaseException as error:
            if (isinstance(error, OSError) and error.errno is not None) or not is_trouble(error):
                raise
            where = f"{self.name}/{key}".rstrip("/")
            says = told(error, self._kind, limits, of_a_home(self._kind))
            raise HomeUnreachable(f"{where}: {says}", may_pass=may_pass(error)) from None


def in_memory() -> StoredObjects:
    """Objects that end with this process."""
    return StoredObjects(MemoryStore(), "home", "memory://home")


def in_bucket(uri: str) -> StoredObjects:
    """The objects below `scheme://bucket/prefix`. Raises `HomeUnreachable` when no such store can be set up."""
    kind, bucket, prefix = parts_of(uri)
    try:
        store = open_store(kind, bucket, "", _LIMITS, checksums=True)
        impatient = open_store(kind, bucket, "", _SOON)
    except BaseException as error:
        if not is_trouble(error):
            raise
        raise HomeUnreachable(
            f"RAG_HOME={uri}: the store cannot be set up ({type(error).__name__}); set {CREDENTIALS[kind]}"
        ) from None
    return StoredObjects(store, prefix, uri, kind, impatient=impatient)


def parts_of(uri: str) -> tuple[BucketScheme, str, str]:
    """Scheme, bucket and prefix. Raises `PipelineError` for what names none."""
    scheme, _, rest = uri.partition("://")
    bucket, _, prefix = rest.partition("/")
    parts = prefix.strip("/").split("/")
    if scheme not in SCHEMES:
        raise PipelineError(f"{scheme_of(uri)}:// is no kind of bucket that a home may lie in; there are {SCHEMES_SAID}")
    if not BUCKET_NAME.fullmatch(bucket) or not all(BUCKET_NAME.fullmatch(part) for part in parts):
        raise PipelineError(
            f"{without_secrets(uri)!r} names no bucket and prefix; write {scheme}://bucket/prefix, of letters, digits, ., _ "
            "and -: a home is never a whole bucket"
        )
    return SCHEMES[scheme], bucket, prefix.strip("/")
