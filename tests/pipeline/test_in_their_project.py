"""A Dagster project that is there already: the component is scaffolded, loaded, run by its daemon, and left by `rag`."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import psutil
import pytest

from rag_pipeline.channels.pointer import serving
from rag_pipeline.home import Home

PROJECT_FILE = """
[project]
name = "theirs"
version = "0.1.0"

[tool.dg]
directory_type = "project"

[tool.dg.project]
root_module = "theirs"
code_location_target_module = "theirs.definitions"
"""

DEFINITIONS = """
from pathlib import Path

import dagster as dg


@dg.definitions
def defs():
    return dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
"""

WAREHOUSE = """
import dagster as dg


@dg.asset(key=["warehouse", "articles"])
def articles() -> None: ...
"""

_LONGEST_S = 240.0


@dataclass
class Theirs:
    """Their project, with one asset of theirs and our component in `theirs/defs/search`."""

    root: Path

    @property
    def home(self) -> Home:
        return Home(self.root / ".rag")

    @property
    def component(self) -> Path:
        return self.root / "theirs" / "defs" / "search"

    @property
    def environment(self) -> dict[str, str]:
        here = {"PYTHONPATH": str(self.root), "DAGSTER_HOME": str(self.root / "dagster"), "OMP_NUM_THREADS": "1"}
        return {**os.environ, **here}

    @property
    def as_commands_are_told(self) -> dict[str, str]:
        """The same settings as in the YAML, for `rag`."""
        folders = {name: str(self.component / name) for name in ("contracts", "evals")}
        return {f"RAG_{name.upper()}": value for name, value in {"home": str(self.home), **folders}.items()}

    def done(self, program: str, *words: str, **environment: str) -> str:
        """What a program of the environment prints; it must succeed."""
        command = [str(Path(sys.executable).parent / program), *words]
        ran = subprocess.run(
            command, cwd=self.root, env={**self.environment, **environment}, capture_output=True, text=True, check=False
        )
        assert ran.returncode == 0, f"{program} {' '.join(words)}: {ran.stdout[-3_000:]}\n{ran.stderr[-3_000:]}"
        return ran.stdout


@pytest.fixture
def theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Theirs:
    made = Theirs(tmp_path)
    files = {"pyproject.toml": PROJECT_FILE, "theirs/definitions.py": DEFINITIONS, "theirs/defs/warehouse.py": WAREHOUSE}
    for name, text in {**files, "theirs/__init__.py": "", "theirs/defs/__init__.py": "", "dagster/.keep": ""}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.setenv("DAGSTER_HOME", made.environment["DAGSTER_HOME"])
    made.done("dg", "scaffold", "defs", "rag_pipeline.RagPipeline", "search")
    return made


def listed(theirs: Theirs) -> dict[str, dict[str, Any]]:
    """Asset key -> what `dg list defs` says of it."""
    out = theirs.done("dg", "list", "defs", "--json")
    return {asset["asset_key"]: asset for asset in json.loads(out)["assets"]}


@pytest.mark.slow
def test_the_component_stands_beside_their_assets_and_refreshes(theirs: Theirs) -> None:
    assert "rag_pipeline.RagPipeline" in theirs.done("dg", "list", "components", "--json")
    theirs.done("dg", "check", "yaml")
    found = listed(theirs)
    assert {"warehouse/articles", "handbook/documents", "index/production"} <= set(found)
    assert found["handbook/documents"]["source"] == "theirs/defs/search/contracts/handbook.odcs.yaml"

    theirs.done("dg", "launch", "--job", "nightly_refresh")
    first = serving(theirs.home)
    assert first is not None
    answer = json.loads(theirs.done("rag", "query", "how much holiday", "--json", **theirs.as_commands_are_told))
    assert answer["hits"][0]["document_id"] == "handbook/leave.md"

    again = json.loads(theirs.done("rag", "refresh", "--json", **theirs.as_commands_are_told))
    assert again["success"] and again["texts_embedded"] == 0
    assert {"load", "embed", "evaluate", "promote"} <= again["stages"].keys()
    assert serving(theirs.home) == first
    with dg.DagsterInstance.get() as instance:
        latest = instance.get_latest_materialization_event(dg.AssetKey(["index", "production"]))
        assert latest is not None and latest.run_id == again["run_id"], "their UI shows what the command did"


@contextmanager
def daemon(theirs: Theirs) -> Iterator[Path]:
    """Their daemon, with Dagster's automation sensor switched on; its log."""
    log = theirs.root / "daemon.log"
    theirs.done("dagster", "sensor", "start", "default_automation_condition_sensor", "-m", "theirs.definitions")
    command = [sys.executable, "-m", "dagster._daemon", "run", "-m", "theirs.definitions"]
    with log.open("ab") as out:
        process = subprocess.Popen(command, cwd=theirs.root, env=theirs.environment, stdout=out, stderr=out)
    try:
        yield log
    finally:
        below = psutil.Process(process.pid).children(recursive=True)
        for one in [psutil.Process(process.pid), *below]:
            if one.is_running():
                one.kill()
        psutil.wait_procs(below, timeout=30)
        process.wait()


def until(what: Callable[[], Any], log: Path, says: str) -> Any:
    """What becomes true, when it does; fails with the daemon's log when it does not."""
    end = time.monotonic() + _LONGEST_S
    while time.monotonic() < end:
        if found := what():
            return found
        time.sleep(0.2)
    raise AssertionError(f"{says} did not happen within {_LONGEST_S:.0f} s.\n{log.read_text()[-5_000:]}")


def ticks() -> int:
    """How often the daemon has asked the automation sensor."""
    name = "default_automation_condition_sensor"
    with dg.DagsterInstance.get() as instance:
        states = [one for one in instance.all_instigator_state() if one.instigator_name == name]
        return len(instance.get_ticks(states[0].instigator_origin_id, states[0].selector_id)) if states else 0


def loaded() -> dg.DagsterRun | None:
    """The run that loaded the source, once it has ended."""
    with dg.DagsterInstance.get() as instance:
        latest = instance.get_latest_materialization_event(dg.AssetKey(["handbook", "documents"]))
        run = instance.get_run_by_id(latest.run_id) if latest else None
        return run if run and run.is_finished else None


@pytest.mark.slow
def test_the_daemon_loads_a_source_when_what_makes_its_feed_was_materialized(theirs: Theirs) -> None:
    contract = theirs.component / "contracts" / "handbook.odcs.yaml"
    text = contract.read_text(encoding="utf-8")
    contract.write_text(f"{text}customProperties: [{{property: madeBy, value: [warehouse/articles]}}]\n", encoding="utf-8")
    assert listed(theirs)["handbook/documents"]["dependency_keys"] == ["warehouse/articles"]
    with daemon(theirs) as log:
        until(lambda: ticks() > 1, log, "the first look")
        assert loaded() is None
        theirs.done("dg", "launch", "--assets", "warehouse/articles")
        run = until(loaded, log, "the load of the source")
    assert run.status == dg.DagsterRunStatus.SUCCESS
    assert run.tags["dagster/sensor_name"] == "default_automation_condition_sensor"
    with dg.DagsterInstance.get() as instance:
        of_type = {dg.DagsterEventType.ASSET_MATERIALIZATION}
        made = {
            key.to_user_string()
            for entry in instance.all_logs(run.run_id, of_type=of_type)
            if (key := entry.get_dagster_event().asset_key) is not None
        }
    assert made == {"handbook/documents", "handbook/quarantine"}, "of one load, and nothing else"
