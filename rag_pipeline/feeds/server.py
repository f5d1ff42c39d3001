"""What every kind of source keeps of a contract's `servers` entry: where one feed is, and what the library asks about it."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Literal

from rag_pipeline.feeds.base import Connector
from rag_pipeline.feeds.sample import Sample, look_at_items
from rag_pipeline.limits import Limits
from rag_pipeline.urls import dataset_at, without_secrets
from rag_pipeline.variables import credentials


@dataclass(frozen=True, slots=True)
class ReadContext:
    """Whose feed is read. `columns` and `keys`: those of the contract, as the feed calls them."""

    source: str
    columns: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)

    def secret(self, kind: Literal["url", "user", "password"]) -> str:
        """What RAG_<SOURCE>_URL, _USER or _PASSWORD holds; "" when it is not set."""
        return self.environment.get(credentials(self.source)[kind], "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Server(ABC):
    """Where a feed is, and how it is opened. Each kind of source has a class of its own, with its own fields.

    No field ever holds credentials: those come from the environment, when the feed is opened.
    """

    documents: ClassVar[bool] = False
    """Whether each item is one document, with the columns path, text, title, uri and modified_at."""
    many_rows: ClassVar[bool] = False
    """Whether an item holds many rows, so that people are told a row's number beside its item."""
    items_are: ClassVar[str] = "items"
    """What such items are, for people."""

    limits: Limits = Limits()
    kind: str = field(default="", compare=False)
    """The name contracts call it by; the registry sets it."""
    package: str = field(default="", compare=False)
    """Name and version of the package it comes in; "" for one of the library's own. The registry sets it."""

    @property
    @abstractmethod
    def says(self) -> str:
        """Where the feed is, for people."""

    @abstractmethod
    def connect(self, context: ReadContext) -> Connector:
        """The reader of the feed. Raises `SourceUnavailable` when it cannot even be set up."""

    @property
    def judged(self) -> list[Any]:
        """The part of the contract's fingerprint that is about the feed, as JSON can hold it.

        Every item is read again when it changes. All fields belong to it, unless a kind says that some decide nothing
        about the rows.
        """
        own = [one.name for one in fields(self) if one.name not in ("limits", "kind", "package")]
        return [self.kind, {name: str(getattr(self, name)) for name in own}]

    @property
    def addresses(self) -> tuple[str, ...]:
        """Addresses that the contract itself names: a message may show them, whatever is private in the feed."""
        return ()

    @property
    def dataset(self) -> tuple[str, str]:
        """What lineage calls the feed: namespace and name, so that whoever writes the feed can speak of the same dataset."""
        return dataset_at(self.says, self.kind)

    @property
    def problem(self) -> str:
        """Why nothing can be read from it, where that is known before it is tried."""
        return ""

    def look(self, context: ReadContext) -> Sample:
        """Some of the rows, to draft or to try a contract. Raises `SourceUnavailable` when the feed cannot be read."""
        with closing(self.connect(context)) as connector:
            return look_at_items(connector)

    def why_empty(self, place: str, sample: Sample) -> str:
        """What to tell a person who wants a contract drafted for a place in which nothing was found."""
        return holds_no_row(place) if sample.listed else lists_nothing(place)


def lists_nothing(place: str) -> str:
    """The words for a feed that is there and empty. They show no secret of its address."""
    return f"{without_secrets(place)} lists nothing to read"


def holds_no_row(place: str) -> str:
    """The words for a feed whose items have no rows, when a contract is to be drafted from it."""
    return f"{place} holds no row; a contract is drafted from what is there"
