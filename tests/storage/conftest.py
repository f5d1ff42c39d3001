"""The servers of a home in a bucket, once for all tests of it; a handbook in such a home."""

import pytest

from tests.conftest import Workspace
from tests.support.bucket_handbook import write_handbook
from tests.support.bucket_home import azurite, bucket, bucket_servers

__all__ = ["azurite", "bucket", "bucket_servers"]


@pytest.fixture
def handbook(workspace: Workspace) -> Workspace:
    return write_handbook(workspace)
