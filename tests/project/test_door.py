"""What a contributor's commands, hooks and workflows promise: each does what its file says, without a network."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from rag_pipeline.settings import PROJECT

MAKEFILE = (PROJECT / "Makefile").read_text(encoding="utf-8")
WORKFLOWS = sorted((PROJECT / ".github/workflows").glob("*.yml"))
PYTHONS = re.search(r'requires-python = ">=3\.(\d+),<3\.(\d+)"', (PROJECT / "pyproject.toml").read_text(encoding="utf-8"))


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    outside = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "MAKE", "MFLAGS", "VENV"))}
    outside["PRE_COMMIT_HOME"] = str(folder / "hooks")
    return subprocess.run(command, cwd=folder, env=outside, capture_output=True, text=True)


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=[path.stem for path in WORKFLOWS])
def test_a_workflow_runs_only_targets_of_the_makefile(workflow: Path) -> None:
    steps = [step for job in yaml.safe_load(workflow.read_text())["jobs"].values() for step in job["steps"] if "run" in step]
    targets = {found for step in steps for found in re.findall(r"(?m)^make ([a-z-]+)", step["run"])}
    assert targets
    assert {step["run"].split()[0] for step in steps} == {"make"}
    assert not [target for target in targets if not re.search(rf"(?m)^{target}:", MAKEFILE)]


def test_the_tests_run_on_every_python_the_package_promises() -> None:
    assert PYTHONS
    promised = [f"3.{minor}" for minor in range(int(PYTHONS[1]), int(PYTHONS[2]))]
    jobs = yaml.safe_load((PROJECT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))["jobs"]
    assert jobs["test"]["strategy"]["matrix"]["python"] == promised
    assert f"Python 3.{PYTHONS[1]} to 3.{int(PYTHONS[2]) - 1} is needed" in MAKEFILE


def test_make_test_runs_one_file_or_all() -> None:
    one = run(PROJECT, "make", "-n", "test", "FILE=tests/docs/test_docs.py").stdout.splitlines()[-1]
    assert one == ".venv/bin/pytest tests/docs/test_docs.py"
    everything = run(PROJECT, "make", "-n", "test").stdout.splitlines()[-1]
    assert everything.startswith('.venv/bin/pytest -m "not slow"')


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A repository with our hooks, our environment and two files that are staged."""
    if not (PROJECT / ".venv").exists():
        pytest.skip("the hooks run what `make dev-env` put into .venv, and this checkout uses another environment")
    for name in (".pre-commit-config.yaml", "pyproject.toml"):
        shutil.copy(PROJECT / name, tmp_path)
    (tmp_path / ".venv").symlink_to(PROJECT / ".venv")
    (tmp_path / ".github/workflows").mkdir(parents=True)
    (tmp_path / "helper.py").write_text("import os\nx = {  'a':1 }\n", encoding="utf-8")
    (tmp_path / ".github/workflows/ci.yml").write_text("on: push\njobs: {check: {steps: []}}\n", encoding="utf-8")
    run(tmp_path, "git", "init", "-q")
    run(tmp_path, "git", "add", "helper.py", ".github")
    return tmp_path


def test_the_hooks_repair_python_and_refuse_a_broken_workflow(clone: Path, tmp_path: Path) -> None:
    done = run(clone, ".venv/bin/pre-commit", "run")
    assert done.returncode == 1
    outcome = dict(re.findall(r"(?m)^([a-z].+?)\.{3,}.*?(Passed|Failed|Skipped)$", done.stdout))
    assert outcome == {
        "ruff check --fix": "Failed",
        "ruff format": "Failed",
        "import-linter": "Skipped",
        "workflows of GitHub": "Failed",
    }
    assert (clone / "helper.py").read_text(encoding="utf-8") == 'x = {"a": 1}\n'
    assert "runs-on" in done.stdout
