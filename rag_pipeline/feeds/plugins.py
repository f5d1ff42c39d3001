"""Connectors from other packages: found by entry point, loaded when a contract names one, and never trusted to work.

A package that cannot be loaded is told with its name and the cause; whatever else there is goes on.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points

from rag_pipeline.feeds.kind import API, GROUP, Kind
from rag_pipeline.urls import hide_also

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_LONGEST_CAUSE = 300


@dataclass(frozen=True, slots=True)
class Plugin:
    """A connector from another package. Either it has a `kind`, or a `problem` for which it cannot be used."""

    name: str
    package: str
    """Name and version."""
    kind: Kind | None = None
    problem: str = ""


def plugins(taken: Collection[str]) -> list[Plugin]:
    """All of them, each loaded. `taken`: names of the library's own."""
    return [_plugin(name, points, taken) for name, points in _found().items()]


def plugin(name: str, taken: Collection[str]) -> Plugin | None:
    """The one that is called so; None when no package brings it. No other one is loaded."""
    points = _found().get(name)
    return _plugin(name, points, taken) if points else None


def plugin_names() -> list[str]:
    return list(_found())


def _found() -> dict[str, list[EntryPoint]]:
    found: dict[str, list[EntryPoint]] = {}
    for point in entry_points(group=GROUP):
        found.setdefault(point.name, []).append(point)
    return dict(sorted(found.items()))


def _plugin(name: str, points: Sequence[EntryPoint], taken: Collection[str]) -> Plugin:
    packages = " and ".join(map(_package, points))
    if name in taken:
        return _problem(name, packages, "the library has one of this name, which is used; ask its makers to rename it")
    if not _NAME.fullmatch(name):
        return _problem(name, packages, "the name of a connector is lower-case letters, digits and underscores")
    if len(points) > 1:
        return _problem(name, packages, "several packages bring one of this name; uninstall all but one")
    return _loaded(points[0])


def _loaded(point: EntryPoint) -> Plugin:
    package = _package(point)
    try:
        kind = point.load()
    except (Exception, SystemExit) as error:  # whatever their code does when it is imported
        cause = f"{type(error).__name__}: {error}".strip().splitlines()[0][:_LONGEST_CAUSE]
        return _problem(point.name, package, f"{cause}; install what it needs, or another version of it")
    if not isinstance(kind, Kind):
        return _problem(point.name, package, f"{point.value} is a {type(kind).__name__}, not a Kind; tell its makers")
    if kind.api != API:
        made_for = f"it was made for version {kind.api} of the interface for connectors, and this is version {API}"
        return _problem(point.name, package, f"{made_for}; install a version of it that was made for this one")
    if kind.name != point.name:
        names = f"its entry point is called {point.name!r} and its kind {kind.name!r}"
        return _problem(point.name, package, f"{names}; ask its makers to call both the same")
    hide_also(kind.secret_words)
    return Plugin(point.name, package, kind)


def _problem(name: str, packages: str, cause: str) -> Plugin:
    return Plugin(name, packages, problem=f"the connector {name!r} of the package {packages} cannot be used: {cause}")


def _package(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else point.value
