"""Withdrawn documents: hidden from every reader at once, whichever release serves, until they are restored.

Row first, file second, as channels are moved: the table `lake/withdrawals` has who hid what and why, and `withdrawn.json` is
a copy of where it stands, which readers look at with each question. It hides; `rag erase` removes.
"""

import threading
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Literal

import polars as pl
import pyarrow as pa
from pydantic import AwareDatetime, ValidationError

from rag_pipeline import mirrored
from rag_pipeline.errors import PipelineError, ReleaseError, did_you_mean, first_problem
from rag_pipeline.files import write_json
from rag_pipeline.home import Home
from rag_pipeline.index.manifest import all_manifests
from rag_pipeline.index.release_chunks import contents
from rag_pipeline.lake import Table, collected
from rag_pipeline.records import Record

WITHDRAWALS = pa.schema(
    [
        ("at", pa.timestamp("us", "UTC")),
        ("number", pa.int64()),  # from 1: what came after what, whatever the clock said
        ("document_id", pa.string()),
        ("action", pa.string()),  # withdrawn | restored
        ("by", pa.string()),
        ("why", pa.string()),
    ]
)


class Withdrawal(Record):
    """A document that is hidden now: by whom, why, since when."""

    document_id: str
    by: str
    why: str
    at: AwareDatetime


class _File(Record):
    format: Literal[1] = 1
    withdrawn: tuple[Withdrawal, ...] = ()


class ListUnreadable(ReleaseError):
    """Nobody can say what is withdrawn, so nothing may be answered."""


def withdrawals_table(home: Home) -> Table:
    """Every document that was withdrawn or restored, in the order it was done."""
    return Table(home.withdrawals, WITHDRAWALS, derived=False)


def withdraw(home: Home, document: str, *, by: str, why: str, now: datetime) -> Withdrawal:
    """Hide a document from every reader. Raises `PipelineError` when no kept release holds it, or it is hidden already."""
    _named(by, why)
    with home.exclusive("withdrawn", wait_s=30):
        stands = _stands(home)
        if document in stands:
            raise PipelineError(f"{document} is withdrawn since {stands[document].at:%Y-%m-%d %H:%M}; nothing is to be done")
        held = _held(home)
        if document not in held:
            raise PipelineError(f"no kept release holds a document {document!r}; {did_you_mean(document, held)}")
        return _record(home, "withdrawn", Withdrawal(document_id=document, by=by, why=why, at=now))


def restore(home: Home, document: str, *, by: str, why: str, now: datetime) -> Withdrawal:
    """Show a document again. Raises `PipelineError` when it is not withdrawn."""
    _named(by, why)
    with home.exclusive("withdrawn", wait_s=30):
        stands = _stands(home)
        if document not in stands:
            raise PipelineError(f"{document!r} is not withdrawn; {did_you_mean(document, stands)}")
        return _record(home, "restored", Withdrawal(document_id=document, by=by, why=why, at=now))


def read_withdrawn(home: Home) -> tuple[Withdrawal, ...]:
    """What is hidden now, as readers see it. Raises `ListUnreadable`."""
    mirrored.seen(home.withdrawn)
    try:
        return _File.model_validate_json(home.withdrawn.read_bytes()).withdrawn
    except FileNotFoundError:
        _must_not_be_lost(home)
        return ()
    except ValidationError as error:
        raise ListUnreadable(
            f"{home.withdrawn} is damaged ({first_problem(error)}), so nothing is answered; `rag withdraw` writes it again "
            "from its table"
        ) from error
    except OSError as error:
        raise ListUnreadable(f"{home.withdrawn} cannot be read ({error.strerror}); let this account read it") from error


def _must_not_be_lost(home: Home) -> None:
    """Raises `ListUnreadable` where something was withdrawn once and the file is gone: a copy of a home may lack it."""
    if withdrawals_table(home).exists:
        raise ListUnreadable(
            f"{home.withdrawn} is gone, so nothing is answered; `rag withdraw` writes it again from its table"
        )


def settle(home: Home) -> tuple[Withdrawal, ...]:
    """Write the file as the table has it, where it says anything else: a process may have died in between."""
    with home.exclusive("withdrawn", wait_s=30):
        return tuple(_stands(home).values())


class HiddenChunks:
    """The chunks of one open release that are hidden, as of now. Any thread may ask."""

    def __init__(self, home: Home, chunks_of: Callable[[frozenset[str]], frozenset[str]]) -> None:
        """`chunks_of`: documents -> ids of their chunks in the release."""
        self._home, self._chunks_of = home, chunks_of
        self._seen: object = None
        self._hidden: frozenset[str] = frozenset()
        self._reading = threading.Lock()

    def now(self) -> frozenset[str]:
        """Raises `ListUnreadable`."""
        mirrored.seen(self._home.withdrawn)
        try:
            said = self._home.withdrawn.stat()
            seen: object = (said.st_mtime_ns, said.st_ctime_ns, said.st_ino, said.st_size)
        except FileNotFoundError:
            _must_not_be_lost(self._home)
            return frozenset()
        except OSError as error:
            raise ListUnreadable(f"{self._home.withdrawn} cannot be read ({error.strerror})") from error
        with self._reading:
            if seen != self._seen:
                documents = frozenset(one.document_id for one in read_withdrawn(self._home))
                self._hidden = self._chunks_of(documents) if documents else frozenset()
                self._seen = seen
            return self._hidden


def _named(by: str, why: str) -> None:
    if not by.strip() or not why.strip():
        raise PipelineError("--by and --reason must say who does it and why: both are kept")


def _held(home: Home) -> set[str]:
    """Every document of a kept release."""
    found: set[str] = set()
    for manifest in all_manifests(home.releases):
        rows = contents(home.release(manifest.id), manifest)
        found.update(rows.select(pl.col("document_id").unique()).pipe(collected)["document_id"])
    return found


def _stands(home: Home) -> dict[str, Withdrawal]:
    """Document -> what hides it, by the table; the file says the same afterwards. The caller holds the lock."""
    rows = withdrawals_table(home).scan().pipe(collected).sort("number")
    stands: dict[str, Withdrawal] = {}
    for row in rows.iter_rows(named=True):
        stands.pop(row["document_id"], None)
        if row["action"] == "withdrawn":
            stands[row["document_id"]] = Withdrawal(
                document_id=row["document_id"], by=row["by"], why=row["why"], at=row["at"]
            )
    _write(home, stands.values())
    return stands


def _record(home: Home, action: Literal["withdrawn", "restored"], what: Withdrawal) -> Withdrawal:
    table = withdrawals_table(home)
    number = table.scan().select(pl.len()).pipe(collected).item() + 1
    row = what.model_dump() | {"number": number, "action": action}
    table.append(pa.Table.from_pylist([row], WITHDRAWALS))
    _stands(home)
    return what


def _write(home: Home, stands: Iterable[Withdrawal]) -> None:
    file = _File(withdrawn=tuple(stands))
    try:
        if read_withdrawn(home) == file.withdrawn:
            return
    except ListUnreadable:
        pass
    write_json(home.withdrawn, file.model_dump(mode="json"))
