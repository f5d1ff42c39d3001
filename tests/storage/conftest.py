"""The servers of a home in a bucket, once for all tests of it; the handbook of tests/pipeline in such a home."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Workspace
from tests.support.bucket_handbook import write_handbook
from tests.support.bucket_home import BucketHome, Store, bucket_homes, new_home
from tests.support.postgres_server import Postgres


@pytest.fixture(scope="session")
def bucket_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Store, Postgres]]:
    with bucket_homes(tmp_path_factory.mktemp("store")) as servers:
        yield servers


@pytest.fixture
def bucket(bucket_servers: tuple[Store, Postgres], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BucketHome:
    """An empty home in a bucket."""
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster"))
    return new_home(bucket_servers, tmp_path / "machines", monkeypatch)


@pytest.fixture
def handbook(workspace: Workspace) -> Workspace:
    return write_handbook(workspace)
