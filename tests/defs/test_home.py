"""`dagster.yaml`: brought up to date where nobody touched it, left alone where somebody did."""

import logging

import dagster as dg
import pytest

from rag_pipeline.defs.home import prepare_dagster_home
from tests.conftest import Workspace

FIRST = """\
# Copied into DAGSTER_HOME on first use. Nothing is sent anywhere; our library's log lines show up in the UI.
telemetry:
  enabled: false
python_logs:
  python_log_level: INFO
  managed_python_loggers:
    - rag_pipeline
freshness:
  enabled: true
# One writer at a time is all an embedded index allows; a second run waits in the queue.
concurrency:
  runs:
    max_concurrent_runs: 1
# No sign-up dialog over the first page.
nux:
  enabled: false
"""
"""What the first version wrote."""


def test_a_copy_that_nobody_edited_is_brought_up_to_date(workspace: Workspace) -> None:
    (workspace.root / "dagster").mkdir()
    (workspace.root / "dagster" / "dagster.yaml").write_text(FIRST, encoding="utf-8")
    prepare_dagster_home(workspace.settings)
    with dg.DagsterInstance.get() as instance:
        assert instance.run_monitoring_enabled
        assert instance.run_monitoring_max_resume_run_attempts == 0


def test_what_a_person_edited_stays_and_the_log_says_what_it_lacks(
    workspace: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    (workspace.root / "dagster").mkdir()
    config = workspace.root / "dagster" / "dagster.yaml"
    edited = FIRST.replace("max_concurrent_runs: 1", "max_concurrent_runs: 4")
    config.write_text(edited, encoding="utf-8")
    with caplog.at_level(logging.WARNING, logger="rag_pipeline"):
        prepare_dagster_home(workspace.settings)
    assert config.read_text(encoding="utf-8") == edited
    assert "lacks run_monitoring" in caplog.text
    caplog.clear()
    config.write_text(f"{edited}run_monitoring: {{enabled: false}}\n", encoding="utf-8")
    prepare_dagster_home(workspace.settings)
    assert caplog.text == ""
