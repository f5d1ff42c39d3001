"""One home that serves, and one replica of it, for all tests that change neither."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Workspace
from tests.support.guarded import Guarded, guarded_replica
from tests.support.replicas import Running, key_for, replica, serving_home


@pytest.fixture(scope="session")
def served_once(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Nobody changes it but by making keys; what changes more takes `served`."""
    workspace = Workspace(tmp_path_factory.mktemp("served"))
    serving_home(workspace)
    return workspace


@pytest.fixture
def served(served_once: Workspace, tmp_path: Path) -> Workspace:
    """A copy of one's own."""
    shutil.copytree(served_once.root, tmp_path / "served")
    return Workspace(tmp_path / "served")


@pytest.fixture(scope="session")
def key(served_once: Workspace) -> str:
    return key_for(served_once.home)


@pytest.fixture(scope="session")
def running(served_once: Workspace, key: str) -> Iterator[Running]:
    with replica(served_once, RAG_SERVE_HOSTS="rag.example.com") as found:
        yield found


@pytest.fixture(scope="session")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """Nobody changes it but by making keys."""
    with guarded_replica(tmp_path_factory.mktemp("guarded")) as found:
        yield found
