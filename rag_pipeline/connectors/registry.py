"""Which kinds of source there are, and which one a contract's `servers` entry is of.

The library's own are the list below; others come in packages, by entry point. Nothing else in the library knows a kind by
its name.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from rag_pipeline.connectors.bundled import BUNDLED
from rag_pipeline.connectors.files import FILES
from rag_pipeline.connectors.sql import SQL
from rag_pipeline.connectors.table import TABLE
from rag_pipeline.connectors.web import WEB
from rag_pipeline.errors import ContractError, PipelineError, unknown_name
from rag_pipeline.feeds.draft import Address, Found
from rag_pipeline.feeds.entry import At, Entry, EntryPage
from rag_pipeline.feeds.kind import Kind
from rag_pipeline.feeds.plugins import Plugin, plugin, plugin_names, plugins
from rag_pipeline.feeds.server import Server
from rag_pipeline.feeds.unusable import UnusableServer

BUILT_IN: tuple[Kind, ...] = (FILES, TABLE, SQL, WEB, *BUNDLED)

COMMON = ("connector", "timeoutSeconds", "retries")
"""Custom properties of a server that every kind understands; the standard has no field for them."""

_BY_NAME = {kind.name: kind for kind in BUILT_IN}


def server_properties() -> tuple[str, ...]:
    """Every custom property of a server that one of the library's own kinds understands."""
    return tuple(dict.fromkeys([*COMMON, *(name for kind in BUILT_IN for name in kind.properties)]))


def server_of(page: EntryPage, at: At, fields: dict[str, Any], *, folder: Path, table: str, straight: bool) -> Server:
    """The server of a contract's `servers` entry (see `Entry` for what it takes).

    Raises `ContractError` when the entry is not valid. One whose connector is not here, or does not work, is a server
    that says so: its contract can be read, and its source is held.
    """
    named = _named(fields)
    found = plugin(named, _BY_NAME) if named and named not in _BY_NAME else None
    kind = found.kind if found else _BY_NAME.get(named)
    ours = server_properties() if not named or kind else ("connector",)  # of one that is not here nothing is known
    custom = page.custom(at, fields, (*ours, *(kind.properties if kind else ())))
    entry = Entry(page, at, fields, custom, folder, table, straight)
    if entry.type == "custom" and not named:
        raise entry.fail("a custom server names its connector (customProperties: property: connector)")
    if found:
        return _server_of_plugin(entry, found)
    if named and not kind:
        known = [*_BY_NAME, *plugin_names()]
        return _unusable(entry, unknown_name("connector", named, known))
    limits = entry.limits
    kind = _chosen(entry)
    _check_properties(entry, kind)
    return replace(kind.read(entry), limits=limits, kind=kind.name)


def kinds_for(schemes: set[str]) -> tuple[list[Kind], list[Plugin]]:
    """The kinds that may draft a contract for addresses with these schemes, and packages that cannot be asked.

    Packages are looked at for schemes that no kind of the library's own has; after them those that take any.
    """
    if own := [kind for kind in BUILT_IN if schemes <= set(kind.schemes)]:
        return own, []
    found = plugins(_BY_NAME)
    theirs = [_careful(one.kind, one) for one in found if one.kind and schemes <= set(one.kind.schemes)]
    return [*theirs, *(kind for kind in BUILT_IN if "*" in kind.schemes)], [one for one in found if one.problem]


def _careful(kind: Kind, plugin: Plugin) -> Kind:
    """The same kind, whose mistakes in looking at an address are errors that name its package."""

    def find(address: Address) -> Found | None:
        try:
            return kind.find(address) if kind.find else None
        except PipelineError:
            raise
        except Exception as error:
            who = f"the connector {kind.name!r} of the package {plugin.package}"
            raise PipelineError(f"{who} failed ({type(error).__name__}: {error}); tell its makers") from error

    return replace(kind, find=find)


def broken_plugins() -> list[Plugin]:
    """Connectors of other packages that cannot be used, and why."""
    return [one for one in plugins(_BY_NAME) if one.problem]


def _named(fields: dict[str, Any]) -> str:
    own = fields.get("customProperties") or []
    return next((str(one["value"] or "") for one in own if one["property"] == "connector"), "")


def _chosen(entry: Entry) -> Kind:
    """The kind of an entry: by its type where that says it all, then by the connector it names, then by its type."""
    by_type = [kind for kind in BUILT_IN if entry.type in kind.types]
    by_itself = [kind for kind in BUILT_IN if entry.type in kind.types_by_themselves]
    if entry.connector and not by_type:
        return _BY_NAME[entry.connector]
    for kind in (*by_type, *by_itself):
        if kind.takes(entry):
            return kind
    types = dict.fromkeys(name for kind in BUILT_IN for name in (*kind.types, *kind.types_by_themselves))
    raise entry.fail(f"{entry.type!r} has no connector; use one of {', '.join([*types, 'custom'])}", "type")


def _check_properties(entry: Entry, kind: Kind) -> None:
    """Raises `ContractError` for a property that another kind understands, and this one would pass over."""
    for name in entry.custom:
        others = [other.name for other in BUILT_IN if name in other.properties]
        if others and name not in kind.properties:
            raise entry.fail_property(name, f"{name} has no meaning for {kind.name}; it is for {', '.join(others)}")


def _server_of_plugin(entry: Entry, found: Plugin) -> Server:
    """What another package makes of an entry. Its own mistakes are no mistakes of the contract."""
    kind = found.kind
    if kind is None:
        return _unusable(entry, found.problem)
    _check_properties(entry, kind)
    try:
        server = kind.read(replace(entry, secret_words=kind.secret_words))
        if not isinstance(server, Server):
            raise TypeError(f"read returned a {type(server).__name__} and not a Server")
        server = replace(server, limits=entry.limits, kind=kind.name, package=found.package)
        json.dumps([server.says, server.judged, server.addresses])
    except ContractError:
        raise
    except Exception as error:
        cause = f"it could not read the entry ({type(error).__name__}: {error}); tell its makers"
        return _unusable(entry, f"the connector {kind.name!r} of the package {found.package} cannot be used: {cause}")
    return server


def _unusable(entry: Entry, why: str) -> UnusableServer:
    """`entry.fail` says where the contract names the connector."""
    return UnusableServer(entry.connector, str(entry.fail_property("connector", why)), kind=entry.connector)
