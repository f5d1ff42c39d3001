"""Production that a person rolled back: a second release served, and the first one does again, held."""

from datetime import datetime, timedelta

import pytest

from rag_pipeline.channels.pointer import Channel
from rag_pipeline.release.promote import Promotion, promote
from rag_pipeline.release.request import PromotionRequest
from tests.support.built_once import BuiltOnce
from tests.support.office import PAGES, Office
from tests.support.small_releases import NOW


def asked(office: Office, release: str, now: datetime, *, named: bool = True, withdraw: bool = False) -> Promotion:
    request = PromotionRequest(release, by="ben", why="fixed", named=named, withdraw=withdraw)
    return promote(office.inputs(now), request, run_id="by hand")


@pytest.fixture
def second(office: Office, built_once: BuiltOnce) -> str:
    """A second release, promoted after the first."""

    def serve() -> str:
        office.serve(office.first)
        made = office.second(PAGES)
        office.serve(made, NOW + timedelta(hours=1))
        return made

    return built_once.state(office.workspace.root, "served a second", serve)


@pytest.fixture
def held(office: Office, second: str) -> Channel:
    """Production after a rollback from the second release to the first."""
    now = NOW + timedelta(hours=2)
    office.evaluate(office.first, now)
    return asked(office, office.first, now, withdraw=True).channel
