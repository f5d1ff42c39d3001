"""The handbook pipeline of tests/pipeline, for breaking; and two more that stand before the gate, one on each side."""

from collections.abc import Iterator

import pytest

from tests.conftest import Workspace
from tests.pipeline.conftest import ask, begin, handbook, run
from tests.support import gate_bypass
from tests.support.bucket_home import bucket, bucket_servers, place
from tests.support.gate_bypass import Patch

__all__ = ["ask", "begin", "bucket", "bucket_servers", "handbook", "place", "run"]


@pytest.fixture
def ready(workspace: Workspace, monkeypatch: Patch, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The candidate passed its evaluation and may be promoted at once."""
    return gate_bypass.copy_of("ready", tmp_path_factory, workspace, monkeypatch)


@pytest.fixture
def refused(workspace: Workspace, monkeypatch: Patch, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The candidate failed its evaluation."""
    return gate_bypass.copy_of("refused", tmp_path_factory, workspace, monkeypatch)


@pytest.fixture(scope="module")
def tell_how_many(request: pytest.FixtureRequest) -> Iterator[None]:
    yield from gate_bypass.tell_how_many(request)
