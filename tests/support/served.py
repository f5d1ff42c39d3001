"""A home that serves, as fixtures: built once in each test process, and copied for who changes it."""

import shutil
from pathlib import Path

import pytest

from tests.conftest import Workspace
from tests.support.replicas import serving_home


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
