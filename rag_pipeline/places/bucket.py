"""A place in object storage: what is below a prefix of an S3, Google Cloud Storage or Azure bucket.

Credentials come from the environment alone. The library's text of an error holds addresses and the store's own words,
so only the kind of the error is passed on (`storage/trouble.py`).
"""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import quote

import obstore
from obstore.exceptions import BaseError, PermissionDeniedError

from rag_pipeline.errors import Named, SourceUnavailable, Unreadable
from rag_pipeline.limits import Limits
from rag_pipeline.places.place import MIB, Content, Entry, Wanted, too_large
from rag_pipeline.places.prefetch import Ahead
from rag_pipeline.places.walk import matches
from rag_pipeline.storage.stores import BUCKET_NAME, SCHEMES, open_store
from rag_pipeline.storage.trouble import BAD_NAME, CREDENTIALS, alone, bad_name, is_trouble, told
from rag_pipeline.urls import without_secrets

if TYPE_CHECKING:
    from obstore import ObjectMeta

_PAGE = 1_000
"""Objects the stores list in one answer, or a divisor of it."""


class Bucket:
    """Objects below `scheme://bucket/prefix`. Raises `SourceUnavailable` when no such store can be set up."""

    def __init__(self, location: str, endpoint: str, limits: Limits) -> None:
        scheme, _, rest = location.partition("://")
        bucket, _, prefix = rest.partition("/")
        if scheme not in SCHEMES or not BUCKET_NAME.fullmatch(bucket) or prefix.startswith("/"):
            raise SourceUnavailable(
                f"{without_secrets(location)!r} names no bucket and prefix; write s3://bucket/prefix, gs://bucket/prefix or az://container/prefix"
            )
        self._kind, self._prefix = SCHEMES[scheme], prefix.rstrip("/")
        self._root = f"{scheme}://{bucket}"
        self._url = f"{self._root}/{self._prefix}".rstrip("/")
        self._limits, self._max_bytes = limits, int(limits.max_mb * MIB)
        self._sizes: dict[str, int] = {}
        self._ahead = Ahead(self._fetch)
        try:
            self._store = open_store(self._kind, bucket, endpoint, limits)
        except (BaseError, ValueError, OSError) as error:
            raise SourceUnavailable(
                f"{self._url}: the store cannot be set up ({type(error).__name__}); set {CREDENTIALS[self._kind]}"
            ) from None

    def entries(self, pattern: str, wanted: Wanted) -> Iterator[Entry]:
        self._sizes.clear()
        with self._listing():
            for found in self._list(pattern):
                key = found["path"].removeprefix(self._prefix).lstrip("/")
                if not key or not matches(PurePosixPath(key), pattern) or not wanted(PurePosixPath(key)):
                    continue
                # The library leaves out slashes at the end of a name, so that the mark of a folder looks like a file.
                if not found["size"] or key in self._sizes:
                    try:
                        found = obstore.head(self._store, found["path"])
                    except FileNotFoundError:
                        continue
                    except PermissionDeniedError:
                        pass
                yield self._entry(key, found)

    def entry(self, key: str) -> Entry:
        with self._listing(key):
            return self._entry(key, obstore.head(self._store, self._path(key)))

    def expect(self, keys: Sequence[str]) -> None:
        """Begins to fetch the first of them, and fetches on as they are asked for."""
        sizes = ((key, self._sizes.get(key, 0)) for key in keys)
        self._ahead.expect((key, size) for key, size in sizes if size <= self._max_bytes)

    def content(self, key: str) -> Content:
        if (size := self._sizes.get(key, 0)) > self._max_bytes:
            raise too_large(size, self._max_bytes)
        try:
            return self._ahead.take(key)
        except SourceUnavailable:
            self._ahead.stop()
            raise

    @contextmanager
    def file(self, key: str) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="rag-object-") as folder:
            copy = Path(folder) / "copy"
            with self._reading(), copy.open("wb") as file:
                for chunk in obstore.get(self._store, self._path(key)).stream(min_chunk_size=MIB):
                    file.write(chunk)
            yield copy

    def uri(self, key: str) -> str:
        return f"{self._root}/{quote(self._path(key))}"

    def _list(self, pattern: str) -> "Iterator[ObjectMeta]":
        prefix = self._prefix or None
        if "/" not in pattern and "**" not in pattern:  # what lies in folders below is of no interest
            yield from obstore.list_with_delimiter(self._store, prefix)["objects"]
            return
        count, last = 0, None
        while True:
            before = count
            for page in obstore.list(self._store, prefix, offset=last, chunk_size=_PAGE):
                for found in page:
                    count, last = count + 1, found["path"]
                    yield found
            # The library takes an answer that is no listing (a proxy's page) for the end of one. Where a page of the store's
            # has ended too, it is asked what follows, lest the rest be taken for deleted.
            if count == before or count % _PAGE:
                return

    def _entry(self, key: str, found: "ObjectMeta") -> Entry:
        self._sizes[key] = found["size"]
        version = found["e_tag"] or found["version"] or f"{found['size']}:{found['last_modified'].isoformat()}"
        return Entry(key, version)

    def _path(self, key: str) -> str:
        return f"{self._prefix}/{key}".lstrip("/")

    def _fetch(self, key: str) -> Content:
        with self._reading():
            found = obstore.get(self._store, self._path(key))
            meta = found.meta
            if meta["size"] > self._max_bytes:  # it has grown since it was listed
                raise too_large(meta["size"], self._max_bytes)
            return Content(bytes(found.bytes()), meta["last_modified"])

    @contextmanager
    def _listing(self, key: str = "") -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            if not is_trouble(error):
                raise
            raise self._unavailable(error, key) from None

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            if not is_trouble(error):
                raise
            if reason := alone(error):
                raise Unreadable(reason) from None
            raise self._unavailable(error) from None

    def _unavailable(self, error: BaseException, key: str = "") -> SourceUnavailable:
        where = f"{self._url}/{key}".rstrip("/")
        if name := bad_name(error):
            return Named(f"{where}: the name ", repr(name), f" {BAD_NAME}")
        return SourceUnavailable(f"{where}: {told(error, self._kind, self._limits)}")
