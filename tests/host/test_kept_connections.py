"""Dagster's files stay open for a run, and what others see of the run is the same."""

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import dagster as dg
import pytest
from alembic.script import ScriptDirectory

from rag_pipeline.defs.home import prepare_dagster_home
from rag_pipeline.defs.run import load
from rag_pipeline.host.kept_connections import kept_connections, opened_instance
from tests.conftest import Workspace, files_contract


@dg.asset
def thing(context: dg.AssetExecutionContext) -> None:
    context.log.info("made")


@pytest.fixture
def dagster(workspace: Workspace) -> Path:
    return prepare_dagster_home(workspace.settings)


@pytest.fixture
def instance(dagster: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.get() as opened:
        yield opened


def opened_files(folder: Path) -> list[str]:
    """Databases below a folder that this process has open."""
    links = [os.path.realpath(number) for number in Path("/proc/self/fd").iterdir()]
    return sorted({Path(link).name for link in links if link.startswith(f"{folder.resolve()}/") and link.endswith(".db")})


def events_on_disk(folder: Path, run_id: str) -> list[str]:
    """Types of the events of a run, as another process reads them."""
    with closing(sqlite3.connect(folder / "history" / "runs" / f"{run_id}.db")) as connection:
        return [kind for (kind,) in connection.execute("SELECT dagster_event_type FROM event_logs ORDER BY id") if kind]


def test_every_event_is_on_disk_at_once_and_no_file_stays_open(dagster: Path, instance: dg.DagsterInstance) -> None:
    seen: list[list[str]] = []

    @dg.asset
    def looks(context: dg.AssetExecutionContext) -> None:
        seen.append(events_on_disk(dagster, context.run.run_id))
        assert f"{context.run.run_id}.db" in opened_files(dagster)

    with kept_connections(instance):
        ran = dg.materialize([looks], instance=instance)
        assert ran.success
        assert {"index.db", "runs.db", f"{ran.run_id}.db"} <= set(opened_files(dagster))
    assert "STEP_START" in seen[0]
    assert events_on_disk(dagster, ran.run_id)[-1] == "PIPELINE_SUCCESS"
    assert opened_files(dagster) == []
    assert not [path for path in dagster.rglob("*-wal") if path.stat().st_size]


def test_the_instance_answers_the_same_with_and_without(instance: dg.DagsterInstance) -> None:
    with kept_connections(instance):
        kept = dg.materialize([thing], instance=instance)
        kept_sees = [one.dagster_event_type for one in instance.all_logs(kept.run_id)]
    plain = dg.materialize([thing], instance=instance)
    plain_sees = [one.dagster_event_type for one in instance.all_logs(plain.run_id)]
    assert kept_sees == plain_sees == [one.dagster_event_type for one in instance.all_logs(kept.run_id)]
    assert {run.run_id for run in instance.get_runs()} == {kept.run_id, plain.run_id}
    record = instance.get_latest_materialization_event(dg.AssetKey("thing"))
    assert record is not None
    assert record.run_id == plain.run_id


def test_an_error_inside_is_rolled_back_and_the_file_goes_on(instance: dg.DagsterInstance) -> None:
    with kept_connections(instance):
        with pytest.raises(RuntimeError, match="inside"), instance.run_storage.connect() as connection:  # type: ignore[attr-defined]  # noqa: PT012
            connection.exec_driver_sql("DELETE FROM runs")
            raise RuntimeError("inside")
        ran = dg.materialize([thing], instance=instance)
        assert [run.run_id for run in instance.get_runs()] == [ran.run_id]


def test_threads_write_and_ask_at_once(instance: dg.DagsterInstance) -> None:
    run_id = dg.materialize([thing], instance=instance).run_id
    found: list[bool] = []

    def say(number: int) -> None:
        run = instance.get_run_by_id(run_id)
        instance.report_engine_event(f"thread {number}", run)
        found.append(run is not None)

    with kept_connections(instance):
        threads = [threading.Thread(target=say, args=(number,)) for number in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    said = {entry.message for entry in instance.all_logs(run_id)}
    assert found == [True] * 20
    assert {f"thread {number}" for number in range(20)} <= said


def test_other_storages_are_left_alone() -> None:
    with dg.DagsterInstance.ephemeral() as instance, kept_connections(instance):
        assert dg.materialize([thing], instance=instance).success
        assert "_connect" not in vars(instance.event_log_storage)
        assert "connect" not in vars(instance.run_storage)


def test_migrations_are_read_once_and_alembic_is_as_it_was(dagster: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    own = ScriptDirectory.from_config

    def counted(config: object) -> ScriptDirectory:
        read.append(str(config))
        return own(config)  # type: ignore[arg-type]

    monkeypatch.setattr(ScriptDirectory, "from_config", counted)
    with opened_instance() as instance:
        assert dg.materialize([thing], instance=instance).success
        stamped = instance.event_log_storage.alembic_version()
        assert stamped is not None and stamped[0] == stamped[1]
    assert len(read) <= 2  # `stamp` of a new file may read for itself
    assert ScriptDirectory.from_config is counted


def test_a_command_leaves_no_file_open(workspace: Workspace, dagster: Path) -> None:
    workspace.contract("handbook", files_contract(workspace.pages({"leave.md": "# Leave\n\nThirty days each year.\n"})))
    assert load(workspace.settings, "handbook").success
    assert opened_files(dagster) == []
