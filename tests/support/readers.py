"""Readers in processes of their own, and the town they ask about."""

from datetime import timedelta

import pytest

from rag_pipeline.home import Home
from tests.conftest import Workspace, files_contract
from tests.support.office import FLOOR, Office
from tests.support.small_releases import NOW, release_of

SUBJECTS = ("cats", "dogs", "birds", "fish", "horses", "bees", "ants", "frogs", "owls", "bears", "wolves", "mice")


BY_FORCE = {"action": "overridden", "outcome": "regressed"}
"""A move without evidence, as only a person can make it."""


def pages(number: int) -> dict[str, str]:
    """The pages of one release: every id is there in each release, every text carries the release's own marker."""
    return {f"{subject}.md": f"# About {subject}\n\n{subject} here marker-{number}." for subject in SUBJECTS}


@pytest.fixture
def town(workspace: Workspace) -> Office:
    """An office whose first release has the marker of number 0."""
    workspace.contract("handbook", files_contract(workspace.pages(pages(0))))
    judged = {f"about {subject}": [f"handbook/{subject}.md"] for subject in SUBJECTS}
    workspace.golden("animals", judged)
    workspace.policy({"animals": FLOOR}, sources_within_sla=False)
    return Office(workspace, build(workspace.home, 0))


def build(home: Home, number: int) -> str:
    built = release_of(home, pages(number), now=NOW + timedelta(minutes=number))
    assert built.new
    return built.manifest.id
