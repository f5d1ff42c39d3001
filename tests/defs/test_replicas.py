"""`serving/replicas` shows who serves what, from the files that replicas wrote, and asks none of them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from rag_pipeline.defs.keys import REPLICAS
from rag_pipeline.defs.replicas import MEET, SERVE, replicas_asset
from rag_pipeline.replicas.standing import Serves, Standing, write_standing
from rag_pipeline.replicas.tally import Tally
from tests.conftest import Workspace

RELEASE = "20261130-000000-aaaaaaaa"


@pytest.fixture
def policy(workspace: Workspace) -> Workspace:
    workspace.policy({"questions": {"floors": {"nDCG@10": 0.5}}}, serving={"p95_ms": 50})
    return workspace


def wrote(workspace: Workspace, number: int, ms: float, *, silent_s: float = 0, **changes: Any) -> None:
    """A replica of a minute ago that answered a hundred questions, each in `ms`, and refused two."""
    now, tally = datetime.now(UTC), Tally()
    for _ in range(100):
        tally.count(now.timestamp(), 200, "", ms)
    for _ in range(2):
        tally.count(now.timestamp(), 503, "overloaded", 1.0)
    fields = {
        "replica": f"host-{number}-20261130-110000",
        "url": "http://127.0.0.1:8080",
        "began_at": now - timedelta(minutes=1),
        "written_at": now - timedelta(seconds=silent_s),
        "channels": {"production": Serves(release=RELEASE, since=now - timedelta(minutes=1))},
        "minutes": tally.minutes(now.timestamp()),
    }
    write_standing(workspace.home, Standing.model_validate(fields | changes))


def looked(workspace: Workspace) -> tuple[dict[str, Any], dict[str, dg.AssetCheckEvaluation]]:
    ran = dg.materialize([replicas_asset(workspace.settings)], instance=dg.DagsterInstance.ephemeral())
    [made] = ran.asset_materializations_for_node("serving__replicas")
    return dict(made.metadata), {one.check_name: one for one in ran.get_asset_check_evaluations()}


def test_who_serves_what_is_shown_with_what_the_last_hour_came_to(policy: Workspace) -> None:
    wrote(policy, 1, ms=12)
    wrote(policy, 2, ms=14)
    shown, checks = looked(policy)
    rows = [one.data for one in shown["replicas"].value.records]
    assert [(row["replica"], row["channel"], row["release"], row["state"], row["requests"]) for row in rows] == [
        (f"host-{number}-20261130-110000", "production", RELEASE, "serves", 102) for number in (1, 2)
    ]
    assert (shown["requests in the last hour"].value, shown["dagster/row_count"].value) == (204, 2)
    assert shown["p95_ms limit"].value == 50 and 10 < shown["p95_ms"].value <= 15
    assert shown["refused percent"].value == pytest.approx(100 * 4 / 204, abs=1e-3)
    assert checks[SERVE].passed and checks[MEET].passed


def test_levels_that_are_missed_fail_and_a_replica_that_is_gone_warns(policy: Workspace) -> None:
    wrote(policy, 1, ms=70)
    wrote(policy, 2, ms=70, silent_s=120)
    shown, checks = looked(policy)
    assert not checks[MEET].passed and checks[MEET].severity == dg.AssetCheckSeverity.ERROR
    assert "at most 50" in (checks[MEET].description or "")
    assert not checks[SERVE].passed and checks[SERVE].severity == dg.AssetCheckSeverity.WARN
    assert "host-2-20261130-110000" in (checks[SERVE].description or "")
    assert shown["replicas"].value.records[1].data["state"].startswith("silent since ")


def test_where_nobody_serves_nothing_is_wrong(policy: Workspace) -> None:
    shown, checks = looked(policy)
    assert shown["replicas"].value.records[0].data["replica"] == "no replica has served"
    assert all(one.passed for one in checks.values()) and len(checks) == 2
    assert REPLICAS == ["serving", "replicas"]
