"""A look at a table in files: rows of some of them, evenly spread; of a bucket only objects small enough to be fetched."""

import tempfile
from dataclasses import replace
from itertools import islice
from pathlib import Path

from rag_pipeline.connectors.table.connector import Table
from rag_pipeline.connectors.table.server import TableServer
from rag_pipeline.errors import Unreadable
from rag_pipeline.feeds import sample as sampling
from rag_pipeline.feeds.base import Connector, Item
from rag_pipeline.feeds.sample import LISTED, Sample, Stream, TooLarge, never_read, rows_in_turn, spread
from rag_pipeline.places import MIB, Place, place_of

FILES = 20
"""Files of one table at most, evenly spread over all."""


def look_at_table(server: TableServer) -> Sample:
    sample = _local(server) if server.path else _objects(server)
    sample.headed, sample.complete = server.format == "csv", server.format in ("csv", "parquet")
    return sample


def _local(server: TableServer) -> Sample:
    connector = Table(server)
    items = _listed(connector)
    return rows_in_turn([connector.read(item) for item in spread(items, FILES)], len(items))


def _objects(server: TableServer) -> Sample:
    """By way of copies of those objects that are not too large to be fetched for a look."""
    folder, _, _ = server.location.rpartition("/")
    small = replace(server.limits, max_mb=sampling.CHARACTERS / MIB)
    place = place_of(None, server.location if server.pattern else folder, server.endpoint, small, confined=False)
    items = _listed(Table(server))
    with tempfile.TemporaryDirectory(prefix="rag-draft-") as copies:
        streams = [
            _copied(place, item, replace(server, path=Path(copies, str(number)), pattern=None))
            for number, item in enumerate(spread(items, FILES))
        ]
        return rows_in_turn(streams, len(items))


def _listed(connector: Connector) -> list[Item]:
    return list(islice(connector.items(never_read), LISTED + 1))


def _copied(place: Place, item: Item, server: TableServer) -> Stream:
    """The rows of an object, from a copy at the server's path."""
    try:
        Path(server.path or "").write_bytes(place.content(item.key).data)
    except Unreadable as error:
        if not str(error).startswith("larger than"):
            raise
        instead = "draft from a part of it, a local copy of its beginning, and change `servers` afterwards"
        raise TooLarge(f"{item.key} is larger than what is fetched for a look; {instead}") from error
    connector = Table(server)
    for one in connector.items(never_read):
        yield from connector.read(one)
