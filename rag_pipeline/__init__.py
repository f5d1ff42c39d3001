"""The release pipeline for retrieval indexes: contracts, evaluation and a gate in front of every index."""

from importlib import import_module
from typing import Any

__version__ = "0.2.0"
"""The one place that names the version: the package's metadata, `rag --version` and CHANGELOG.md follow it."""

__all__ = ["RagPipeline", "__version__"]


def __getattr__(name: str) -> Any:
    """`RagPipeline`, the component, as YAML and `dg` call it: imported when it is asked for, as it takes Dagster along."""
    if name == "RagPipeline":
        return import_module("rag_pipeline.defs.component_type").RagPipeline
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), "RagPipeline"]
