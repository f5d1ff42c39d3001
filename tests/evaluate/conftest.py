"""What the tests of evaluations begin with."""

import pytest

from tests.conftest import Workspace
from tests.support.built_once import BuiltOnce
from tests.support.evaluated_home import PAGES, Desk
from tests.support.small_releases import release_of


@pytest.fixture
def desk(built_once: BuiltOnce, monkeypatch: pytest.MonkeyPatch) -> Desk:
    workspace = Workspace(built_once.empty("desk"))
    monkeypatch.setenv("DAGSTER_HOME", str(workspace.root / "dagster"))

    def released() -> str:
        judged = {"cats purr": ["handbook/cats.md"], "dogs bark": ["handbook/dogs.md"], "fish": ["handbook/fish.md"]}
        workspace.golden("animals", judged, slices=["kind"])
        return release_of(workspace.home, PAGES).manifest.id

    return Desk(workspace, built_once.state(workspace.root, "released", released))
