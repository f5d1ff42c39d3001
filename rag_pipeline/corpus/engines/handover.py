"""Where a worker finds parts and leaves fragments: in folders that every node sees, or in the bucket that the home lies in.

A worker has no copy of a home in a bucket. It reads a part and writes a fragment, by one request each, and keeps nothing on
its disk; it neither lists nor removes anything.
"""

import hashlib
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import polars as pl
import pyarrow as pa

from rag_pipeline.corpus.engines.parts import FOLDER, read_part
from rag_pipeline.errors import HomeUnreachable, PipelineError
from rag_pipeline.home import Home
from rag_pipeline.lake import made_fragment, rows_of, write_fragment
from rag_pipeline.storage.patience import patiently


@dataclass(frozen=True, slots=True)
class Addresses:
    """As workers are told. `parts`, `table`: folders, or, below the bucket's prefix `home`, what keys begin with."""

    parts: str
    table: str
    home: str = ""


def addresses_of(home: Home, table: Path) -> Addresses:
    """`table`: the folder of the vectors."""
    parts = home.scratch / FOLDER
    if home.uri:
        return Addresses(home.name_of(parts), home.name_of(table), home.uri)
    return Addresses(str(parts), str(table))


class Handover(Protocol):
    """Reading and writing raise `PipelineError`, and what the libraries raise."""

    @property
    def needs(self) -> str:
        """What must be so on every node, in words."""
        ...

    def rows(self, part: str) -> pl.DataFrame:
        """A part's texts: `text_hash`, `text`."""
        ...

    def put(self, rows: pa.Table, partition: Mapping[str, str]) -> dict[str, Any]:
        """Write a fragment; its `path` below the table, `rows` and `size_bytes`, as an answer says them."""
        ...


def handover_at(addresses: Addresses) -> Handover:
    """Raises `PipelineError` when no store can be set up for the bucket."""
    return _InBucket(addresses) if addresses.home else _InFolders(addresses)


class _InFolders:
    needs = "RAG_HOME must lie where every node of the cluster sees it"

    def __init__(self, addresses: Addresses) -> None:
        self._parts, self._table = Path(addresses.parts), Path(addresses.table)

    def rows(self, part: str) -> pl.DataFrame:
        return read_part(self._parts, part)

    def put(self, rows: pa.Table, partition: Mapping[str, str]) -> dict[str, Any]:
        fragment = write_fragment(self._table, rows, partition)
        return {"path": fragment.path, "rows": fragment.rows, "size_bytes": fragment.size_bytes}


class _InBucket:
    def __init__(self, addresses: Addresses) -> None:
        from rag_pipeline.storage.objects import in_bucket  # takes libraries that a home on this machine needs not

        self._objects, self._at = in_bucket(addresses.home), addresses

    @property
    def needs(self) -> str:
        return (
            f"each node reaches {self._at.home} by its own environment, credentials and address, and {socket.gethostname()} "
            "is one that does not"
        )

    def rows(self, part: str) -> pl.DataFrame:
        found = patiently(lambda: self._objects.read(f"{self._at.parts}/{part}"))
        if found is None:
            raise PipelineError(f"it is not in {self._at.home}/{self._at.parts}: another run removed it")
        return rows_of(found.data)

    def put(self, rows: pa.Table, partition: Mapping[str, str]) -> dict[str, Any]:
        """With the `sha256` of its bytes. Its name is new, so nobody else can have it: `create` is refused to nobody."""
        fragment, data = made_fragment(rows, partition)
        try:
            patiently(partial(self._objects.create, f"{self._at.table}/{fragment.path}", data))
        except HomeUnreachable as error:
            raise PipelineError(f"{error}; {self.needs}") from None
        told = {"path": fragment.path, "rows": fragment.rows, "size_bytes": fragment.size_bytes}
        return told | {"sha256": hashlib.sha256(data).hexdigest()}
