"""Importing Chroma for no more than a folder on this machine: a quarter of what its import takes otherwise.

Chroma holds every method against the one it overrides, by its signature, each time it is imported; that is for whoever
changes Chroma. Its signatures have settings as defaults, each read from the environment by itself. And it imports what it
would send traces and check configurations of embedding functions with: we give it vectors, and it sends nothing.
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
    with import_without(*_NEVER_USED), _in_short():
        import chromadb
        import chromadb.api.rust
        import chromadb.config
    return chromadb


@contextmanager
def _in_short() -> Iterator[None]:
    """Let `@override` mark a method, which Chroma's base classes ask for, and compare nothing; let settings that are made
    meanwhile be Chroma's own defaults. Those of other packages, in other threads, are read as ever."""
    if not is_prepared():
        yield
        return
    import overrides
    from pydantic_settings import BaseSettings

    own = vars(BaseSettings)["settings_customise_sources"]

    def sources(cls: type, settings_cls: type, *args: Any, **kwargs: Any) -> Any:
        return () if settings_cls.__module__ == "chromadb.config" else own.__func__(cls, settings_cls, *args, **kwargs)

    kept = overrides.override, overrides.overrides
    overrides.override = overrides.overrides = _marked
    BaseSettings.settings_customise_sources = classmethod(sources)  # type: ignore[assignment]
    try:
        yield
    finally:
        overrides.override, overrides.overrides = kept
        BaseSettings.settings_customise_sources = own  # type: ignore[method-assign]


def _marked(method: Callable[..., Any] | None = None, **_checks: bool) -> Any:
    if method is None:
        return _marked
    method.__override__ = True  # type: ignore[attr-defined]
    return method
