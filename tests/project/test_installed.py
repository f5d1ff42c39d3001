"""The wheel, installed in an environment of its own outside of the checkout: a project is made, promoted and asked there."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rag_pipeline import __version__
from rag_pipeline.settings import PROJECT

pytestmark = pytest.mark.slow

DG = "from dagster_dg_cli.cli import main; main()"


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with this package from the wheel alone; gigabytes of others are lent from the tests' environment."""
    environment = tmp_path_factory.mktemp("installed") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    made = environment / "bin" / "python"
    command = [sys.executable, "-m", "pip", "--python", str(made), "install", "-q", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    others = [Path(one) for one in sys.path if one and Path(one).is_dir() and not Path(one).is_relative_to(sys.base_prefix)]
    lent = [str(one) for one in others if not (one / "rag_pipeline").exists()]
    (site,) = environment.glob("lib/python*/site-packages")
    (site / "lent.pth").write_text("\n".join(lent) + "\n", encoding="utf-8")
    return made


def run(python: Path, folder: Path, *words: str) -> str:
    """A command in a folder, with nothing of this checkout in its environment."""
    names = ("RAG_", "DAGSTER_", "PYTHON")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(names)}
    environment["PATH"] = f"{python.parent}:{environment['PATH']}"
    done = subprocess.run(list(words), cwd=folder, env=environment, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, f"{words}: {done.stdout[-1_000:]}{done.stderr[-3_000:]}"
    return done.stdout


def test_a_project_is_made_promoted_and_asked_outside_of_the_checkout(python: Path, tmp_path: Path) -> None:
    rag = str(python.with_name("rag"))
    where = run(python, tmp_path, str(python), "-c", "import rag_pipeline; print(rag_pipeline.__file__)").strip()
    assert Path(where).is_relative_to(python.parents[1]) and not Path(where).is_relative_to(PROJECT)
    assert run(python, tmp_path, rag, "--version") == f"rag-pipeline {__version__}\n"
    run(python, tmp_path, rag, "init", "demo")
    demo = tmp_path / "demo"
    assert "serves now" in run(python, demo, rag, "refresh")
    hits = json.loads(run(python, demo, rag, "query", "my computer was stolen", "--json"))["hits"]
    assert hits[0]["document_id"] == "handbook/laptops.md"
    assert run(python, demo, rag, "status").splitlines()[0] == f"home {demo / '.rag'}"
    listed = run(python, demo, str(python), "-c", DG, "list", "defs", "--json")
    assert "index/production" in listed
    assert not (Path(where).parents[1] / "contracts").exists(), "a project is never where the package is"
