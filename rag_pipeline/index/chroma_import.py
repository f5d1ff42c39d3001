"""Importing Chroma for no more than a folder on this machine: a third of what its import takes otherwise.

Chroma holds every method against the one it overrides, by its signature, each time it is imported; that is for whoever
changes Chroma. And it imports what it would send traces and check configurations of embedding functions with: we give it
vectors, and it sends nothing.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from rag_pipeline.process import import_without, is_prepared

_NEVER_USED = ("opentelemetry.exporter.otlp.proto.grpc.trace_exporter", "jsonschema")
"""What sends traces where an address for them is set, and what checks the configuration of embedding functions."""


@cache
def chromadb() -> Any:
    """Chroma. In a process that is not prepared it is imported whole: another part of the program may want all of it."""
    with import_without(*_NEVER_USED), _signatures_unchecked():
        import chromadb
        import chromadb.config
    return chromadb


@contextmanager
def _signatures_unchecked() -> Iterator[None]:
    """Let `@override` mark a method, which Chroma's base classes ask for, and compare nothing."""
    if not is_prepared():
        yield
        return
    import overrides

    kept = overrides.override, overrides.overrides
    overrides.override = overrides.overrides = _marked
    try:
        yield
    finally:
        overrides.override, overrides.overrides = kept


def _marked(method: Callable[..., Any] | None = None, **_checks: bool) -> Any:
    if method is None:
        return _marked
    method.__override__ = True  # type: ignore[attr-defined]
    return method
