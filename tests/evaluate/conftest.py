"""What the tests of evaluations begin with."""

import pytest

from tests.conftest import Workspace
from tests.corpus.small import release_of
from tests.evaluate.desk import PAGES, Desk


@pytest.fixture
def desk(workspace: Workspace) -> Desk:
    manifest = release_of(workspace.home, PAGES).manifest
    judged = {"cats purr": ["handbook/cats.md"], "dogs bark": ["handbook/dogs.md"], "fish": ["handbook/fish.md"]}
    workspace.golden("animals", judged, slices=["kind"])
    return Desk(workspace, manifest.id)
