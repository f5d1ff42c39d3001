"""Where the feeds of bad input lie, as grounds that can be good on any night: a folder, a table in files."""

import csv
import io
import json
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.conftest import files_contract, table_contract

MARKER = "s3cr3t-v4lue"
"""Stands in the values of rows that are refused, and may stand in no report and no log."""


class Ground(ABC):
    """A feed that is made good, each night with other words; what is bad about it a kind adds."""

    content: dict[str, Any]
    """Its contract."""
    keys: frozenset[str]
    """Of the documents of a good night."""
    checks = ""
    """The file `checks.py` beside the contract."""
    fed: Sequence[dict[str, Any]] = ()
    """The rows of the last night that were written as rows, if this is a table."""

    @abstractmethod
    def good(self, night: int) -> None: ...


def limits(quarantine: float = 50, drop: float = 50, **more: Any) -> list[dict[str, Any]]:
    wanted = {"quarantineMaxPercent": quarantine, "volumeMaxDropPercent": drop, **more}
    return [{"property": name, "value": value} for name, value in wanted.items()]


class Folder(Ground):
    """Four Markdown pages."""

    keys = frozenset({"a.md", "b.md", "c.md", "d.md"})
    clock = 1_700_000_000

    def __init__(self, root: Path, *, max_mb: float | None = None, **changes: Any) -> None:
        self.path = root / "suspect"
        self.path.mkdir()
        server: dict[str, Any] = {"server": "here", "type": "local", "format": "documents", "path": str(self.path)}
        if max_mb:
            server["customProperties"] = [{"property": "maxMegabytes", "value": max_mb}]
        self.content = files_contract(self.path, **{"servers": [server], "customProperties": limits(), **changes})

    def good(self, night: int) -> None:
        self.clear()
        for key in sorted(self.keys):
            self.write(key, f"# Page {key}\n\nAs it is on night {night}.\n".encode())

    def clear(self) -> None:
        """Whatever it is: file, link, pipe or folder."""
        if self.path.is_file():
            self.path.unlink()
        self.path.mkdir(exist_ok=True)
        self.path.chmod(0o700)
        for path in sorted(self.path.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()

    def write(self, name: str | bytes, content: bytes) -> None:
        path = self.path / (os.fsdecode(name) if isinstance(name, bytes) else name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        Folder.clock += 1
        os.utime(path, (Folder.clock, Folder.clock))


class Table(Ground):
    """One file of six rows. `columns` are what the contract describes beside id and text, `plain` their good values."""

    keys = frozenset("123456")

    def __init__(
        self,
        root: Path,
        form: str = "jsonl",
        *columns: dict[str, Any],
        plain: dict[str, Any] | None = None,
        schema: list[dict[str, Any]] | None = None,
        checks: str = "",
        many: bool = False,
        good: frozenset[str] | None = None,
        **changes: Any,
    ) -> None:
        self.form, self.plain, self.checks = form, plain or {}, checks
        self.keys = good or Table.keys
        self.folder = Folder(root)
        path = self.folder.path / (f"*.{form}" if many else f"rows.{form}")
        self.content = table_contract(path, form, *columns, **{"customProperties": limits(), **changes})
        if schema:
            self.content["schema"][0]["properties"] = schema
        self.names = [entry.get("physicalName") or entry["name"] for entry in self.content["schema"][0]["properties"]]

    def rows(self, night: int) -> list[dict[str, Any]]:
        return [{"id": key, "text": f"Row {key} of night {night}.", **self.plain} for key in sorted(Table.keys)]

    def good(self, night: int) -> None:
        self.folder.clear()
        self.put(self.rows(night))

    def put(self, rows: Sequence[dict[str, Any]], name: str = "rows") -> None:
        self.fed = [*(self.fed if name != "rows" else ()), *rows]
        self.raw(self.encoded(rows), name)

    def raw(self, content: bytes, name: str = "rows") -> None:
        self.folder.write(f"{name}.{self.form}", content)

    def encoded(self, rows: Sequence[dict[str, Any]]) -> bytes:
        if self.form == "jsonl":
            return "".join(json.dumps(row) + "\n" for row in rows).encode()
        if self.form == "csv":
            text = io.StringIO()
            writer = csv.DictWriter(text, self.names, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
            return text.getvalue().encode()
        return parquet(pa.Table.from_pylist(list(rows)))


def parquet(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


@dataclass(frozen=True)
class Told:
    """One entry of the quarantine: what it is about, which rule, and words of its message."""

    words: str
    rule: str = "readable"
    column: str = ""
    item: str = ""
    kind: str = "refused"
    value: str = ""
    """Stands in the values that are kept of it."""


@dataclass(frozen=True)
class Kind:
    """One kind of bad input: where it is, how it is made, and what is to become of it.

    `stays`: keys of the documents afterwards, None for those of a good night. `held`: words of the reason, if the source is.
    """

    ground: Callable[[Path], AbstractContextManager[Ground]]
    bad: Callable[[Any], object]
    stays: frozenset[str] | None = None
    told: tuple[Told, ...] = ()
    held: str = ""
    expired: int = 0
    needs: tuple[str, ...] = ()
    """`postgres`, `no root`."""


def both(*steps: Callable[[Any], object]) -> Callable[[Any], None]:
    """Several things that are done to a ground, one after the other."""

    def bad(ground: Any) -> None:
        for step in steps:
            step(ground)

    return bad


def on(make: Callable[..., Ground], *arguments: Any, **options: Any) -> Callable[[Path], AbstractContextManager[Ground]]:
    """A ground that needs nothing but a folder."""

    @contextmanager
    def lie(root: Path) -> Iterator[Ground]:
        yield make(root, *arguments, **options)

    return lie
