"""One home that serves, and one replica of it, for all tests that change neither."""

from collections.abc import Iterator

import pytest

from tests.conftest import Workspace
from tests.support.guarded import Guarded, guarded_replica
from tests.support.replicas import Running, key_for, replica
from tests.support.served import served, served_once

__all__ = ["guarded", "key", "running", "served", "served_once"]


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
