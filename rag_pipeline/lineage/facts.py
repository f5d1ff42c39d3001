"""What is told of a step, as plain values. Values and keys of documents and messages of errors are not among them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

Kind = Literal["START", "COMPLETE", "FAIL", "ABORT"]


@dataclass(frozen=True, slots=True)
class Name:
    """A job or a dataset, wherever it is spoken of."""

    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    type: str
    description: str = ""


@dataclass(frozen=True, slots=True)
class Origin:
    """A field that another one is made from. `same`: its values are taken as they are. `masked`: private data is not."""

    dataset: Name
    field: str
    same: bool = True
    masked: bool = False


@dataclass(frozen=True, slots=True)
class Assertion:
    """One check and what came of it. `expected` and `actual` are bounds and counts, never values of rows."""

    name: str
    kind: str
    passed: bool
    severity: Literal["error", "warn"]
    column: str | None = None
    expected: str | None = None
    actual: str | None = None


@dataclass(frozen=True, slots=True)
class Dataset:
    """One dataset of a step, with as much as is known of it by then."""

    at: Name
    fields: tuple[Field, ...] = ()
    origins: Mapping[str, tuple[Origin, ...]] = field(default_factory=dict)
    """Field -> the fields it is made from."""
    rows: int | None = None
    version: str = ""
    empty: Mapping[str, int] = field(default_factory=dict)
    """Field -> rows without a value, where a rule of the contract counts them."""
    assertions: tuple[Assertion, ...] = ()


@dataclass(frozen=True, slots=True)
class Run:
    """One attempt of a step. `parent` is the run it is a part of."""

    job: Name
    id: str
    parent: Name
    parent_id: str
    engine: str
    """Version of what runs it."""


@dataclass(frozen=True, slots=True)
class Event:
    """One word about a run."""

    kind: Kind
    at: datetime
    run: Run
    inputs: tuple[Dataset, ...] = ()
    outputs: tuple[Dataset, ...] = ()
    error: str = ""
    """The kind of error, where there was one."""
