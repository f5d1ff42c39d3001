"""The release pipeline for retrieval indexes: contracts, evaluation and a gate in front of every index."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rag_pipeline.defs.component_type import RagPipeline
    from rag_pipeline.release.reading import Index

__version__ = "0.2.0"
"""The one place that names the version: the package's metadata, `rag --version` and CHANGELOG.md follow it."""

__all__ = ["Index", "RagPipeline", "__version__"]

_ELSEWHERE = {"Index": "rag_pipeline.release.reading", "RagPipeline": "rag_pipeline.defs.component_type"}
"""`Index`, the promoted index for a program, and `RagPipeline`, the component as YAML and `dg` call it. Each is imported
when it is asked for: one takes tables and vectors along, the other Dagster."""


def __getattr__(name: str) -> Any:
    if module := _ELSEWHERE.get(name):
        return getattr(import_module(module), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *_ELSEWHERE]
