"""Opening a feed. What a connector from another package hands on is checked, and its own mistakes hold its source only."""

import logging
import os
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from rag_pipeline.errors import PipelineError, SourceUnavailable
from rag_pipeline.extraction.account import Account
from rag_pipeline.feeds.base import BrokenRow, Connector, Item, Known, Remark, Row
from rag_pipeline.feeds.sample import Sample, look_at_items
from rag_pipeline.feeds.server import ReadContext, Server

log = logging.getLogger("rag_pipeline")


def open_feed(server: Server, context: ReadContext) -> Connector:
    """The reader of a feed. Raises `SourceUnavailable` when it cannot even be set up, `ContractError` for no connector."""
    if not server.package:
        return server.connect(context)
    with _theirs(server):
        return _Guarded(server.connect(context), server)


def look_at(server: Server, context: ReadContext) -> Sample:
    """A bounded sample of a feed. Raises `SourceUnavailable` when it cannot be read."""
    if not server.package:
        return server.look(context)
    with _theirs(server):
        if type(server).look is not Server.look:
            return server.look(context)
        with closing(open_feed(server, context)) as connector:
            return look_at_items(connector)


@contextmanager
def _theirs(server: Server) -> Iterator[None]:
    """Makes `SourceUnavailable` of an error no connector may raise. Its text may be private: only its class is told."""
    try:
        yield
    except PipelineError:
        raise
    except OSError as error:  # also what many libraries raise when a network is away
        why = os.strerror(error.errno) if error.errno else type(error).__name__
        raise SourceUnavailable(f"{_named(server)} cannot reach or read its feed ({why})") from error
    except Exception as error:
        raise _failed(server, f"failed ({type(error).__name__} at {_where(error, server)})") from error


def _failed(server: Server, what: str) -> SourceUnavailable:
    return SourceUnavailable(f"{_named(server)} {what}; tell its makers")


def _named(server: Server) -> str:
    return f"the connector {server.kind!r} of the package {server.package}"


def _where(error: Exception, server: Server) -> str:
    """File and line of the connector's own code that failed, or of what it called."""
    frames = traceback.extract_tb(error.__traceback__)
    folder = Path(sys.modules[type(server).__module__].__file__ or "").parent
    own = [frame for frame in frames if Path(frame.filename).is_relative_to(folder)]
    last = (own or frames)[-1]
    return f"{Path(last.filename).name}:{last.lineno}"


class _Guarded(Connector):
    """A connector of another package. What it hands on is what the interface says, or the source is unavailable."""

    def __init__(self, own: Connector, server: Server) -> None:
        self._own, self._server = own, server
        if not isinstance(getattr(own, "reads", None), int):
            raise _failed(server, "has a reader without a version (`reads`, a whole number)")
        self.reads = own.reads

    def items(self, known: Known) -> Iterator[Item]:
        keys = set[str]()
        with _theirs(self._server):
            for item in self._own.items(known):
                if not isinstance(item, Item) or not isinstance(item.key, str) or not isinstance(item.version, str):
                    raise _failed(self._server, "lists something that is not an Item with text as key and version")
                if not item.key or item.key in keys:
                    raise _failed(
                        self._server, "lists an item without a key" if not item.key else "lists two items with the same key"
                    )
                keys.add(item.key)
                yield item

    def read(self, item: Item) -> Iterator[Row | BrokenRow]:
        with _theirs(self._server):
            for row in self._own.read(item):
                is_row = isinstance(row, dict) and all(isinstance(name, str) for name in row)
                if not is_row and not isinstance(row, BrokenRow):
                    raise _failed(self._server, "returns something that is not a row: a dict whose names are text")
                yield row

    def remarks(self) -> Sequence[Remark]:
        with _theirs(self._server):
            return tuple(self._own.remarks())

    def expect(self, items: Sequence[Item]) -> None:
        with _theirs(self._server):
            self._own.expect(items)

    def not_read(self) -> Mapping[str, int]:
        with _theirs(self._server):
            return dict(self._own.not_read())

    def account(self) -> Account | None:
        with _theirs(self._server):
            return self._own.account()

    def close(self) -> None:
        try:
            self._own.close()
        except Exception as error:  # what was read is read
            log.warning("%s: its connector could not be closed (%s)", self._server.kind, type(error).__name__)
