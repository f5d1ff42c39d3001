"""What tests of answer versions share: the office, which serves, with a model on this machine that can lie."""

from collections.abc import Iterator

import pytest

from tests.support.answer_versions import VersionDesk, honest
from tests.support.built_once import BuiltOnce
from tests.support.lying_model import LyingModel, model_in_a_thread
from tests.support.office import Office, office

__all__ = ["office"]


@pytest.fixture(scope="session")
def model() -> Iterator[LyingModel]:
    pytest.importorskip("openai")
    with model_in_a_thread() as found:
        yield found


@pytest.fixture
def desk(office: Office, model: LyingModel, built_once: BuiltOnce) -> VersionDesk:
    """It serves its first release, and names no answer version yet; the model tells the truth."""
    built_once.state(office.workspace.root, "served", lambda: office.serve(office.first))
    model.asked.clear()
    honest(model)
    return VersionDesk(office, model)
