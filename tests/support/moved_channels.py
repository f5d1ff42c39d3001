"""Channels that moved, to be damaged and restored."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from rag_pipeline.channels.pointer import Channel, read_channel
from rag_pipeline.files import write_json
from rag_pipeline.release.promote import promote
from rag_pipeline.release.request import PromotionRequest
from tests.conftest import Workspace
from tests.support.built_once import BuiltOnce
from tests.support.office import FLOOR, PAGES, Office, office_in
from tests.support.small_releases import NOW, release_of


def file_of(office: Office, name: str = "production") -> Path:
    return office.home.channel(name)


def channel(office: Office, name: str = "production") -> Channel:
    found = read_channel(office.home, name)
    assert found is not None
    return found


@pytest.fixture
def moved(built_once: BuiltOnce) -> Office:
    """Production moved twice and was rolled back, `staging` moved later and further; a refusal lies in between."""
    workspace = Workspace(built_once.empty("moved"))
    return Office(workspace, built_once.state(workspace.root, "moved", lambda: moved_in(workspace)))


def moved_in(workspace: Workspace) -> str:
    """The moves, and the first release."""
    office = office_in(workspace)
    content = {"golden_sets": {"animals": FLOOR}}
    (office.workspace.root / "evals" / "gate.yaml").write_text(
        json.dumps({"channels": {"production": content, "staging": content}}), encoding="utf-8"
    )
    made = [office.first, *(release_of(office.home, page(n), now=NOW + timedelta(hours=n)).manifest.id for n in (1, 2, 3))]
    for hour, (name, release) in enumerate(
        [("production", 0), ("production", 1), ("staging", 0), ("staging", 1), ("staging", 2), ("staging", 3)]
    ):
        now = NOW + timedelta(hours=hour)
        office.evaluate(made[release], now)
        promote(office.inputs(now), PromotionRequest(made[release], by="tests", why="nightly", channel=name), run_id="run")
        if hour == 2:
            office.refused(made[3], now)
    now = NOW + timedelta(hours=7)
    office.evaluate(made[0], now)
    promote(
        office.inputs(now), PromotionRequest(made[0], by="ana", why="wrong prices", named=True, withdraw=True), run_id="r"
    )
    return office.first


def page(number: int) -> dict[str, str]:
    return {**PAGES, "more.md": f"# More\n\npage number {number}"}


def edited(office: Office, **changes: Any) -> None:
    write_json(file_of(office), json.loads(file_of(office).read_bytes()) | changes)
