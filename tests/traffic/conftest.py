"""A home that serves, for tests of the queue; each has a copy of its own."""

import shutil
from pathlib import Path

import pytest

from tests.conftest import Workspace
from tests.support.replicas import serving_home


@pytest.fixture(scope="session")
def served_once(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    workspace = Workspace(tmp_path_factory.mktemp("queue"))
    serving_home(workspace)
    return workspace


@pytest.fixture
def served(served_once: Workspace, tmp_path: Path) -> Workspace:
    shutil.copytree(served_once.root, tmp_path / "served")
    return Workspace(tmp_path / "served")
