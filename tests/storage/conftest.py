"""The servers of a home in a bucket, once for all tests of it; a handbook in such a home."""

import pytest

from tests.conftest import Workspace
from tests.support.bucket_handbook import write_handbook
from tests.support.bucket_home import azurite, bucket, bucket_servers
from tests.support.bucket_releases import one

__all__ = ["azurite", "bucket", "bucket_servers", "one"]


@pytest.fixture
def handbook(workspace: Workspace) -> Workspace:
    return write_handbook(workspace)
