"""The nights on which the clocks change, taken by Dagster's own scheduler: each schedule runs once, and none is left out."""

import logging
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import dagster._daemon  # before the scheduler: they import each other
import pytest
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import ModuleTarget
from dagster._scheduler.scheduler import launch_scheduled_runs

from rag_pipeline.defs.home import prepare_dagster_home
from tests.conftest import Workspace, files_contract
from tests.pipeline.conftest import FLOORS

BERLIN = ZoneInfo("Europe/Berlin")

NIGHTS = {
    "in spring, when 02:30 does not exist": (datetime(2027, 3, 28, tzinfo=BERLIN), "03:00+02:00", 5),
    "in autumn, when 02:30 comes twice": (datetime(2026, 10, 25, tzinfo=BERLIN), None, 7),
}
"""The night, when what is due at a time that does not exist runs instead, and the hours from midnight to six."""


def paced(workspace: Workspace, source: str, **pace: object) -> None:
    """A source with a schedule of its own."""
    promises = [{"property": "latency", "value": 48, "unit": "h"}, {"property": "frequency", **pace}]
    folder = workspace.pages({"leave.md": "# Leave\n\nThirty days each year.\n"}, source)
    workspace.contract(source, files_contract(folder, id=source, slaProperties=promises))


@pytest.mark.parametrize("night", NIGHTS)
def test_a_schedule_runs_once_in_a_night_on_which_the_clocks_change(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, night: str
) -> None:
    midnight, instead, apart = NIGHTS[night]
    paced(workspace, "wiki", value=1, unit="d", scheduler="cron", schedule="30 2 * * *")
    paced(workspace, "tickets", value=6, unit="h")
    workspace.golden("questions", {"how many days of leave": ["handbook/leave.md"]})
    workspace.policy({"questions": FLOORS})
    for name, value in {**workspace.environment, "RAG_SCHEDULES": "on", "RAG_TIMEZONE": "Europe/Berlin"}.items():
        monkeypatch.setenv(name, value)
    prepare_dagster_home(workspace.settings)
    target = ModuleTarget("rag_pipeline.definitions", attribute=None, working_directory=None, location_name=None)
    ran: dict[str, list[datetime]] = defaultdict(list)
    with dg.DagsterInstance.get() as instance, WorkspaceProcessContext(instance, target) as context:
        now = (midnight - timedelta(minutes=10)).astimezone(UTC)
        times: dict[str, Any] = {}
        while now < (midnight + timedelta(hours=7)).astimezone(UTC):
            errors = [error for error in launch_scheduled_runs(context, logging.getLogger("test"), now, times) if error]
            assert errors == []
            now += timedelta(minutes=30)
        for run in instance.get_runs():
            due = datetime.fromisoformat(run.tags[".dagster/scheduled_execution_time"]).astimezone(BERLIN)
            ran[run.job_name].append(due)
    assert [f"{due:%H:%M}" for due in ran["nightly_refresh"]] == ["03:00" if instead else "02:00"]
    assert [f"{due:%H:%M}" for due in ran["wiki_refresh"]] == ["03:00" if instead else "02:30"]
    midnight_tick, morning = sorted(ran["tickets_refresh"])
    assert (midnight_tick.hour, morning.hour) == (0, 6), "every six hours is a time of day, not a distance"
    assert morning.astimezone(UTC) - midnight_tick.astimezone(UTC) == timedelta(hours=apart)
