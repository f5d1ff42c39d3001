"""The handbook pipeline of tests/pipeline, for breaking."""

from tests.pipeline.conftest import ask, handbook, run

__all__ = ["ask", "handbook", "run"]
