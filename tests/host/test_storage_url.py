"""A PostgreSQL storage by the wrong driver is refused at start, by a sentence that names file, field and fix."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rag_pipeline.defs.home import prepare_dagster_home
from rag_pipeline.errors import PipelineError
from rag_pipeline.host.storage_url import check_storage
from tests.conftest import Workspace
from tests.support.command_line import rag

BARE = "storage:\n  postgres:\n    postgres_url: postgresql://dagster:hunter2@db:5432/dagster\n"
BY_VARIABLE = "storage: {postgres: {postgres_url: {env: DAGSTER_PG}}}\n"
PARTS = "storage: {postgres: {postgres_db: {username: dagster, password: hunter2, hostname: db, db_name: dagster}}}\n"
OLD_FORM = """\
run_storage:
  module: dagster_postgres.run_storage
  class: PostgresRunStorage
  config: {postgres_url: "postgresql://dagster:hunter2@db/dagster"}
"""
CUSTOM = """\
storage:
  custom:
    module: dagster_postgres.storage
    class: DagsterPostgresStorage
    config: {postgres_url: "postgres://dagster:hunter2@db/dagster"}
"""
GOOD = "storage: {postgres: {postgres_url: postgresql+psycopg2://dagster@db/dagster}}\n"


def configured(folder: Path, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "dagster.yaml").write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("text", "field", "fix"),
    [
        (BARE, "storage.postgres.postgres_url begins with postgresql://", "Let it begin with postgresql+psycopg2://"),
        (BARE.replace("l://", "l+psycopg://"), "begins with postgresql+psycopg://", "postgresql+psycopg2://"),
        (BY_VARIABLE, "postgres_url (the variable DAGSTER_PG)", "Let the variable DAGSTER_PG begin with"),
        (PARTS, "storage.postgres.postgres_db", "Add scheme: postgresql+psycopg2 to it"),
        (OLD_FORM, "run_storage.config.postgres_url", "Let it begin with"),
        (CUSTOM, "storage.custom.config.postgres_url begins with postgres://", "Let it begin with"),
    ],
)
def test_another_driver_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, field: str, fix: str) -> None:
    monkeypatch.setenv("DAGSTER_PG", "postgresql://dagster:hunter2@db/dagster")
    with pytest.raises(PipelineError) as refused:
        check_storage(configured(tmp_path, text))
    says = str(refused.value)
    assert says.startswith(f"{tmp_path / 'dagster.yaml'}: ")
    assert field in says and fix in says and "NOT_STARTED" in says
    assert "hunter2" not in says


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        PARTS.replace("db_name", "scheme: postgresql+psycopg2, db_name"),
        BY_VARIABLE,  # the variable is not set: Dagster itself says so
        "storage: {sqlite: {base_dir: /tmp}}\n",
        "# postgres\n",
        "- postgres\n",
        "storage: {postgres: [\n",
    ],
)
def test_what_works_or_is_not_ours_to_judge_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.delenv("DAGSTER_PG", raising=False)
    check_storage(configured(tmp_path, text))
    check_storage(tmp_path / "nowhere")


def test_commands_refuse_it(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in workspace.environment.items():
        monkeypatch.setenv(name, value)
    configured(workspace.root / "dagster", BARE)
    code, _, err = rag(monkeypatch, capsys, "status")
    assert code == 1 and "postgresql+psycopg2://" in err
    with pytest.raises(PipelineError, match="postgresql\\+psycopg2://"):
        prepare_dagster_home(workspace.settings)


def test_the_code_location_does_not_load(workspace: Workspace) -> None:
    configured(workspace.root / "dagster", BARE)
    environment = {**workspace.environment, "DAGSTER_HOME": os.environ["DAGSTER_HOME"]}
    command = [sys.executable, "-c", "import rag_pipeline.definitions"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode and "storage.postgres.postgres_url begins with postgresql://" in done.stderr
