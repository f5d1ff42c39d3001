"""What compose.yaml starts, without containers: database, code server, webserver, daemon. A schedule fires and promotes."""

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.dagster_daemon import EVERY_MINUTE
from tests.support.deployed import SERVICES, Deployed
from tests.support.postgres_server import Postgres

pytest.importorskip("dagster_postgres")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture
def deployed(tmp_path: Path) -> Iterator[Deployed]:
    """Everything but the pipeline's processes is there; nothing is left running."""
    server = Postgres(connections=100)
    deployed = Deployed(tmp_path, server, EVERY_MINUTE)
    yield deployed
    deployed.stop()
    server.remove()


def runs(deployed: Deployed) -> list[tuple[str, str, str]]:
    """Run, status and schedule of every run that PostgreSQL holds, by schedule."""
    with deployed.postgres.connect("dagster") as connection:
        return connection.execute(
            "SELECT r.run_id, r.status, t.value FROM runs r JOIN run_tags t USING (run_id) "
            "WHERE t.key = 'dagster/schedule_name' ORDER BY r.id"
        ).fetchall()


def nightly_run_in_the_ui(deployed: Deployed, run_id: str) -> dict[str, str]:
    """What the webserver says of a run."""
    question = {"query": f'{{runOrError(runId: "{run_id}") {{... on Run {{status jobName}}}}}}'}
    address = f"http://127.0.0.1:{deployed.ports['3000']}/graphql"
    request = urllib.request.Request(address, json.dumps(question).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        told: dict[str, str] = json.load(answer)["data"]["runOrError"]
    return told


def test_a_due_schedule_fires_and_the_release_is_promoted(deployed: Deployed) -> None:
    assert deployed.rag("init", "project").returncode == 0
    deployed.start()
    run_id = deployed.wait_for(
        lambda: next((run for run, status, _ in runs(deployed) if status == "SUCCESS"), None), "a run"
    )
    assert runs(deployed)[0][2] == "nightly_refresh_schedule"
    assert nightly_run_in_the_ui(deployed, run_id) == {"status": "SUCCESS", "jobName": "nightly_refresh"}
    status = json.loads(deployed.rag("status", "--json").stdout)
    assert status["home"] == deployed.environment["RAG_HOME"]
    with urllib.request.urlopen(f"{deployed.environment['RAG_REPORTS_URL']}/", timeout=60) as reports:
        assert f"{status['channels']['production']['release']}.html" in reports.read().decode()
    asked = deployed.rag("query", "my computer was stolen", "--json")
    found = json.loads(asked.stdout)
    assert found["release"] == status["channels"]["production"]["release"]
    assert found["hits"][0]["document_id"] == "handbook/laptops.md"
    assert all(deployed.healthy(name) for name in SERVICES)
    assert not (deployed.project / ".rag/lake").exists(), "the project is only read"
    assert not list(deployed.root.rglob("runs.db")), "runs are kept in PostgreSQL alone"
