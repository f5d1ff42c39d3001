"""The `servers` entry of a contract: there is one, and its kind of source reads it (`connectors/`)."""

import re

from rag_pipeline.connectors.registry import server_of
from rag_pipeline.contracts.page import At, Page
from rag_pipeline.feeds.server import Server

_AT: At = ("servers", 0)


def read_server(page: Page, *, table: str, straight: bool = False) -> Server:
    """The one server. `table` is the schema's `physicalName`, which names a database's table.

    `straight`: a `..` counts from folders as they are named, because the contract's folder may not be there yet.
    """
    servers = page.content.get("servers") or []
    if len(servers) != 1:
        raise page.fail(("servers",), f"{len(servers)} servers found; say where this one feed is")
    entry = servers[0]
    for name, value in entry.items():
        if isinstance(value, str) and re.search(r"\$\{|\{\{", value):
            raise page.fail((*_AT, name), f"{value!r}: no variables are filled in here; write the value itself")
    return server_of(page, _AT, entry, folder=page.document.path.parent, table=table, straight=straight)
