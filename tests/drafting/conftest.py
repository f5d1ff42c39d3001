"""The desk at which the tests draft contracts."""

from pathlib import Path

import pytest

from tests.support.drafts import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)
