"""A kind of source: all the library knows of it before there is a feed of that kind. Third parties hand one over each."""

from collections.abc import Callable
from dataclasses import dataclass

from rag_pipeline.feeds.draft import Address, Found
from rag_pipeline.feeds.entry import Entry
from rag_pipeline.feeds.server import Server

API = 1
"""Version of what a kind is asked, and may ask. It grows when a connector written for the one before might fail."""

GROUP = "rag_pipeline.connectors"
"""Entry points of this group are kinds from other packages; each is called as its kind is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of source. `api`: the version of the library's interface it was written for, as a number."""

    name: str
    """What a contract calls it by: `customProperties: property: connector`."""
    api: int
    read: Callable[[Entry], Server]
    """From a contract's `servers` entry to the server. Raises what `entry.fail` makes when the entry is not valid."""
    properties: tuple[str, ...] = ()
    """Custom properties of the server it understands, beside `connector`, `timeoutSeconds` and `retries`."""
    secret_words: tuple[str, ...] = ()
    """Parameters of its addresses that hold a secret, beside those every address is searched for (`urls.py`)."""
    schemes: tuple[str, ...] = ()
    """How the addresses begin that `rag contract new` has it draft a contract for; `""` is a path, `*` what nobody knows."""
    find: Callable[[Address], Found | None] | None = None
    """The feed at such an address; None when it is none of this kind. Raises `PipelineError` when it is a wrong one."""
    takes_wishes: bool = False
    """Whether `--table`, `--query` and `--cursor` mean something to it."""
    types: tuple[str, ...] = ()
    """Types of server of the standard that are of this kind, whatever connector is named. For the library's own."""
    types_by_themselves: tuple[str, ...] = ()
    """Types of server of the standard that are of this kind where no connector is named. For the library's own."""
    takes: Callable[[Entry], bool] = lambda entry: True
    """Whether an entry of such a type is of this kind, where several have it."""
